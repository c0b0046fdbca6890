package installation

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-fluid/kubectl-fluid/test/harness"
)

// withoutPrivileges creates a pod in a namespace that enforces the Pod Security level baseline: the app reads the data, also
// after the client was killed and the node plugin replaced, and nothing of the pod stays on the node.
func withoutPrivileges(t *testing.T) {
	mounts := len(mountsOfPlugin(t))
	start := time.Now()
	kubectl(t, pod("unprivileged"), "create -f -")
	kubectl(t, "", "wait pod/unprivileged -n ref --for=condition=Ready --timeout=120s")
	t.Logf("the pod was ready %s after its creation", time.Since(start).Round(time.Millisecond))
	reads := func() error {
		output, err := live.Output(t.Context(), "", "kubectl", "exec", "unprivileged", "-n", "ref", "-c", "nginx", "--", "ls", "/data_spark")
		if err == nil && output != "spark\n" {
			err = fmt.Errorf("the app sees %q", output)
		}
		return err
	}
	if err := reads(); err != nil {
		t.Error(err)
	}
	status := kubectl(t, "", "exec unprivileged -n ref -c fluid-fuse-0 -- cat /proc/self/status")
	for _, want := range []string{"CapEff:\t0000000000000000\n", "CapBnd:\t0000000000000000\n", "NoNewPrivs:\t1\n", "Uid:\t65534\t65534\t65534\t65534\n"} {
		if !strings.Contains(status, want) {
			t.Errorf("the sidecar's process lacks %q:\n%s", want, status)
		}
	}

	// All containers start anew then, the shell that kills among them.
	_, _ = live.Output(t.Context(), "", "kubectl", "exec", "unprivileged", "-n", "ref", "-c", "fluid-fuse-0", "--", "killall", "-9", "rclone")
	harness.Eventually(t, time.Minute, func() error {
		restarts := kubectl(t, "", "get pod unprivileged -n ref -o jsonpath={.status.containerStatuses[0].restartCount}")
		if restarts == "0" {
			return errors.New("the app's container hasn't started anew")
		}
		return reads()
	})
	kubectl(t, "", "delete pods -n kubectl-fluid-node --all --timeout=60s")
	if err := reads(); err != nil {
		t.Errorf("without the node plugin: %v", err)
	}
	kubectl(t, "", "rollout status daemonset/kubectl-fluid-node -n kubectl-fluid-node --timeout=60s")
	kubectl(t, "", "delete pod unprivileged -n ref --timeout=60s")
	if left := mountsOfPlugin(t); len(left) != mounts {
		t.Errorf("on the node there were %d mounts, and are %q", mounts, left)
	}
}

// mountsOfPlugin are the mounts of the node plugin on the cluster's node, which is this machine.
func mountsOfPlugin(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	state := filepath.Dir(live.Cluster.Kubeconfig())
	var mounts []string
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, " kubectl-fluid:") && strings.Contains(line, state) {
			mounts = append(mounts, line)
		}
	}
	return mounts
}
