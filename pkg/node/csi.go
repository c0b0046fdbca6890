//go:build linux

package node

import (
	"context"
	"errors"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/volume"
)

// Identity is the CSI service that says what the plugin is.
type Identity struct {
	csi.UnimplementedIdentityServer
	// Version is the plugin's.
	Version string
}

// GetPluginInfo returns the driver's name.
func (s *Identity) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: volume.Driver, VendorVersion: s.Version}, nil
}

// GetPluginCapabilities says that there is nothing but the node service.
func (s *Identity) GetPluginCapabilities(context.Context, *csi.GetPluginCapabilitiesRequest) (*csi.GetPluginCapabilitiesResponse, error) {
	return &csi.GetPluginCapabilitiesResponse{}, nil
}

// Probe says that the plugin is there.
func (s *Identity) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return &csi.ProbeResponse{}, nil
}

// Node is the CSI service for the volumes of a node. It has no capability: no staging, and no statistics, for which kubelet
// would ask a FUSE client.
type Node struct {
	csi.UnimplementedNodeServer
	Plugin *Plugin
}

// NodeGetCapabilities says that there is none.
func (s *Node) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	return &csi.NodeGetCapabilitiesResponse{}, nil
}

// NodeGetInfo makes kubelet label the node, so that pods can be kept to nodes that have the plugin.
func (s *Node) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{
		NodeId:             s.Plugin.config.NodeName,
		AccessibleTopology: &csi.Topology{Segments: map[string]string{volume.TopologyLabel: volume.TopologyValue}},
	}, nil
}

// NodePublishVolume makes a volume of a pod. Kubelet repeats it about once a minute (requiresRepublish).
func (s *Node) NodePublishVolume(_ context.Context, r *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	t, a, err := s.parse(r)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	if err := s.Plugin.publish(t, a, nil); err != nil {
		s.Plugin.config.Log.Error("Can't publish a volume", "pod", t.pod, "volume", t.volume, "error", err)
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.NodePublishVolumeResponse{}, nil
}

var (
	errNoVolumeID   = errors.New("the request has no volume_id")
	errNoFileSystem = errors.New("the request isn't for a volume with a file system")
	errMountFlags   = errors.New("volumes of " + volume.Driver + " have no mount flags: volume attribute " + volume.AttributeOptions + " has their options")
	errWrongPod     = errors.New("the pod that kubelet names in " + keyPodUID + " isn't the one in the target path; the CSIDriver object needs podInfoOnMount")
)

// parse reads a request, all of which but the target was written by whoever made the pod.
func (s *Node) parse(r *csi.NodePublishVolumeRequest) (target, attributes, error) {
	t, err := parseTarget(s.Plugin.config.KubeletDirectory, r.GetTargetPath())
	if err != nil {
		return target{}, attributes{}, err
	}
	m := r.GetVolumeCapability().GetMount()
	switch {
	case r.GetVolumeId() == "":
		return target{}, attributes{}, errNoVolumeID
	case m == nil:
		return target{}, attributes{}, errNoFileSystem
	case len(m.GetMountFlags()) > 0:
		return target{}, attributes{}, errMountFlags
	case r.GetVolumeContext()[keyPodUID] != t.pod:
		return target{}, attributes{}, errWrongPod
	}
	a, err := parseAttributes(r.GetVolumeContext(), r.GetReadonly())
	return t, a, err
}

// NodeUnpublishVolume takes a volume of a pod away, in whatever state it is.
func (s *Node) NodeUnpublishVolume(_ context.Context, r *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	if r.GetVolumeId() == "" {
		return nil, status.Error(codes.InvalidArgument, errNoVolumeID.Error())
	}
	t, err := parseTarget(s.Plugin.config.KubeletDirectory, r.GetTargetPath())
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	if err := s.Plugin.unpublish(t); err != nil {
		s.Plugin.config.Log.Error("Can't unpublish a volume", "pod", t.pod, "volume", t.volume, "error", err)
		return nil, status.Error(codes.Internal, err.Error())
	}
	return &csi.NodeUnpublishVolumeResponse{}, nil
}
