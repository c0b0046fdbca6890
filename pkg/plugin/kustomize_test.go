package plugin

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
)

// TestKustomizationsCountAsManifests: what a kustomization makes counts beside the files, with and without a cluster.
func TestKustomizationsCountAsManifests(t *testing.T) {
	built, err := os.ReadFile("testdata/manifests/references.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for command, want := range map[string]struct {
		out  string
		code int
	}{
		"ref check -n ref -k overlay --offline -o jsonpath={.references[*].file}":                                                                   {"overlay overlay", ExitOK},
		"ref check refdemo -n ref -k overlay -f testdata/manifests/physical.yaml --offline --mirror-names=unique -o jsonpath={.references[*].name}": {"refdemo", ExitOK},
		"inspect dataset -n ref -k overlay --offline -o jsonpath={.datasets[*].file}":                                                               {"overlay overlay", ExitOK},
		"inject -n ref -k overlay --offline": {string(built), ExitOK},
	} {
		env := Environment{Connect: noCluster(t), Kustomize: func(_ context.Context, directory string) ([]byte, error) {
			if directory != "overlay" {
				t.Errorf("%s is built", directory)
			}
			return built, nil
		}}
		if r := runIn(t.Context(), env, strings.Fields(command)); r.out != want.out || r.code != want.code {
			t.Errorf("%s: %s", command, r.text())
		}
	}
}

// TestKustomizationsThatCantBeBuilt: exit code 1, with the directory and the reason; a URL is a wrong command line.
func TestKustomizationsThatCantBeBuilt(t *testing.T) {
	env := Environment{Connect: noCluster(t), Kustomize: func(context.Context, string) ([]byte, error) { return nil, errors.New("a cycle") }}
	if r := runIn(t.Context(), env, strings.Fields("ref check -k overlay --offline")); r.code != ExitFailed || r.out != "" || r.err != "error: building the kustomization overlay: a cycle\n" {
		t.Error(r.text())
	}
	for _, command := range []string{"ref check -k https://example.com/overlay", "ref check -R -k overlay", "inject --offline"} {
		if r := runIn(t.Context(), env, strings.Fields(command)); r.code != ExitUsage || r.out != "" {
			t.Errorf("%s: %s", command, r.text())
		}
	}
	for directory, says := range map[string]string{"nosuch": "no such file", "testdata/alluxio.yaml": "it isn't a directory; -f reads files"} {
		if _, err := cluster.KubectlKustomize(t.Context(), directory); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", directory, err)
		}
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := cluster.KubectlKustomize(t.Context(), t.TempDir()); err == nil || !strings.Contains(err.Error(), "kubectl, which builds it, isn't in the PATH") {
		t.Error(err)
	}
}

// kustomization writes a kustomization with resources and returns its directory.
func kustomization(t *testing.T, resources ...string) string {
	t.Helper()
	directory := t.TempDir()
	text := "namespace: moved\nresources:\n"
	for _, resource := range resources {
		text += "- " + resource + "\n"
	}
	if err := os.WriteFile(filepath.Join(directory, "kustomization.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return directory
}

// TestRealKustomize builds kustomizations with the cluster's kubectl: local ones as kubectl does it, and remote resources
// not at all, without a single connection.
func TestRealKustomize(t *testing.T) {
	t.Setenv("PATH", startCluster(t).BinDir()+":"+os.Getenv("PATH"))
	local := kustomization(t, "references.yaml")
	data, err := os.ReadFile("testdata/manifests/references.yaml")
	if err == nil {
		err = os.WriteFile(filepath.Join(local, "references.yaml"), data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	r := run(t.Context(), noCluster(t), "ref check --offline -n moved -o jsonpath={.references[*].namespace} -k "+local)
	if r.out != "moved moved" || r.code != ExitOK {
		t.Error(r.text())
	}
	called := make(chan struct{}, 100)
	address := listenBeyondLoopback(t, called)
	for _, remote := range []string{"http://" + address + "/a.yaml", "git@" + address + ":owner/repo", "https://" + address + "/owner/repo.git"} {
		r := run(t.Context(), noCluster(t), "ref check --offline -k "+kustomization(t, remote))
		if r.code != ExitFailed || r.out != "" || !strings.Contains(r.err, "what is remote isn't fetched") {
			t.Errorf("%s: %s", remote, r.text())
		}
	}
	select {
	case <-called:
		t.Error("something was fetched")
	case <-time.After(100 * time.Millisecond):
	}
}

// listenBeyondLoopback listens on an address that isn't loopback, for which proxies don't count, and tells of calls.
func listenBeyondLoopback(t *testing.T, called chan<- struct{}) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range addresses {
		ip, _, err := net.ParseCIDR(address.String())
		if err != nil || ip.To4() == nil || ip.IsLoopback() {
			continue
		}
		listener, err := net.Listen("tcp", net.JoinHostPort(ip.String(), "0"))
		if err != nil {
			continue
		}
		t.Cleanup(func() { _ = listener.Close() })
		go func() {
			for {
				connection, err := listener.Accept()
				if err != nil {
					return
				}
				called <- struct{}{}
				_ = connection.Close()
			}
		}()
		return listener.Addr().String()
	}
	t.Skip("this machine has no address but loopback")
	return ""
}
