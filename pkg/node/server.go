//go:build linux

package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/volume"
)

// maximumMessage is the most bytes of one request of kubelet's.
const maximumMessage = 1 << 20

// Serve answers kubelet until the context ends: CSI in the plugin's directory, and registration, by which kubelet gets to
// know the plugin.
func Serve(ctx context.Context, p *Plugin, version string) error {
	endpoint := filepath.Join(p.config.Directory(), "csi.sock")
	server := grpc.NewServer(grpc.MaxRecvMsgSize(maximumMessage))
	csi.RegisterIdentityServer(server, &Identity{Version: version})
	csi.RegisterNodeServer(server, &Node{Plugin: p})

	refused := make(chan error, 1)
	registrar := grpc.NewServer(grpc.MaxRecvMsgSize(maximumMessage))
	registration.RegisterRegistrationServer(registrar, &registrationServer{endpoint: endpoint, refused: refused, plugin: p})

	ended := make(chan error, 2)
	// Kubelet calls as soon as it finds the second.
	for _, s := range []struct {
		server *grpc.Server
		socket string
	}{
		{server, endpoint},
		{registrar, filepath.Join(p.config.KubeletDirectory, "plugins_registry", volume.Driver+"-reg.sock")},
	} {
		listener, err := listenAt(s.socket)
		if err != nil {
			server.Stop()
			return err
		}
		go func() { ended <- s.server.Serve(listener) }()
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-refused:
	case err = <-ended:
	}
	registrar.Stop()
	server.GracefulStop()
	return err
}

// listenAt listens at a path where an earlier plugin may have left its socket.
func listenAt(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("making the directory of a socket: %w", err)
	}
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("removing the socket of an earlier node plugin: %w", err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listening for kubelet: %w", err)
	}
	return listener, os.Chmod(path, 0o600)
}

// registrationServer tells kubelet where the CSI services are.
type registrationServer struct {
	registration.UnimplementedRegistrationServer
	endpoint string
	refused  chan<- error
	plugin   *Plugin
}

// GetInfo says what the plugin is.
func (s *registrationServer) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type: registration.CSIPlugin, Name: volume.Driver, Endpoint: s.endpoint, SupportedVersions: []string{"1.0.0"},
	}, nil
}

// NotifyRegistrationStatus is told whether kubelet accepted the plugin. If not, the plugin ends, since nobody would call it.
func (s *registrationServer) NotifyRegistrationStatus(_ context.Context, r *registration.RegistrationStatus) (*registration.RegistrationStatusResponse, error) {
	if r.GetPluginRegistered() {
		s.plugin.config.Log.Info("Registered with kubelet", "driver", volume.Driver)
		return &registration.RegistrationStatusResponse{}, nil
	}
	select {
	case s.refused <- errors.New("kubelet refused the node plugin: " + r.GetError()):
	default:
	}
	return &registration.RegistrationStatusResponse{}, nil
}
