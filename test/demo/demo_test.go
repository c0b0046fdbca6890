package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubectl-fluid/kubectl-fluid/test/cluster"
)

// TestDemo types make demo and make demo-down: the walk-through ends with the data, the controller is the Deployment, the
// cluster goes on running, and then nothing is left of it.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a cluster")
	}
	state, err := os.MkdirTemp("/var/tmp", "demo")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if teardownErr := cluster.Teardown(context.Background(), state); teardownErr != nil {
			t.Error(teardownErr)
		}
		os.RemoveAll(state)
	})
	output := typed(t, "make", "demo", "DEMOFLAGS=-state="+state)
	for _, want := range []string{"$ kubectl fluid ref create refdemo --from default/phy -n ref --wait\n", "Dataset ref/refdemo is Bound\n", "make demo-down"} {
		if !strings.Contains(output, want) {
			t.Errorf("the demo doesn't print %q:\n%s", want, output)
		}
	}
	c, err := cluster.Open(state)
	if err != nil {
		t.Fatal(err)
	}
	kubectl := func(args ...string) string {
		return typed(t, filepath.Join(c.BinDir(), "kubectl"), append([]string{"--kubeconfig", c.Kubeconfig()}, args...)...)
	}
	if strings.Contains(output, "Starting the controller ...") {
		t.Log("pods don't run on this machine: the demo shows their injection only")
	} else {
		if !strings.HasSuffix(output, "-- ls /data_spark\nspark\n") {
			t.Errorf("the demo doesn't end with the data:\n%s", output)
		}
		if ready := kubectl("get", "deployment", "kubectl-fluid-controller", "-n", "kubectl-fluid-system", "-o", "jsonpath={.status.readyReplicas}"); ready != "2" {
			t.Errorf("%s replicas of the controller are ready", ready)
		}
	}
	typed(t, "make", "demo-down", "DEMOFLAGS=-state="+state)
	if _, err = cluster.Open(state); err == nil {
		t.Error("the cluster still runs")
	}
	left, err := filepath.Glob(filepath.Join(state, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range left {
		if name := filepath.Base(file); name != "logs" && name != "lock" {
			t.Errorf("left behind: %s", file)
		}
	}
}

// typed runs a command in the root of the source tree and returns what it prints to stdout.
func typed(t *testing.T, name string, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	var stderr bytes.Buffer
	command.Dir, command.Stderr = "../..", &stderr
	// make test's own variables would have make print the directories that it enters, as no user's make demo does.
	command.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=")
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, output, stderr.String())
	}
	return string(output)
}
