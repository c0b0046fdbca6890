package reference

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
)

// ConditionReferenceReady is this project's condition of a reference: its reason and message are those of the first
// finding that blocks it.
const ConditionReferenceReady datav1alpha1.DatasetConditionType = "ReferenceReady"

// AnnotationObstacle on a reference says what blocks it, where Fluid's own controllers write its status and would erase a
// condition. A reference that nothing blocks doesn't have it, or has it empty where mirrors have the names of their sources:
// then admission wants to know that somebody has looked who has these.
const AnnotationObstacle = "kubectl-fluid.dev/blocked-by"

// ReasonReady is the reason of a reference that nothing blocks.
const ReasonReady = "ReferenceReady"

// datasetStatus mirrors the physical's status as Fluid does (its own runtimes kept, its datasetRef left out) and adds
// the condition. While something blocks, the reference is NotBound.
func (p *Plan) datasetStatus(w *World) datav1alpha1.DatasetStatus {
	own := w.Dataset.Status.DeepCopy()
	condition := p.readyCondition(own.Conditions)
	if !p.Ready() {
		return datav1alpha1.DatasetStatus{
			Phase:      datav1alpha1.NotBoundPhase,
			Conditions: []datav1alpha1.DatasetCondition{condition},
			DatasetRef: own.DatasetRef,
		}
	}
	mirrored := w.Physical.Status
	mirrored.DatasetRef = nil // it may be long
	status := mirrored.DeepCopy()
	status.DatasetRef = own.DatasetRef
	status.Runtimes = ensureRuntime(own.Runtimes, w.Dataset)
	status.Conditions = append(slices.DeleteFunc(status.Conditions, isReferenceReady), condition)
	return *status
}

// ensureRuntime keeps the reference's runtimes and makes sure that its ThinRuntime is one of them.
func ensureRuntime(runtimes []datav1alpha1.Runtime, reference *datav1alpha1.Dataset) []datav1alpha1.Runtime {
	own := datav1alpha1.Runtime{Name: reference.Name, Namespace: reference.Namespace,
		Category: datav1alpha1.AccelerateCategory, Type: ThinType}
	if slices.Contains(runtimes, own) {
		return runtimes
	}
	return append(runtimes, own)
}

// WithoutReferenceReady returns conditions without this project's own.
func WithoutReferenceReady(conditions []datav1alpha1.DatasetCondition) []datav1alpha1.DatasetCondition {
	return slices.DeleteFunc(slices.Clone(conditions), isReferenceReady)
}

func isReferenceReady(c datav1alpha1.DatasetCondition) bool { return c.Type == ConditionReferenceReady }

// readyCondition returns the condition, with the times of the present one where nothing changes.
func (p *Plan) readyCondition(present []datav1alpha1.DatasetCondition) datav1alpha1.DatasetCondition {
	condition := datav1alpha1.DatasetCondition{Type: ConditionReferenceReady, Status: corev1.ConditionTrue,
		Reason: ReasonReady, Message: "Pods of this namespace can use " + p.Source.String() + "."}
	if p.Sidecar == nil {
		condition.Message = "Pods of this namespace can use the volume of " + p.Source.String() + ", but have no sidecar for it."
	}
	if blocking, blocked := p.Findings.First(); blocked {
		condition.Status, condition.Reason, condition.Message = corev1.ConditionFalse, blocking.Reason, blocking.String()
	}
	i := slices.IndexFunc(present, isReferenceReady)
	if i < 0 {
		return condition
	}
	old := present[i]
	if old.Status == condition.Status {
		condition.LastTransitionTime = old.LastTransitionTime
		if old.Reason == condition.Reason && old.Message == condition.Message {
			condition.LastUpdateTime = old.LastUpdateTime
		}
	}
	return condition
}

// StampCondition gives the condition ReferenceReady the present time where it has none.
func StampCondition(status *datav1alpha1.DatasetStatus, now metav1.Time) {
	for i := range status.Conditions {
		condition := &status.Conditions[i]
		if !isReferenceReady(*condition) {
			continue
		}
		if condition.LastTransitionTime.IsZero() {
			condition.LastTransitionTime = now
		}
		if condition.LastUpdateTime.IsZero() {
			condition.LastUpdateTime = now
		}
	}
}

// runtimeStatus mirrors the status of the physical's runtime. The mounts are the reference's: Fluid finds the physical
// Dataset there once the reference is gone.
func runtimeStatus(w *World) *datav1alpha1.RuntimeStatus {
	status := &datav1alpha1.RuntimeStatus{}
	if w.RuntimeStatus != nil {
		status = w.RuntimeStatus.DeepCopy()
	}
	status.Mounts = w.Dataset.Spec.Mounts
	return status
}
