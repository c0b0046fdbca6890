package inject

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/observe"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// DatasetPath is where the API server reaches the DatasetHandler.
const DatasetPath = "/validate-datasets"

// DatasetHandler refuses references that can't work, or that lack consent, before they exist. What a reference only
// waits for doesn't make it refused. It reads its Reader only, which should be informer caches, and asks its Reviewer.
type DatasetHandler struct {
	Reader      client.Reader
	MirrorNames reference.MirrorNames
	// Sharing says whose consent references need. With SharingRBAC there must be a Reviewer.
	Sharing  reference.Sharing
	Reviewer Reviewer
}

var _ admission.Handler = &DatasetHandler{}

// Handle answers an admission request for a Dataset, and logs what it refuses.
func (h *DatasetHandler) Handle(ctx context.Context, request admission.Request) admission.Response {
	response := h.decide(ctx, request)
	if !response.Allowed && response.Result != nil {
		log.FromContext(ctx).Info("Denied", "namespace", request.Namespace, "dataset", request.Name,
			"code", response.AuditAnnotations[auditFinding], "finding", response.Result.Message)
	}
	return response
}

func (h *DatasetHandler) decide(ctx context.Context, request admission.Request) admission.Response {
	dataset, err := decodeDataset(request.Object.Raw)
	if err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	if request.Operation == admissionv1.Update {
		return h.handleUpdate(ctx, request, dataset)
	}
	if !reference.IsReference(dataset) {
		return admission.Allowed("")
	}
	return h.validate(ctx, request, dataset)
}

func decodeDataset(raw []byte) (*datav1alpha1.Dataset, error) {
	dataset := &datav1alpha1.Dataset{}
	if err := json.Unmarshal(raw, dataset); err != nil {
		return nil, fmt.Errorf("reading the Dataset: %w", err)
	}
	return dataset, nil
}

// handleUpdate lets everything pass that leaves the mounts alone: labels, finalizers and the rest of a broken reference
// must stay changeable. What a reference refers to is fixed, and so is whether a Dataset is a reference: its volume, in
// which pods have it, can't be changed.
func (h *DatasetHandler) handleUpdate(ctx context.Context, request admission.Request, dataset *datav1alpha1.Dataset) admission.Response {
	old, err := decodeDataset(request.OldObject.Raw)
	if err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	if equality.Semantic.DeepEqual(old.Spec.Mounts, dataset.Spec.Mounts) {
		return admission.Allowed("")
	}
	wasReference, isReference := reference.IsReference(old), reference.IsReference(dataset)
	if dataset.DeletionTimestamp != nil {
		// Whoever keeps it with a finalizer of his own could still make pods that use it.
		return h.validateConsent(ctx, request, dataset)
	}
	if source, err := reference.SourceOf(old); err == nil {
		if now, err := reference.SourceOf(dataset); err != nil || now != source {
			finding := reference.NewFinding(reference.CodeMountPointChanged, datasetObject(request, old),
				"it refers to %s, and that can't be changed", source.MountPoint())
			return denied(finding.String(), finding)
		}
	} else if !wasReference && isReference && len(old.Status.Runtimes) > 0 {
		finding := reference.NewFinding(reference.CodeMountPointChanged, datasetObject(request, old),
			"it is bound to a runtime and can't become a reference")
		return denied(finding.String(), finding)
	}
	if !isReference {
		return admission.Allowed("")
	}
	return h.validate(ctx, request, dataset)
}

func datasetObject(request admission.Request, dataset *datav1alpha1.Dataset) reference.Object {
	return reference.Object{Kind: datav1alpha1.DatasetKind, Namespace: request.Namespace, Name: dataset.Name}
}

// validate denies a reference with the first thing that can't work, and warns of the rest.
func (h *DatasetHandler) validate(ctx context.Context, request admission.Request, dataset *datav1alpha1.Dataset) admission.Response {
	dataset.Namespace = request.Namespace
	// Nothing else that is known of the physical Dataset may be in the answer to somebody who mayn't use it.
	if response := h.validateConsent(ctx, request, dataset); !response.Allowed {
		return response
	}
	world, err := observe.ReferenceWithoutMirrors(ctx, h.Reader, dataset, h.MirrorNames)
	if err != nil {
		return admission.Errored(http.StatusInternalServerError, err)
	}
	world.Sharing = h.Sharing
	plan := reference.NewPlan(world)
	if errors := plan.Findings.Of(reference.Error); len(errors) > 0 {
		return denied(errors[0].String(), errors[0])
	}
	var warnings []string
	for _, finding := range plan.Findings {
		if finding.Severity != reference.Inconclusive && finding.Code != reference.CodeNotRecorded && finding.Code != reference.CodeNamesUnchecked {
			warnings = append(warnings, finding.String())
		}
	}
	return admission.Allowed("").WithWarnings(warnings...)
}
