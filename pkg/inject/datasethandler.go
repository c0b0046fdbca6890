package inject

import (
	"context"
	"net/http"

	admissionv1 "k8s.io/api/admission/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
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
	now, err := scanDataset(request.Object.Raw)
	if err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	if request.Operation == admissionv1.Update {
		return h.handleUpdate(ctx, request, now)
	}
	return h.handleReference(ctx, request, now)
}

// handleReference validates a Dataset if it is a reference.
func (h *DatasetHandler) handleReference(ctx context.Context, request admission.Request, now *scannedDataset) admission.Response {
	switch {
	case !now.isReference, now.deleted && now.mounts > 1: // It refers to nothing.
		return admission.Allowed("")
	case now.mounts > 1:
		f := finding.New(finding.CodeMountsMixed, datasetObject(request, now), "it has %d mounts", now.mounts)
		return denied(f.String(), f)
	}
	dataset, err := now.decode()
	if err != nil {
		return admission.Errored(http.StatusRequestEntityTooLarge, err)
	}
	dataset.Namespace = request.Namespace
	if now.deleted {
		// Whoever keeps it with a finalizer of his own could still make pods that use it.
		return h.validateConsent(ctx, request, dataset)
	}
	return h.validate(ctx, request, dataset)
}

// handleUpdate lets everything pass that leaves the mounts alone: labels, finalizers and the rest of a broken reference
// must stay changeable. What a reference refers to is fixed, and so is whether a Dataset is a reference: its volume, in
// which pods have it, can't be changed.
func (h *DatasetHandler) handleUpdate(ctx context.Context, request admission.Request, now *scannedDataset) admission.Response {
	old, err := scanDataset(request.OldObject.Raw)
	if err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	if old.mountsText == now.mountsText {
		return admission.Allowed("")
	}
	if now.deleted {
		return h.handleReference(ctx, request, now)
	}
	if source, err := old.source(); err == nil {
		if changed, err := now.source(); err != nil || changed != source {
			f := finding.New(finding.CodeMountPointChanged, datasetObject(request, old),
				"it refers to %s, and that can't be changed", source.MountPoint())
			return denied(f.String(), f)
		}
	} else if !old.isReference && now.isReference && old.bound {
		f := finding.New(finding.CodeMountPointChanged, datasetObject(request, old),
			"it is bound to a runtime and can't become a reference")
		return denied(f.String(), f)
	}
	return h.handleReference(ctx, request, now)
}

func datasetObject(request admission.Request, dataset *scannedDataset) finding.Object {
	return finding.Object{Kind: datav1alpha1.DatasetKind, Namespace: request.Namespace, Name: dataset.name}
}

// validate denies a reference with the first thing that can't work, and warns of the rest.
func (h *DatasetHandler) validate(ctx context.Context, request admission.Request, dataset *datav1alpha1.Dataset) admission.Response {
	// Nothing else that is known of the physical Dataset may be in the answer to somebody who mayn't use it.
	if response := h.validateConsent(ctx, request, dataset); !response.Allowed {
		return response
	}
	_, plan, err := observe.Plan(ctx, h.Reader, dataset,
		reference.Policy{MirrorNames: h.MirrorNames, Sharing: h.Sharing, Depth: reference.ForAdmission})
	if err != nil {
		return admission.Errored(http.StatusInternalServerError, err)
	}
	if errors := plan.Findings.Of(finding.Error); len(errors) > 0 {
		return denied(errors[0].String(), errors[0])
	}
	var warnings []string
	for _, f := range plan.Findings {
		if f.Severity != finding.Inconclusive && f.Code != finding.CodeNotRecorded && f.Code != finding.CodeNamesUnchecked {
			warnings = append(warnings, f.String())
		}
	}
	return admission.Allowed("").WithWarnings(warnings...)
}
