package thin

import (
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/condition"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// Conditions of a ThinRuntime and their reasons (Fluid v1.0.8).
const (
	conditionFusesInitialized = "FusesInitialized"
	conditionFusesReady       = "FusesReady"
	reasonFusesReady          = "Fuses are ready"
	reasonFusesNotReady       = "Fuses are not ready"
)

// CacheStates returns what Fluid shows of a runtime that doesn't know the state of its cache.
func CacheStates() map[string]string {
	return map[string]string{"cached": "N/A", "cachedPercentage": "N/A", "cacheCapacity": "N/A",
		"cacheHitRatio": "N/A", "cacheThroughputRatio": "N/A"}
}

// SetRuntimeReady writes what the FUSE DaemonSet is like into a ThinRuntime's status. A nil DaemonSet is one that was
// made just now. Only what changes gets a new time.
func SetRuntimeReady(runtime *datav1alpha1.ThinRuntime, daemonSet *appsv1.DaemonSet, now metav1.Time) {
	status := &runtime.Status
	var fuses appsv1.DaemonSetStatus
	if daemonSet != nil {
		fuses = daemonSet.Status
	}
	status.DesiredFuseNumberScheduled = fuses.DesiredNumberScheduled
	status.CurrentFuseNumberScheduled = fuses.CurrentNumberScheduled
	status.FuseNumberReady = fuses.NumberReady
	status.FuseNumberAvailable = fuses.NumberAvailable
	status.FuseNumberUnavailable = fuses.NumberUnavailable
	status.FusePhase, status.FuseReason = datav1alpha1.RuntimePhaseReady, reasonFusesReady
	ready := datav1alpha1.RuntimeCondition{Type: conditionFusesReady, Status: corev1.ConditionTrue,
		Reason: reasonFusesReady, Message: "The fuses are ready."}
	if fuses.NumberReady < fuses.DesiredNumberScheduled {
		status.FusePhase, status.FuseReason = datav1alpha1.RuntimePhaseNotReady, reasonFusesNotReady
		if fuses.NumberReady > 0 {
			status.FusePhase = datav1alpha1.RuntimePhasePartialReady
		}
		ready.Status, ready.Reason, ready.Message = corev1.ConditionFalse, reasonFusesNotReady, "The fuses are not ready."
	}
	condition.SetRuntime(status, datav1alpha1.RuntimeCondition{Type: conditionFusesInitialized, Status: corev1.ConditionTrue,
		Reason: "Fuses are initialized", Message: "The fuse is initialized."}, now)
	condition.SetRuntime(status, ready, now)
	if status.CacheStates == nil {
		status.CacheStates = CacheStates()
	}
	if status.SetupDuration == "" {
		status.SetupDuration = now.Sub(runtime.CreationTimestamp.Time).Round(time.Second).String()
	}
}

// runtimeEntry is a ThinRuntime's entry in its Dataset's status.runtimes.
func runtimeEntry(dataset *datav1alpha1.Dataset) datav1alpha1.Runtime {
	return datav1alpha1.Runtime{Name: dataset.Name, Namespace: dataset.Namespace,
		Category: datav1alpha1.AccelerateCategory, Type: reference.ThinType}
}

func isEntry(dataset *datav1alpha1.Dataset) func(datav1alpha1.Runtime) bool {
	own := runtimeEntry(dataset)
	return func(r datav1alpha1.Runtime) bool {
		return r.Name == own.Name && r.Namespace == own.Namespace && r.Category == own.Category && r.Type == own.Type
	}
}

// BoundElsewhere reports whether a Dataset is bound to something other than the ThinRuntime of its name.
func BoundElsewhere(dataset *datav1alpha1.Dataset) bool {
	return len(dataset.Status.Runtimes) > 0 && !HasRuntime(dataset)
}

// HasRuntime reports whether a Dataset's status names the ThinRuntime of its name.
func HasRuntime(dataset *datav1alpha1.Dataset) bool {
	return slices.ContainsFunc(dataset.Status.Runtimes, isEntry(dataset))
}

// SetDatasetBound makes a Dataset's status that of one that can be used. status.datasetRef belongs to the references.
func SetDatasetBound(dataset *datav1alpha1.Dataset, now metav1.Time) {
	status := &dataset.Status
	status.Phase = datav1alpha1.BoundPhase
	status.Mounts = dataset.Spec.Mounts
	if !HasRuntime(dataset) {
		status.Runtimes = append(status.Runtimes, runtimeEntry(dataset))
	}
	if status.CacheStates == nil {
		status.CacheStates = CacheStates()
	}
	condition.RemoveDataset(status, datav1alpha1.DatasetNotReady)
	condition.SetDataset(status, datav1alpha1.DatasetCondition{Type: datav1alpha1.DatasetReady, Status: corev1.ConditionTrue,
		Reason: datav1alpha1.DatasetReadyReason, Message: "The ddc runtime is ready."}, now)
}

// SetDatasetFailed says in a Dataset's status why it can't be set up. One that is set up already stays usable: what
// serves it is there and is left as it is.
func SetDatasetFailed(dataset *datav1alpha1.Dataset, message string, usable bool, now metav1.Time) {
	status := &dataset.Status
	if !usable {
		status.Phase = datav1alpha1.NotBoundPhase
		condition.RemoveDataset(status, datav1alpha1.DatasetReady)
	}
	condition.SetDataset(status, datav1alpha1.DatasetCondition{Type: datav1alpha1.DatasetNotReady, Status: corev1.ConditionTrue,
		Reason: datav1alpha1.DatasetFailedToSetupReason, Message: message}, now)
}

// SetDatasetUnbound makes a Dataset's status that of one whose runtime has gone, as Fluid v1.0.8 does. The references
// to it stay recorded.
func SetDatasetUnbound(dataset *datav1alpha1.Dataset) {
	status := &dataset.Status
	status.Phase = datav1alpha1.NotBoundPhase
	status.Conditions = []datav1alpha1.DatasetCondition{}
	status.UfsTotal, status.FileNum = "", ""
	status.CacheStates, status.Runtimes, status.HCFSStatus = nil, nil, nil
}
