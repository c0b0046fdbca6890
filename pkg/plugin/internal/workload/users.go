package workload

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// Ways in which a pod uses a Dataset.
const (
	UseSidecar = "sidecar" // a FUSE sidecar of its own
	UseClaim   = "claim"   // the claim as a CSI volume, or a sidecar that it still waits for
)

// UseOf returns how a pod uses a Dataset of its namespace; empty if it doesn't. A pod with a sidecar has no claim any
// more, but labels that name the Dataset.
func UseOf(pod *corev1.Pod, dataset types.NamespacedName) string {
	for key, name := range pod.Labels {
		container, ok := strings.CutPrefix(key, datav1alpha1.LabelSidecarDatasetName)
		if !ok || name != dataset.Name {
			continue
		}
		if namespace, ok := pod.Labels[datav1alpha1.LabelSidecarDatasetNamespace+container]; namespace == dataset.Namespace || !ok && pod.Namespace == dataset.Namespace {
			return UseSidecar
		}
	}
	if pod.Namespace == dataset.Namespace && slices.Contains(ClaimsOf(pod), dataset.Name) {
		return UseClaim
	}
	return ""
}

// ListPods lists all pods of a namespace that match the options. unread says why that couldn't be done if it isn't allowed.
func ListPods(ctx context.Context, reader client.Reader, namespace string, options ...client.ListOption) (pods []corev1.Pod, unread string, err error) {
	for page, err := range cluster.Pages(ctx, reader, &corev1.PodList{}, append(options, client.InNamespace(namespace))...) {
		switch {
		case apierrors.IsForbidden(err):
			return nil, err.Error(), nil
		case err != nil:
			return nil, "", cluster.ExplainAPI("listing the pods of namespace "+namespace, err)
		}
		pods = append(pods, page.Items...)
	}
	return pods, "", nil
}

// UsersOf returns the pods that use a Dataset and haven't ended.
func UsersOf(pods []corev1.Pod, dataset types.NamespacedName) []*corev1.Pod {
	var users []*corev1.Pod
	for i := range pods {
		if !reference.HasEnded(&pods[i]) && UseOf(&pods[i], dataset) != "" {
			users = append(users, &pods[i])
		}
	}
	return users
}

// PodState returns a pod's phase, or that it is being deleted, as kubectl shows it.
func PodState(pod *corev1.Pod) string {
	if pod.DeletionTimestamp != nil {
		return "Terminating"
	}
	return string(pod.Status.Phase)
}

// SomeNames returns a few names of pods for one line.
func SomeNames(pods []*corev1.Pod) string {
	const most = 5
	var names []string
	for _, pod := range pods {
		names = append(names, pod.Name)
	}
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// ClaimsOf returns the claims that a pod's volumes use in the order in which they get sidecars.
func ClaimsOf(pod *corev1.Pod) []string {
	var claims []string
	for _, volume := range pod.Spec.Volumes {
		if volume.PersistentVolumeClaim != nil {
			claims = append(claims, volume.PersistentVolumeClaim.ClaimName)
		}
	}
	slices.Sort(claims)
	return slices.Compact(claims)
}

// PodObject names a pod in findings.
func PodObject(pod *corev1.Pod) finding.Object {
	return finding.Object{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name}
}
