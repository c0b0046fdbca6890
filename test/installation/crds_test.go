package installation

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-fluid/kubectl-fluid/test/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/test/harness"
)

// applyCRDs is the command that docs/installation.md gives.
const applyCRDs = "apply --server-side --field-manager=kubectl-fluid -f -"

// TestCRDsOfOthersStay: the command that installs our CRDs makes those that are missing, updates its own, and refuses
// to touch those of others, whichever way they were installed.
func TestCRDsOfOthersStay(t *testing.T) {
	directory := t.TempDir()
	c, err := cluster.Start(t.Context(), cluster.Options{StateDir: directory, Out: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if stopErr := c.Stop(t.Context()); stopErr != nil {
			t.Error(stopErr)
		}
	}()
	run := func(stdin, line string) (string, error) {
		command := exec.CommandContext(t.Context(), filepath.Join(c.BinDir(), "kubectl"), strings.Fields(line)...)
		var stderr bytes.Buffer
		command.Stdin, command.Stderr = strings.NewReader(stdin), &stderr
		// The plugin is beside the other cluster's kubectl.
		command.Env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig(), "PATH="+live.Cluster.BinDir()+":"+os.Getenv("PATH"))
		output, runErr := command.Output()
		if runErr != nil {
			runErr = fmt.Errorf("kubectl %s: %w\n%s", line, runErr, stderr.String())
		}
		return string(output), runErr
	}
	root, err := cluster.SourceRoot()
	if err != nil {
		t.Fatal(err)
	}
	ours, err := run("", "kustomize "+filepath.Join(root, "config", "crd"))
	if err != nil {
		t.Fatal(err)
	}
	documents := strings.Split(ours, "---\n")
	foreign := foreignCRD(t, documents[0])
	for name, install := range map[string]string{
		"kubectl create":              "create -f -",
		"kubectl apply":               "apply -f -",
		"kubectl apply --server-side": "apply --server-side -f -",
		"a client like Helm":          "create --field-manager=helm -f -",
	} {
		t.Run(name, func(t *testing.T) { crdStays(t, run, install, foreign, ours) })
	}
	t.Run("our own", func(t *testing.T) { ownCRDsAreUpdated(t, run, ours) })
}

type runner func(stdin, line string) (string, error)

const crd = "customresourcedefinition datasets.data.fluid.io"

// foreignCRD is a CRD of Datasets that knows a field which ours doesn't, as Fluid's does.
func foreignCRD(t *testing.T, ours string) string {
	t.Helper()
	const field = "            spec:\n"
	const more = "                ownedByFluid: {type: string}\n"
	before, after, found := strings.Cut(ours, "          spec:\n")
	if !strings.Contains(ours, "name: datasets.data.fluid.io") || !found {
		t.Fatalf("the CRD isn't as this test knows it: no %q", field)
	}
	head, tail, found := strings.Cut(after, "            properties:\n")
	if !found {
		t.Fatal("the CRD's spec has no properties")
	}
	return before + "          spec:\n" + head + "            properties:\n" + strings.TrimPrefix(more, "  ") + tail
}

func crdStays(t *testing.T, run runner, install, foreign, ours string) {
	if _, err := run(foreign, install); err != nil {
		t.Fatal(err)
	}
	defer deleteCRDs(t, run)
	before, err := run("", "get "+crd+" -o jsonpath={.spec}")
	if err != nil || !strings.Contains(before, "ownedByFluid") {
		t.Fatalf("%v, %s", err, before)
	}
	_, err = run(ours, applyCRDs)
	if err == nil || !strings.Contains(err.Error(), "conflict") || !strings.Contains(err.Error(), "spec.versions") {
		t.Errorf("our CRDs were applied: %v", err)
	}
	after, err := run("", "get "+crd+" -o jsonpath={.spec}")
	if err != nil || after != before {
		t.Errorf("the CRD of somebody else has changed: %v, %s", err, after)
	}
	if _, err := run("", "get crd thinruntimeprofiles.data.fluid.io"); err != nil {
		t.Errorf("a CRD that was missing is still missing: %v", err)
	}
	doctorKnows(t, run, map[string]string{"datasets": "installed by somebody else", "thinruntimeprofiles": "installed by kubectl fluid"})
}

// doctorKnows: kubectl fluid doctor says of each CRD, by its plural, who installed it.
func doctorKnows(t *testing.T, run runner, origins map[string]string) {
	t.Helper()
	output, err := run("", "fluid doctor --only definitions")
	if err != nil {
		t.Error(err)
	}
	for plural, origin := range origins {
		said := false
		for line := range strings.Lines(output) {
			said = said || strings.Contains(line, " "+plural+".data.fluid.io ") && strings.Contains(line, origin)
		}
		if !said {
			t.Errorf("doctor doesn't say that %s is %s:\n%s", plural, origin, output)
		}
	}
}

// deleteCRDs deletes all CRDs. The API server can forget one that is deleted in the moment in which it begins to serve it
// ("storage is (re)initializing"), until something in it changes.
func deleteCRDs(t *testing.T, run runner) {
	t.Helper()
	harness.Eventually(t, time.Minute, func() error {
		_, err := run("", "delete crd --all --timeout=5s")
		if err != nil {
			_, _ = run("", "annotate crd --all --overwrite deleted-at="+fmt.Sprint(time.Now().UnixNano()))
		}
		return err
	})
}

func ownCRDsAreUpdated(t *testing.T, run runner, ours string) {
	older := strings.Replace(ours, "description: ", "description: Older. ", 1)
	for _, text := range []string{older, ours, ours} {
		if _, err := run(text, applyCRDs); err != nil {
			t.Fatal(err)
		}
	}
	got, err := run("", "get crd -o yaml")
	if err != nil || strings.Contains(got, "Older.") || strings.Count(got, "kind: CustomResourceDefinition\n") != 3 {
		t.Errorf("the CRDs weren't updated: %v\n%s", err, got)
	}
	const ownOrigin = "installed by kubectl fluid"
	doctorKnows(t, run, map[string]string{"datasets": ownOrigin, "thinruntimes": ownOrigin, "thinruntimeprofiles": ownOrigin})
}
