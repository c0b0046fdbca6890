package ref

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
)

// waiter follows a Dataset until it is Bound.
type waiter struct {
	env  command.Environment
	key  types.NamespacedName
	said string // what it waits for, as last shown
}

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
			o.output.Notes().Say("Dataset %s is Bound\n", key)
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

// follow waits for the Dataset. An error that this waiter has decided on is said as it is.
func (w *waiter) follow(ctx context.Context, c client.WithWatch) error {
	err := cluster.Follow(ctx, c, w, onlyDataset(w.key)...)
	if _, decided := errors.AsType[*command.ExitError](err); decided {
		return err
	}
	return cluster.ExplainAPI(fmt.Sprintf("waiting for Dataset %s", w.key), err)
}

// onlyDataset are the options for a list of one Dataset.
func onlyDataset(key types.NamespacedName) []client.ListOption {
	return []client.ListOption{client.InNamespace(key.Namespace), client.MatchingFields{"metadata.name": key.Name}}
}

// Listed looks at the Dataset, if it is there.
func (w *waiter) Listed(_ context.Context, datasets []datav1alpha1.Dataset) (done bool, err error) {
	if len(datasets) == 0 {
		return false, w.deleted()
	}
	return w.look(&datasets[0])
}

// Changed looks at the Dataset again.
func (w *waiter) Changed(_ context.Context, dataset *datav1alpha1.Dataset, deleted bool) (done bool, err error) {
	if deleted {
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
		w.env.Sayf("Waiting: %s\n", terminal.Line(w.said))
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
