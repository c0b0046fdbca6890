// Package installation tests installing, restarting, upgrading and removing the controller on a real cluster.
package installation

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubectl-fluid/kubectl-fluid/test/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/test/walkthrough"
)

// previousCommit is the source from which testdata/previous.yaml was rendered (kubectl kustomize config/default).
const previousCommit = "9f0c6bed1191b0c629ba34562d3a0acf8661f35c"

// previousImage is what the controller of previousCommit is called on the node.
const previousImage = "docker.io/kubectl-fluid/controller:previous"

// live is the cluster of this package's tests. TestMain sets it before any of them runs.
var live struct {
	*walkthrough.Environment
	// noPrevious says why there is no image of the previous controller, if there is none.
	noPrevious error
}

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("the tests on a cluster are left out with -short")
		return
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ctx := context.Background()
	state, err := os.MkdirTemp("", "inst")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var images []cluster.Image
	previous, err := buildPrevious(ctx, state)
	if err == nil {
		images = append(images, previous)
	}
	live.noPrevious = err
	if live.Environment, err = walkthrough.Start(ctx, walkthrough.Options{StateDir: filepath.Join(state, "c"), Out: os.Stdout, Images: images}); err != nil {
		fmt.Fprintf(os.Stderr, "starting the cluster: %v\n", err)
		return 1
	}
	code := m.Run()
	if code != 0 {
		logs, _ := live.Output(ctx, "", "kubectl", "logs", "-n", "kubectl-fluid-system", "-l", "app.kubernetes.io/name=kubectl-fluid-controller", "--tail=40")
		fmt.Printf("the end of the controller's log:\n%s\n", logs)
	}
	if err := live.Cluster.Stop(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "stopping the cluster: %v\n", err)
		return 1
	}
	if code == 0 {
		os.RemoveAll(state)
	}
	return code
}

// buildPrevious builds the controller of previousCommit from this repository's history.
func buildPrevious(ctx context.Context, directory string) (cluster.Image, error) {
	root, err := cluster.SourceRoot()
	if err != nil {
		return cluster.Image{}, err
	}
	source, program := filepath.Join(directory, "previous"), filepath.Join(directory, "previous-controller")
	const script = `set -e; mkdir -p "$2"; git -C "$1" archive "$4" | tar -x -C "$2"; cd "$2"; CGO_ENABLED=0 go build -ldflags "-s -w" -o "$3" ./cmd/controller`
	if output, err := exec.CommandContext(ctx, "bash", "-o", "pipefail", "-c", script, "bash", root, source, program, previousCommit).CombinedOutput(); err != nil {
		return cluster.Image{}, fmt.Errorf("building the controller of %s from the history of %s: %w\n%s", previousCommit, root, err, output)
	}
	return cluster.Image{
		Name: previousImage, Files: map[string]cluster.File{"/controller": {Source: program, Executable: true}}, Entrypoint: []string{"/controller"},
	}, nil
}

// kubectl runs kubectl and returns what it prints.
func kubectl(t *testing.T, stdin string, line string) string {
	t.Helper()
	output, err := live.Output(t.Context(), stdin, "kubectl", strings.Fields(line)...)
	if err != nil {
		t.Fatal(err)
	}
	return output
}

// needNode skips a test where pods don't run.
func needNode(t *testing.T) {
	t.Helper()
	if !live.Node {
		t.Skip("pods don't run on this machine")
	}
}
