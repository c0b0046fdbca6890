package plugin

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// TestListWatches: a line for each reference that there is, and for each one that changes, none twice; a watch that ends
// is begun anew.
func TestListWatches(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var once sync.Once
	c := fakeClientWith(t, interceptor.Funcs{
		Watch: func(_ context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) (watch.Interface, error) {
			watcher, err := c.Watch(ctx, list, options...)
			once.Do(func() {
				go func() {
					key := types.NamespacedName{Namespace: "ref", Name: "waiting"}
					writeStatus(t, c, key, datav1alpha1.NotBoundPhase, "SourceMissing", "KF2005: it doesn't exist")
					writeStatus(t, c, key, datav1alpha1.NotBoundPhase, "SourceMissing", "KF2005: another message, the same line")
					writeStatus(t, c, key, datav1alpha1.BoundPhase, reference.ReasonReady, "fine")
					if deleteErr := c.Delete(ctx, &datav1alpha1.Dataset{ObjectMeta: objectMeta(key)}); deleteErr != nil {
						t.Error(deleteErr)
					}
					time.Sleep(100 * time.Millisecond)
					cancel()
				}()
			})
			return watcher, err
		},
	}, "references.yaml", "alluxio.yaml")
	r := run(ctx, connectTo(c), "ref list -n ref --watch")
	want := []string{"NAME", "refdemo default/phy Bound True", "waiting default/later/日志/2026 NotBound False (PhysicalDatasetMissing)",
		"waiting default/later/日志/2026 NotBound False (SourceMissing)", "waiting default/later/日志/2026 Bound True", "waiting default/later/日志/2026 Deleted"}
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	if len(lines) != len(want) || r.code != ExitInterrupted {
		t.Fatal(r.text())
	}
	for i := range want {
		if !strings.HasPrefix(strings.Join(strings.Fields(lines[i]), " "), want[i]) {
			t.Errorf("line %d: %q, want %q", i, lines[i], want[i])
		}
	}
}

// TestListSaysWhatBlocksAReferenceBesideFluid: there the status has no condition of ours, but an annotation says it.
func TestListSaysWhatBlocksAReferenceBesideFluid(t *testing.T) {
	dataset := &datav1alpha1.Dataset{}
	for annotation, want := range map[string]string{
		"": "<unknown>",
		"NotShared: KF3014 Dataset default/phy: its list doesn't have ref": "False (NotShared)",
	} {
		dataset.Annotations = map[string]string{reference.AnnotationObstacle: annotation}
		if got := cluster.ReadyText(dataset); got != want {
			t.Errorf("%q: %q, want %q", annotation, got, want)
		}
	}
}
