package e2e

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kubectl-fluid/kubectl-fluid/test/harness"
)

// TestDeletedPodLeavesItsNeighbourAlone: two pods of one node have one Dataset; the end of one isn't noticed by the
// other, which reads all the time.
func TestDeletedPodLeavesItsNeighbourAlone(t *testing.T) {
	c := newConsumer(t, "neighbours", "default/phy")
	defer c.leavesNothing(t)
	spec := readerSpec("refdemo")
	spec.Containers[0].Command = []string{"sh", "-c", `trap "exit 0" TERM
while :; do if text=$(cat /data/` + dataFile + ` 2>&1); then echo "read $text"; else echo "failed $text"; fi; done`}
	c.run(t, "stays", spec)
	c.run(t, "goes", readerSpec("refdemo"))
	nodeHas(t, 2, c.namespace)
	before := strings.Count(kubectl(t, "logs stays -c app -n "+c.namespace), "read ")
	kubectl(t, "delete pod/goes --timeout=60s -n "+c.namespace)
	nodeHas(t, 1, c.namespace)
	var log string
	harness.Eventually(t, time.Minute, func() error {
		log = kubectl(t, "logs stays -c app -n "+c.namespace)
		if strings.Count(log, "read ") < before+20 {
			return errors.New("it doesn't read on")
		}
		return nil
	})
	for line := range strings.Lines(log) {
		if line != "read "+dataText {
			t.Errorf("the pod that stays printed %q", line)
		}
	}
	t.Logf("%d reads, %d of them before the other pod was deleted", strings.Count(log, "read "), before)
}
