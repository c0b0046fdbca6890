package inspect

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/inject"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/output"
)

// diffOfInjected returns what injection has changed in a pod. Nobody keeps the pod as it was: inject.Undo tells it from
// what the pod is. The difference is empty if the pod can't be written.
func diffOfInjected(pod *corev1.Pod) string {
	after, err := podJSON(pod)
	if err != nil {
		return ""
	}
	before, err := podJSON(inject.Undo(pod))
	if err != nil {
		return ""
	}
	diff, err := output.DiffYAML("before injection, as far as that shows", "the pod", before, after)
	if err != nil {
		return ""
	}
	return diff
}
