package reconcile

import (
	"errors"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// forbiddenWrite is the error of a write that the API server forbids: by RBAC, a quota or an admission policy. Trying again at
// once doesn't help, and a user has to know it.
type forbiddenWrite struct {
	object reference.Object
	error
}

func (w forbiddenWrite) Unwrap() error { return w.error }

// reason is what the API server said.
func (w forbiddenWrite) reason() string {
	var said apierrors.APIStatus
	if errors.As(w.error, &said) {
		return said.Status().Message
	}
	return w.Error()
}

// forbidden names the object of a forbidden write. In a namespace that is being deleted every write is forbidden; that is
// as it should be, and no news.
func (r *ReferenceReconciler) forbidden(object client.Object, err error) error {
	if !apierrors.IsForbidden(err) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return err
	}
	name, nameErr := r.objectOf(object)
	if nameErr != nil {
		return errors.Join(err, nameErr)
	}
	return forbiddenWrite{name, err}
}

// objectOf names an object. The error is that of a kind that the scheme doesn't have.
func (r *ReferenceReconciler) objectOf(object client.Object) (reference.Object, error) {
	kind, err := r.Client.GroupVersionKindFor(object)
	return reference.Object{Kind: kind.Kind, Namespace: object.GetNamespace(), Name: object.GetName()}, err
}
