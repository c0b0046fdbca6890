package installation

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubectl-fluid/kubectl-fluid/test/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/test/walkthrough"
)

// installByHelm installs the chart of a release with Helm itself, upgrades it and removes it, on a cluster without CRDs.
func installByHelm(t *testing.T) {
	root, err := cluster.SourceRoot()
	if err != nil {
		t.Fatal(err)
	}
	directory := t.TempDir()
	compile := exec.CommandContext(t.Context(), "go", "build", "-ldflags", "-s -w", "-o", filepath.Join(live.Cluster.BinDir(), "helm"), "helm.sh/helm/v4/cmd/helm")
	compile.Dir, compile.Env = filepath.Join(root, "hack", "helm"), append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if output, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("building Helm: %v\n%s", err, output)
	}
	if err := walkthrough.Release(t.Context(), directory, "-version", "v1.2.3", "manifests"); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HELM_CACHE_HOME", t.TempDir())
	t.Setenv("HELM_CONFIG_HOME", t.TempDir())
	t.Setenv("HELM_DATA_HOME", t.TempDir())
	for i, command := range walkthrough.Helm() {
		words := strings.Fields(command)
		if words[0] == "helm" && words[1] != "uninstall" {
			// What only this cluster needs.
			words = append(words, "--set", "extraArgs={--mount-root="+live.Cluster.MountRoot()+"}")
		}
		if _, err := live.In(directory).Show(t.Context(), words...); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			serves(t)
		}
	}
	nothingOfOurs(t)
	kubectl(t, "", "delete crd --all --timeout=60s")
}

// serves waits for the controller that Helm has installed and lets it serve a reference, which goes again.
func serves(t *testing.T) {
	t.Helper()
	kubectl(t, "", rollout)
	kubectl(t, "", "apply -f examples/walkthrough/profile.yaml -f examples/walkthrough/phy.yaml")
	kubectl(t, "", "wait dataset/phy --for=jsonpath={.status.phase}=Bound --timeout=60s")
	if _, err := live.Output(t.Context(), "", "kubectl", strings.Fields("fluid ref create refdemo --from default/phy -n ref --wait")...); err != nil {
		t.Fatal(err)
	}
	ready(t)
	kubectl(t, "", "delete dataset refdemo -n ref --timeout=60s")
	kubectl(t, "", "delete dataset phy -n default --timeout=60s")
	kubectl(t, "", "delete thinruntimeprofile rclone")
}
