package ref

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
)

// rewatchDelay keeps a server that ends each watch at once from being asked all the time.
const rewatchDelay = time.Second

// waiter follows a Dataset until it is Bound.
type waiter struct {
	env  command.Environment
	key  types.NamespacedName
	said string // what it waits for, as last shown
}

// errStillWaiting says that a watch ended early.
var errStillWaiting = errors.New("the watch ended")

// waitBound waits until the references are Bound, one after the other within one time, showing on stderr what it waits
// for each time that changes.
func (o *refCreateOptions) waitBound(ctx context.Context, env command.Environment, c client.WithWatch) error {
	limited, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	var failed []error
	for _, key := range o.keys {
		w := &waiter{env: env, key: key}
		err := w.follow(limited, c)
		switch {
		case err == nil:
			fmt.Fprintf(o.output.Notes(), "Dataset %s is Bound\n", key)
		case ctx.Err() != nil:
			return ctx.Err()
		case limited.Err() != nil:
			reason := w.said
			if reason == "" {
				reason = "nothing has reported on it; is a controller for references running? kubectl get pods -A shows it"
			}
			return &command.ExitError{Code: command.ExitTimeout, Err: fmt.Errorf("timed out after %s waiting for Dataset %s to be Bound: %s; it exists and may still become Bound", o.timeout, key, reason)}
		default:
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// follow watches the Dataset, again and again if watches end early.
func (w *waiter) follow(ctx context.Context, c client.WithWatch) error {
	doing := fmt.Sprintf("waiting for Dataset %s", w.key)
	for {
		err := w.watchOnce(ctx, c)
		if !errors.Is(err, errStillWaiting) {
			if _, decided := errors.AsType[*command.ExitError](err); decided || err == nil {
				return err
			}
			return cluster.ExplainAPI(doing, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(rewatchDelay):
		}
	}
}

// watchOnce lists and watches the Dataset.
func (w *waiter) watchOnce(ctx context.Context, c client.WithWatch) error {
	list := &datav1alpha1.DatasetList{}
	only := []client.ListOption{client.InNamespace(w.key.Namespace), client.MatchingFields{"metadata.name": w.key.Name}}
	if err := c.List(ctx, list, only...); err != nil {
		return err
	}
	if len(list.Items) == 0 {
		return w.deleted()
	}
	if done, err := w.look(&list.Items[0]); done || err != nil {
		return err
	}
	watcher, err := c.Watch(ctx, list, append(only, &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: list.GetResourceVersion()}})...)
	if err != nil {
		return err
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
			if done, err := w.handle(event); done || err != nil {
				return err
			}
		}
	}
}

func (w *waiter) handle(event watch.Event) (done bool, err error) {
	dataset, isDataset := event.Object.(*datav1alpha1.Dataset)
	switch {
	case event.Type == watch.Error:
		if err := apierrors.FromObject(event.Object); !apierrors.IsGone(err) && !apierrors.IsResourceExpired(err) {
			return false, err
		}
		return false, errStillWaiting
	case !isDataset || event.Type == watch.Bookmark:
		return false, nil
	case event.Type == watch.Deleted:
		return false, w.deleted()
	}
	return w.look(dataset)
}

func (w *waiter) deleted() error {
	return &command.ExitError{Code: command.ExitFailed, Err: fmt.Errorf("Dataset %s was deleted while waiting for it to be Bound", w.key)}
}

// look reports whether the Dataset is Bound, and an error if it can't become so without somebody's help.
func (w *waiter) look(dataset *datav1alpha1.Dataset) (done bool, err error) {
	condition := cluster.ReadyCondition(dataset)
	ready := condition == nil || condition.Status == corev1.ConditionTrue
	if dataset.Status.Phase == datav1alpha1.BoundPhase && ready {
		return true, nil
	}
	if condition == nil || ready {
		return false, nil
	}
	if hopeless(condition.Reason) {
		return false, &command.ExitError{Code: command.ExitFindings, Err: fmt.Errorf("Dataset %s/%s won't become Bound: %s", dataset.Namespace, dataset.Name, condition.Message)}
	}
	if condition.Message != w.said {
		w.said = condition.Message
		fmt.Fprintf(w.env.ErrOut, "Waiting: %s\n", terminal.Line(w.said))
	}
	return false, nil
}

// hopeless reports whether a condition's reason is that of a finding of severity Error.
func hopeless(reason string) bool {
	for _, entry := range finding.Catalogue() {
		if entry.Reason == reason {
			return entry.Severity == finding.Error
		}
	}
	return false
}
