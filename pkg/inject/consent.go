package inject

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// Reviewer knows what users may do.
type Reviewer interface {
	// MayUse reports whether a user has the verb use on a Dataset, which needn't exist.
	MayUse(ctx context.Context, user authenticationv1.UserInfo, dataset types.NamespacedName) (bool, error)
}

// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create

// AccessReviewer asks the API server, by a SubjectAccessReview: nothing is stored by that.
type AccessReviewer struct {
	Client client.Writer
}

var _ Reviewer = AccessReviewer{}

// MayUse reports whether the cluster's authorizers allow a user the verb use on a Dataset.
func (r AccessReviewer) MayUse(ctx context.Context, user authenticationv1.UserInfo, dataset types.NamespacedName) (bool, error) {
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user.Username, UID: user.UID, Groups: user.Groups, Extra: map[string]authorizationv1.ExtraValue{},
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: reference.VerbUse, Group: datav1alpha1.GroupVersion.Group, Version: datav1alpha1.GroupVersion.Version,
			Resource: reference.ResourceDatasets, Namespace: dataset.Namespace, Name: dataset.Name,
		},
	}}
	for key, values := range user.Extra {
		review.Spec.Extra[key] = authorizationv1.ExtraValue(values)
	}
	if err := r.Client.Create(ctx, review); err != nil {
		return false, fmt.Errorf("creating a SubjectAccessReview: %w", err)
	}
	return review.Status.Allowed && !review.Status.Denied, nil
}

// validateConsent denies a reference without consent. Who has no right to use the physical Dataset gets the same answer
// whether it exists or not, and whatever its owner's list says; only whoever has it learns that the list is in the way.
func (h *DatasetHandler) validateConsent(ctx context.Context, request admission.Request, dataset *datav1alpha1.Dataset) admission.Response {
	if !reference.IsReference(dataset) {
		return admission.Allowed("")
	}
	source, err := reference.SourceOf(dataset)
	if err != nil {
		return admission.Allowed("") // It refers to nothing; the plan says so.
	}
	physical := &datav1alpha1.Dataset{}
	if err = h.Reader.Get(ctx, source.Key(), physical); apierrors.IsNotFound(err) {
		physical = nil
	} else if err != nil {
		return admission.Errored(http.StatusInternalServerError, fmt.Errorf("reading Dataset %s: %w", source.Key(), err))
	}
	consent := reference.ConsentOf(h.Sharing, physical, source, request.Namespace)
	if consent == reference.ConsentGranted || h.Sharing != reference.SharingRBAC {
		return admission.Allowed("") // What is withheld, the plan finds, also for whoever asks later.
	}
	allowed, err := h.mayUse(ctx, request.UserInfo, source)
	finding := reference.NotAllowed(types.NamespacedName{Namespace: request.Namespace, Name: dataset.Name}, request.UserInfo.Username, source)
	switch {
	case err != nil:
		log.FromContext(ctx).Error(err, "Consent could not be checked", "reference", finding.Object, "physical", source.Key())
		return denied(finding.String()+"; whether that is so could not be checked: "+err.Error(), finding)
	case !allowed:
		return denied(finding.String(), finding)
	}
	return admission.Allowed("")
}

func (h *DatasetHandler) mayUse(ctx context.Context, user authenticationv1.UserInfo, source reference.Source) (bool, error) {
	if h.Reviewer == nil {
		return false, errors.New("nobody is set up who knows what users may do")
	}
	return h.Reviewer.MayUse(ctx, user, source.Key())
}
