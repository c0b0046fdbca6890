package plugin

import (
	"strings"
	"testing"
)

// TestInspect looks at what would be: workloads of a cluster, pods and references of manifests over a cluster and without
// one, and Datasets of both kinds.
func TestInspect(t *testing.T) {
	everything := []string{"alluxio.yaml", "thin.yaml", "collision.yaml", "references.yaml", "pods.yaml", "workloads.yaml", "vineyard.yaml"}
	for _, test := range []struct {
		name, command string
		files         []string // nil: no cluster
	}{
		{"deployment", "inspect sidecar deploy/web -n ref", everything},
		{"cronjob", "inspect sidecar cronjob/nightly -n ref", everything},
		{"unlabelled", "inspect sidecar sts/unlabelled -n ref", everything},
		{"missing", "inspect sidecar statefulset.apps/nosuch -n ref", everything},
		{"files", "inspect sidecar -f testdata/workloads.yaml -n ref --mirror-names=unique -o short", everything},
		{"offline", "inspect sidecar deploy/web -f testdata/workloads.yaml,testdata/alluxio.yaml,testdata/references.yaml -n ref --offline --mirror-names=unique", nil},
		{"offline-no-pods", "inspect sidecar -f testdata/alluxio.yaml --offline", nil},
		{"dataset-reference", "inspect dataset refdemo -n ref", everything},
		{"dataset-waiting", "inspect dataset waiting -n ref -o wide", everything},
		{"dataset-physical", "inspect dataset phy -n default", everything},
		{"dataset-vineyard", "inspect dataset vineyard -n default", everything},
		{"dataset-missing", "inspect dataset nosuch -n ref", everything},
		{"dataset-files", "inspect dataset -f testdata/manifests -n ref --offline -o short", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			connect := noCluster(t)
			if test.files != nil {
				c := fakeClient(t, test.files...)
				if err := c.Create(t.Context(), own("unique")); err != nil {
					t.Fatal(err)
				}
				connect = connectTo(c)
			}
			r := run(t.Context(), connect, test.command)
			compare(t, "inspected-"+test.name+".txt", "$ kubectl fluid "+test.command+"\n"+r.text())
		})
	}
}

// TestWorkloadsThatWouldBeDenied: KF1012 says what the webhook would say.
func TestWorkloadsThatWouldBeDenied(t *testing.T) {
	files := []string{"references.yaml", "workloads.yaml"}
	r := run(t.Context(), connectTo(fakeClient(t, files...)), "inspect sidecar cronjob/nightly -n ref --mirror-names=unique -o short")
	if r.code != ExitFindings || !strings.Contains(r.out, "error KF1012: CronJob ref/nightly: the FUSE sidecar can't be injected: KF2001") {
		t.Error(r.text())
	}
}
