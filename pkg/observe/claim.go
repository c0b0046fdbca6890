package observe

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// DatasetOfClaim returns the Dataset that a pod means by a claim, or nil if no Dataset has it. The claim is nil if it isn't
// there, or if it doesn't matter: a pod that is created together with its reference is as welcome as any.
func DatasetOfClaim(ctx context.Context, reader client.Reader, key types.NamespacedName) (*datav1alpha1.Dataset, *corev1.PersistentVolumeClaim, error) {
	dataset, err := datasetOf(ctx, reader, key)
	if err != nil || dataset != nil && reference.IsReference(dataset) {
		// A foreign claim of a reference's name is an error of the reference, which its plan finds.
		return dataset, nil, err
	}
	claim := &corev1.PersistentVolumeClaim{}
	if err = reader.Get(ctx, key, claim); apierrors.IsNotFound(err) {
		return dataset, nil, nil
	} else if err != nil {
		return nil, nil, fmt.Errorf("reading PersistentVolumeClaim %s: %w", key, err)
	}
	name, claimed := reference.DatasetOfClaim(claim)
	switch {
	case !claimed:
		return nil, claim, nil
	case name != key.Name:
		dataset, err = datasetOf(ctx, reader, types.NamespacedName{Namespace: key.Namespace, Name: name})
	}
	return dataset, claim, err
}

// datasetOf returns a Dataset, or nil if it isn't there.
func datasetOf(ctx context.Context, reader client.Reader, key types.NamespacedName) (*datav1alpha1.Dataset, error) {
	dataset := &datav1alpha1.Dataset{}
	switch err := reader.Get(ctx, key, dataset); {
	case err == nil:
		return dataset, nil
	case apierrors.IsNotFound(err) && !KindUnknown(err):
		return nil, nil
	default:
		return nil, fmt.Errorf("reading Dataset %s: %w", key, err)
	}
}

// KindUnknown tells a kind that the API server doesn't serve from an object that doesn't exist: both are a 404, but
// only for the latter does the server say which object it means.
func KindUnknown(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || !apierrors.IsNotFound(err) {
		return false
	}
	details := status.Status().Details
	return details != nil && slices.ContainsFunc(details.Causes, func(cause metav1.StatusCause) bool {
		return cause.Type == metav1.CauseTypeUnexpectedServerResponse
	})
}
