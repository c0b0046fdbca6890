package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/condition"
)

// Conditions of an AlluxioRuntime: Fluid's (v1.0.8), and three of this project's.
const (
	conditionMastersInitialized = "MasterInitialized"
	conditionMastersReady       = "MasterReady"
	conditionWorkersInitialized = "WorkersInitialized"
	conditionWorkersReady       = "WorkersReady"
	conditionFusesReady         = "FusesReady"
	// ConditionServed says whether this engine serves the runtime, and if not, who does.
	ConditionServed = "Served"
	// ConditionMountedRuntime says whether the masters have every mount of the Dataset, and if not, why.
	ConditionMountedRuntime = "Mounted"
	// ConditionHonoured says whether every field of the spec is honoured, and if not, which aren't.
	ConditionHonoured = "SpecHonoured"
)

// calculating is what Fluid shows of figures that aren't known yet.
const calculating = "[Calculating]"

// SetRuntimeStatus writes what there is into an AlluxioRuntime's status. Only what changes gets a new time.
func (e *Engine) SetRuntimeStatus(runtime *datav1alpha1.AlluxioRuntime, o *Observed, step *Step, figures Figures) {
	status, now := &runtime.Status, metav1.NewTime(o.Now)
	wantMasters := int32(e.Masters())
	status.DesiredMasterNumberScheduled, status.DesiredWorkerNumberScheduled = wantMasters, e.runtime.Spec.Replicas
	status.CurrentMasterNumberScheduled, status.CurrentWorkerNumberScheduled = int32(len(o.Masters)), int32(len(o.Workers))
	status.MasterNumberReady, status.WorkerNumberReady = ready(o.Masters), ready(o.Workers)
	status.WorkerNumberAvailable = status.WorkerNumberReady
	status.WorkerNumberUnavailable = max(0, e.runtime.Spec.Replicas-status.WorkerNumberReady)
	status.MasterPhase = phaseOf(status.MasterNumberReady, wantMasters)
	status.WorkerPhase = phaseOf(status.WorkerNumberReady, e.runtime.Spec.Replicas)
	status.Selector = labels.SelectorFromSet(e.selector(RoleWorker)).String()
	e.setFuseStatus(status, o, now)

	set := func(kind string, good bool, reason, message string) {
		c := datav1alpha1.RuntimeCondition{Type: kind, Status: corev1.ConditionFalse, Reason: reason, Message: message}
		if good {
			c.Status = corev1.ConditionTrue
		}
		condition.SetRuntime(status, c, now)
	}
	set(ConditionServed, true, "ServedHere", "This cluster's kubectl-fluid controller serves the runtime.")
	set(conditionMastersInitialized, true, "Master is initialized", "The master is initialized.")
	set(conditionWorkersInitialized, true, "Workers are initialized", "The workers are initialized.")
	status.MasterReason, status.WorkerReason = "", ""
	if status.MasterPhase == datav1alpha1.RuntimePhaseReady {
		set(conditionMastersReady, true, "Master is ready", "The master is ready.")
	} else {
		status.MasterReason = "Master is not ready"
		set(conditionMastersReady, false, "Master is not ready", withTrouble("The master is not ready.", step))
	}
	workers := workersText(figures.Info)
	if status.WorkerPhase == datav1alpha1.RuntimePhaseReady {
		set(conditionWorkersReady, true, "Workers are ready", strings.TrimSpace("The workers are ready. "+workers))
	} else {
		status.WorkerReason = "Workers are not ready"
		set(conditionWorkersReady, false, "Workers are not ready", withTrouble(strings.TrimSpace("The workers are not ready. "+workers), step))
	}
	switch {
	case step.Mounted:
		set(ConditionMountedRuntime, true, "Mounted", "The masters have every mount of the Dataset.")
		if status.MountTime == nil {
			status.MountTime = &now
		}
		status.Mounts = e.dataset.Spec.Mounts
	default:
		set(ConditionMountedRuntime, false, "NotMounted", withTrouble("The masters don't have every mount of the Dataset.", step))
	}
	if figures.Info != nil {
		status.CacheStates = cacheStates(figures)
	}
	if status.SetupDuration == "" && step.Mounted && status.MasterNumberReady > 0 && status.WorkerNumberReady > 0 {
		status.SetupDuration = now.Sub(runtime.CreationTimestamp.Time).Round(time.Second).String()
	}
}

func (e *Engine) setFuseStatus(status *datav1alpha1.RuntimeStatus, o *Observed, now metav1.Time) {
	if o.Fuse != nil {
		fuses := &o.Fuse.Status
		status.DesiredFuseNumberScheduled, status.CurrentFuseNumberScheduled = fuses.DesiredNumberScheduled, fuses.CurrentNumberScheduled
		status.FuseNumberReady = fuses.NumberReady
		status.FuseNumberAvailable, status.FuseNumberUnavailable = fuses.NumberAvailable, fuses.NumberUnavailable
	}
	status.FusePhase = phaseOf(status.FuseNumberReady, status.DesiredFuseNumberScheduled)
	status.FuseReason = "Fuses are ready"
	ready := datav1alpha1.RuntimeCondition{Type: conditionFusesReady, Status: corev1.ConditionTrue, Reason: "Fuses are ready", Message: "The fuses are ready."}
	if status.FusePhase != datav1alpha1.RuntimePhaseReady {
		status.FuseReason = "Fuses are not ready"
		ready.Status, ready.Reason, ready.Message = corev1.ConditionFalse, "Fuses are not ready", "The fuses are not ready."
	}
	condition.SetRuntime(status, ready, now)
}

func phaseOf(ready, want int32) datav1alpha1.RuntimePhase {
	switch {
	case ready >= want:
		return datav1alpha1.RuntimePhaseReady
	case ready > 0:
		return datav1alpha1.RuntimePhasePartialReady
	}
	return datav1alpha1.RuntimePhaseNotReady
}

// withTrouble adds to a sentence what is wrong, or what is waited for.
func withTrouble(text string, step *Step) string {
	for _, trouble := range step.Troubles {
		text += " " + trouble.Object + ": " + trouble.Text + "."
	}
	if len(step.Troubles) == 0 && step.Waiting != "" {
		text += " " + strings.ToUpper(step.Waiting[:1]) + step.Waiting[1:] + "."
	}
	return text
}

// workersText names the workers that the master knows, with address, state and size.
func workersText(info *MasterInfo) string {
	if info == nil {
		return ""
	}
	const most = 20
	var parts []string
	for _, worker := range slices.Concat(info.Workers, info.LostWorkers) {
		parts = append(parts, fmt.Sprintf("%s %s %s", worker.Address.Host, worker.State, humanBytes(worker.CapacityBytes)))
	}
	slices.Sort(parts)
	if len(parts) > most {
		parts = append(parts[:most], fmt.Sprintf("%d more", len(parts)-most))
	}
	return strings.Join(parts, ", ")
}

// usable reports whether sidecars find what they need: a master with its mounts, and a worker.
func (e *Engine) usable(o *Observed, step *Step) bool {
	return ready(o.Masters) > 0 && (ready(o.Workers) > 0 || e.runtime.Spec.Replicas == 0)
}

// SetDatasetStatus writes what there is into a Dataset's status. One that was bound stays so, since its references and pods
// do, while its conditions say what is the matter. status.datasetRef belongs to the references.
func (e *Engine) SetDatasetStatus(dataset *datav1alpha1.Dataset, o *Observed, step *Step, figures Figures, message string) {
	status, now := &dataset.Status, metav1.NewTime(o.Now)
	usable := e.usable(o, step)
	bound := status.Phase == datav1alpha1.BoundPhase && HasRuntime(dataset)
	switch {
	case usable:
		status.Phase = datav1alpha1.BoundPhase
		if !HasRuntime(dataset) {
			status.Runtimes = append(status.Runtimes, runtimeEntry(dataset, e.Masters()))
		}
		condition.SetDataset(status, datav1alpha1.DatasetCondition{Type: datav1alpha1.DatasetReady, Status: corev1.ConditionTrue,
			Reason: datav1alpha1.DatasetReadyReason, Message: "The ddc runtime is ready."}, now)
	case bound:
		condition.SetDataset(status, datav1alpha1.DatasetCondition{Type: datav1alpha1.DatasetReady, Status: corev1.ConditionFalse,
			Reason: datav1alpha1.DatasetFailedToSetupReason, Message: withTrouble("The ddc runtime is not ready.", step)}, now)
	default:
		status.Phase = datav1alpha1.NotBoundPhase
		condition.RemoveDataset(status, datav1alpha1.DatasetReady)
	}
	if message == "" {
		condition.RemoveDataset(status, datav1alpha1.DatasetNotReady)
	} else {
		condition.SetDataset(status, datav1alpha1.DatasetCondition{Type: datav1alpha1.DatasetNotReady, Status: corev1.ConditionTrue,
			Reason: datav1alpha1.DatasetFailedToSetupReason, Message: message}, now)
	}
	if usable && step.Mounted {
		status.Mounts = dataset.Spec.Mounts
		status.HCFSStatus = &datav1alpha1.HCFSStatus{Endpoint: fmt.Sprintf("alluxio://%s:%d", e.masterAddress(0), portMasterRPC)}
	}
	e.setFigures(status, figures)
}

func (e *Engine) setFigures(status *datav1alpha1.DatasetStatus, figures Figures) {
	if figures.Counts != nil {
		status.UfsTotal, status.FileNum = humanBytes(figures.Counts.Bytes), fmt.Sprint(figures.Counts.Files)
	} else if status.UfsTotal == "" {
		status.UfsTotal, status.FileNum = calculating, calculating
	}
	if figures.Info != nil {
		status.CacheStates = cacheStates(figures)
	}
}

// SetServedElsewhere says in a runtime's status that Fluid serves it, and why. (Conditions are what Fluid's CRD keeps of it.)
func SetServedElsewhere(runtime *datav1alpha1.AlluxioRuntime, other string, now time.Time) {
	condition.SetRuntime(&runtime.Status, datav1alpha1.RuntimeCondition{Type: ConditionServed, Status: corev1.ConditionFalse, Reason: "ServedByFluid",
		Message: "Fluid's alluxioruntime-controller serves the runtime, since " + other + "; kubectl-fluid's controller leaves it alone (--alluxio-runtimes=auto)."}, metav1.NewTime(now))
}

// SetHonoured names the fields that aren't honoured in the runtime's status.
func SetHonoured(runtime *datav1alpha1.AlluxioRuntime, unsupported []string, now time.Time) {
	if len(unsupported) == 0 {
		condition.RemoveRuntime(&runtime.Status, ConditionHonoured)
		return
	}
	condition.SetRuntime(&runtime.Status, datav1alpha1.RuntimeCondition{Type: ConditionHonoured, Status: corev1.ConditionFalse, Reason: "FieldsIgnored",
		Message: "This controller doesn't honour these fields of the spec: " + strings.Join(unsupported, ", ") + "."}, metav1.NewTime(now))
}

// SetFailed says in a Dataset's status why nothing can be made for it. One that is set up already stays usable.
func SetFailed(dataset *datav1alpha1.Dataset, message string, now time.Time) {
	status := &dataset.Status
	if status.Phase != datav1alpha1.BoundPhase {
		status.Phase = datav1alpha1.NotBoundPhase
	}
	condition.SetDataset(status, datav1alpha1.DatasetCondition{Type: datav1alpha1.DatasetNotReady, Status: corev1.ConditionTrue,
		Reason: datav1alpha1.DatasetFailedToSetupReason, Message: message}, metav1.NewTime(now))
}

// SetUnbound makes a Dataset's status that of one whose runtime has gone, as Fluid v1.0.8 does.
func SetUnbound(dataset *datav1alpha1.Dataset) {
	status := &dataset.Status
	status.Phase = datav1alpha1.NotBoundPhase
	status.Conditions = []datav1alpha1.DatasetCondition{}
	status.UfsTotal, status.FileNum = "", ""
	status.CacheStates, status.Runtimes, status.HCFSStatus = nil, nil, nil
}

// runtimeEntry is an AlluxioRuntime's entry in its Dataset's status.runtimes.
func runtimeEntry(dataset *datav1alpha1.Dataset, masters int) datav1alpha1.Runtime {
	entry := datav1alpha1.Runtime{Name: dataset.Name, Namespace: dataset.Namespace, Category: datav1alpha1.AccelerateCategory, Type: RuntimeType}
	if masters > 1 {
		entry.MasterReplicas = int32(masters)
	}
	return entry
}

// HasRuntime reports whether a Dataset's status names the AlluxioRuntime of its name.
func HasRuntime(dataset *datav1alpha1.Dataset) bool {
	return slices.ContainsFunc(dataset.Status.Runtimes, func(r datav1alpha1.Runtime) bool {
		return r.Name == dataset.Name && r.Namespace == dataset.Namespace && r.Type == RuntimeType
	})
}

// BoundElsewhere reports whether a Dataset is bound to something other than the AlluxioRuntime of its name.
func BoundElsewhere(dataset *datav1alpha1.Dataset) bool {
	return len(dataset.Status.Runtimes) > 0 && !HasRuntime(dataset)
}
