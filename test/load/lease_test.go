package load

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/test/harness"
)

// TestALeaderThatEndsLeavesItsLease: the other replica leads within moments of the leader's end, so that a rolling restart
// doesn't delay repairs and revocations by the time of a Lease.
func TestALeaderThatEndsLeavesItsLease(t *testing.T) {
	if testing.Short() {
		t.Skip("a test on a cluster")
	}
	n := install(t, newEnvironment(t), "--drain-time=1s")
	var leader *replica
	err := harness.Await(30*time.Second, func() error {
		for _, r := range n.replicas {
			if leads, err := r.leads(); err != nil {
				return err
			} else if leads {
				leader = r
				return nil
			}
		}
		return errors.New("no replica leads")
	})
	if err != nil {
		t.Fatal(err)
	}
	before := n.holder(t)
	leader.signal(syscall.SIGTERM)
	ended := time.Now()
	err = harness.Await(time.Minute, func() error {
		if holder := n.holder(t); holder == before || holder == "" {
			return fmt.Errorf("the Lease is held by %q", holder)
		}
		return nil
	})
	took := time.Since(ended)
	t.Logf("the next replica led %s after the leader had ended", took.Round(time.Millisecond))
	if err != nil || took > 3*3*time.Second {
		t.Errorf("the next replica led after %s, %v", took, err)
	}
}

// leads asks a replica's metrics whether it is the leader.
func (r *replica) leads() (bool, error) {
	response, err := http.Get("http://127.0.0.1:" + r.metrics + "/metrics")
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return strings.Contains(string(text), `leader_election_master_status{name="kubectl-fluid-controller"} 1`), err
}

// holder is who holds the Lease of the leader.
func (n *installation) holder(t *testing.T) string {
	t.Helper()
	lease := &coordinationv1.Lease{}
	if err := n.client.Get(n.ctx, client.ObjectKey{Namespace: systemNamespace, Name: "kubectl-fluid-controller"}, lease); err != nil {
		t.Fatal(err)
	}
	if lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}
