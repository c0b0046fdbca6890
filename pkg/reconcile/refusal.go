package reconcile

import (
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/queue"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/tell"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// refusedWrite is the error of a write that the API server refuses for what it is: by RBAC, a quota, a policy or a webhook.
// Trying again at once doesn't help, and a user has to know it.
type refusedWrite struct {
	object finding.Object
	error
}

func (w refusedWrite) Unwrap() error { return w.error }

// reason is what the API server said.
func (w refusedWrite) reason() string {
	var said apierrors.APIStatus
	if errors.As(w.error, &said) {
		return said.Status().Message
	}
	return w.Error()
}

// refused names the object of a refused write in its error; other errors it returns as they are.
func (r *ReferenceReconciler) refused(object client.Object, err error) error {
	if !queue.IsRefusal(err) {
		return err
	}
	name, nameErr := r.objectOf(object)
	if nameErr != nil {
		return errors.Join(err, nameErr)
	}
	return refusedWrite{name, err}
}

// reasonWriteRefused is the reason of the event that says so: that of the finding KF3017.
const reasonWriteRefused = "WriteRefused"

// tellRefused makes an event of a write that was refused where no condition can say it, and returns when to try again. Other
// errors it returns.
func (r *ReferenceReconciler) tellRefused(dataset *datav1alpha1.Dataset, reason string, err error) (again time.Duration, other error) {
	if !queue.IsRefusal(err) {
		return 0, err
	}
	if message := err.Error(); r.said.IsNews(client.ObjectKeyFromObject(dataset), reason, message) {
		r.Recorder.Eventf(dataset, nil, corev1.EventTypeWarning, reason, "Reconcile", "%s", tell.Clip(message))
	}
	return unreadDelay, nil
}

// objectOf names an object. The error is that of a kind that the scheme doesn't have.
func (r *ReferenceReconciler) objectOf(object client.Object) (finding.Object, error) {
	kind, err := r.Client.GroupVersionKindFor(object)
	return finding.Object{Kind: kind.Kind, Namespace: object.GetNamespace(), Name: object.GetName()}, err
}

// noteRefused takes a refusal into an Outcome, after which the rest of a plan can go on. Other errors it returns.
func noteRefused(outcome *reference.Outcome, err error) error {
	var write refusedWrite
	if !errors.As(err, &write) {
		return err
	}
	outcome.NoteRefused(write.object, write.reason())
	return nil
}
