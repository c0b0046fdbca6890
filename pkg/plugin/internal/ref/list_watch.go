package ref

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
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
	for {
		err := w.watchOnce(ctx, c)
		if !errors.Is(err, errStillWaiting) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(rewatchDelay):
		}
	}
}

// watchOnce lists the Datasets and follows them; errStillWaiting means that the server ended that.
func (w *listWatcher) watchOnce(ctx context.Context, c client.WithWatch) error {
	list := cluster.NewDatasetList()
	if err := c.List(ctx, list, client.InNamespace(w.namespace)); err != nil {
		return cluster.ExplainAPI("listing Datasets", err)
	}
	var found []*datav1alpha1.Dataset
	for i := range list.Items {
		dataset, err := cluster.TypedDataset(&list.Items[i])
		if err != nil {
			return err
		}
		found = append(found, dataset)
	}
	if err := w.show(found...); err != nil {
		return err
	}
	options := &client.ListOptions{Namespace: w.namespace, Raw: &metav1.ListOptions{ResourceVersion: list.GetResourceVersion()}}
	watcher, err := c.Watch(ctx, cluster.NewDatasetList(), options)
	if err != nil {
		return cluster.ExplainAPI("watching Datasets", err)
	}
	defer watcher.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case event, open := <-watcher.ResultChan():
			if !open {
				return errStillWaiting
			}
			if err := w.handle(event); err != nil {
				return err
			}
		}
	}
}

func (w *listWatcher) handle(event watch.Event) error {
	object, ok := event.Object.(*unstructured.Unstructured)
	switch {
	case event.Type == watch.Error:
		if err := apierrors.FromObject(event.Object); !apierrors.IsGone(err) && !apierrors.IsResourceExpired(err) {
			return cluster.ExplainAPI("watching Datasets", err)
		}
		return errStillWaiting
	case !ok || event.Type == watch.Bookmark:
		return nil
	}
	dataset, err := cluster.TypedDataset(object)
	if err != nil {
		return err
	}
	if event.Type == watch.Deleted {
		dataset.Status.Phase = "Deleted"
	}
	return w.show(dataset)
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
