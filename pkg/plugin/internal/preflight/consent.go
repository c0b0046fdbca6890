package preflight

import (
	"context"
	"fmt"

	authorizationv1 "k8s.io/api/authorization/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// AskConsent finds out whether admission would let the user create the reference. One that exists was let in already.
func (p *Preflight) AskConsent(ctx context.Context, writer client.Writer) {
	source := p.Plan.Source
	if writer == nil {
		return // Offline there is nobody to ask.
	}
	if p.World.Dataset.UID != "" || source == (reference.Source{}) {
		return
	}
	granted, f := FindConsent(ctx, writer, p.World, source)
	if f != nil {
		p.Findings = append(finding.List{*f}, p.Findings...)
	}
	p.consent = granted
}

// FindConsent says by what a reference may be created by the user, or what speaks against it. What the owner withholds,
// the plan says.
func FindConsent(ctx context.Context, writer client.Writer, w *reference.World, source reference.Source) (granted string, f *finding.Finding) {
	if w.Sharing == reference.SharingOpen || source.Namespace == w.Dataset.Namespace {
		return "", nil
	}
	switch reference.ConsentOf(w.Sharing, w.Physical, source, w.Dataset.Namespace) {
	case reference.ConsentGranted:
		return "its owner shares it with namespace " + w.Dataset.Namespace, nil
	case reference.ConsentWithheld:
		return "", nil
	}
	physical := finding.Object{Kind: datav1alpha1.DatasetKind, Namespace: source.Namespace, Name: source.Name}
	allowed, err := mayUse(ctx, writer, source)
	switch {
	case err != nil:
		unread := finding.New(finding.CodeUnread, physical, "whether you may refer to it couldn't be found out: %v", err)
		return "", &unread
	case allowed:
		return fmt.Sprintf("you may refer to it: you have the verb %s on it", reference.VerbUse), nil
	}
	denied := reference.NotAllowed(w.Key(), "you", source)
	if w.Sharing != reference.SharingRBAC || w.Unread(physical) != "" {
		// The cluster's policy or the owner's list isn't known: it may be allowed all the same.
		denied.Severity = finding.Warning
	}
	return "", &denied
}

// mayUse asks the API server whether the user has the verb use on a Dataset. Everybody may ask that about himself.
func mayUse(ctx context.Context, writer client.Writer, source reference.Source) (bool, error) {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: reference.VerbUse, Group: datav1alpha1.GroupVersion.Group, Version: datav1alpha1.GroupVersion.Version,
			Resource: reference.ResourceDatasets, Namespace: source.Namespace, Name: source.Name,
		},
	}}
	if err := writer.Create(ctx, review); err != nil {
		return false, fmt.Errorf("creating a SelfSubjectAccessReview: %w", err)
	}
	return review.Status.Allowed && !review.Status.Denied, nil
}
