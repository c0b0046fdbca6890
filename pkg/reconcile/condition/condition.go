// Package condition puts conditions into the statuses of Datasets and runtimes, as the engines of all runtimes do.
package condition

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
)

// SetRuntime puts a condition into the status of a runtime.
func SetRuntime(status *datav1alpha1.RuntimeStatus, condition datav1alpha1.RuntimeCondition, now metav1.Time) {
	status.Conditions = set(status.Conditions, condition, now, func(c *datav1alpha1.RuntimeCondition) fields {
		return fields{c.Type, string(c.Status), c.Reason, c.Message, &c.LastProbeTime, &c.LastTransitionTime}
	})
}

// RemoveRuntime takes the condition of a type out of the status of a runtime.
func RemoveRuntime(status *datav1alpha1.RuntimeStatus, kind string) {
	status.Conditions = slices.DeleteFunc(status.Conditions, func(c datav1alpha1.RuntimeCondition) bool { return c.Type == kind })
}

// SetDataset puts a condition into the status of a Dataset.
func SetDataset(status *datav1alpha1.DatasetStatus, condition datav1alpha1.DatasetCondition, now metav1.Time) {
	status.Conditions = set(status.Conditions, condition, now, func(c *datav1alpha1.DatasetCondition) fields {
		return fields{string(c.Type), string(c.Status), c.Reason, c.Message, &c.LastUpdateTime, &c.LastTransitionTime}
	})
}

// RemoveDataset takes the condition of a type out of the status of a Dataset.
func RemoveDataset(status *datav1alpha1.DatasetStatus, kind datav1alpha1.DatasetConditionType) {
	status.Conditions = slices.DeleteFunc(status.Conditions, func(c datav1alpha1.DatasetCondition) bool { return c.Type == kind })
}

// fields are what conditions of Datasets and of runtimes have in common.
type fields struct {
	kind, status, reason, message string
	update, transition            *metav1.Time
}

// set puts a condition into a list. It gets the present time where something changes, and its transition time where the
// status does.
func set[C any](conditions []C, condition C, now metav1.Time, of func(*C) fields) []C {
	wanted := of(&condition)
	*wanted.update, *wanted.transition = now, now
	for i := range conditions {
		old := of(&conditions[i])
		if old.kind != wanted.kind {
			continue
		}
		if old.status == wanted.status {
			*wanted.transition = *old.transition
			if old.reason == wanted.reason && old.message == wanted.message {
				return conditions
			}
		}
		conditions[i] = condition
		return conditions
	}
	return append(conditions, condition)
}
