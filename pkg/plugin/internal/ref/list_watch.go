package ref

import (
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/output"
)

// listWatcher shows references, and then each one that changes.
type listWatcher struct {
	*refListOptions
	env command.Environment
	// shown are the references as they were shown last, in the order of their first lines.
	shown []*datav1alpha1.Dataset
}

// watch shows the references until the user ends it.
func (o *refListOptions) watch(ctx context.Context, env command.Environment, c client.WithWatch) error {
	w := &listWatcher{refListOptions: o, env: env}
	return cluster.ExplainAPI("watching Datasets", cluster.Follow(ctx, c, w, client.InNamespace(o.namespace)))
}

// Listed shows the references that there are.
func (w *listWatcher) Listed(_ context.Context, datasets []datav1alpha1.Dataset) (done bool, err error) {
	var found []*datav1alpha1.Dataset
	for i := range datasets {
		found = append(found, &datasets[i])
	}
	return false, w.show(found...)
}

// Changed shows a reference that changed.
func (w *listWatcher) Changed(_ context.Context, dataset *datav1alpha1.Dataset, deleted bool) (done bool, err error) {
	if deleted {
		dataset.Status.Phase = "Deleted"
	}
	return false, w.show(dataset)
}

// show prints a line for each of some Datasets that is wanted, or was, and doesn't look as it did.
func (w *listWatcher) show(datasets ...*datav1alpha1.Dataset) error {
	changed := 0
	header := len(w.shown) == 0
	for _, dataset := range datasets {
		i := slices.IndexFunc(w.shown, func(known *datav1alpha1.Dataset) bool {
			return known.Namespace == dataset.Namespace && known.Name == dataset.Name
		})
		if i < 0 && !w.matches(dataset) || i >= 0 && looks(w.shown[i]) == looks(dataset) {
			continue
		}
		if i >= 0 {
			w.shown = slices.Delete(w.shown, i, i+1)
		}
		w.shown = append(w.shown, dataset)
		changed++
	}
	if changed == 0 {
		return nil
	}
	t := w.table(w.env, w.shown, w.output.Format == output.FormatWide)
	if !header {
		t.LastRows = changed
	}
	return t.Print(output.NewScreen(w.env, w.output.Language))
}

// looks returns what a line says of a Dataset, but for its age.
func looks(dataset *datav1alpha1.Dataset) string {
	return fmt.Sprint(dataset.Status.Phase, cluster.ReadyText(dataset), cluster.SourceText(dataset))
}
