package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// sidecarDatasets returns the Datasets that a pod has sidecars of, by the labels that say so (Fluid v1.0.8). The claims
// are no longer in the pod: the sidecar's directory took their place.
func sidecarDatasets(pod metav1.Object) []types.NamespacedName {
	var keys []types.NamespacedName
	for label, name := range pod.GetLabels() {
		container, ok := strings.CutPrefix(label, datav1alpha1.LabelSidecarDatasetName)
		if !ok {
			continue
		}
		namespace := pod.GetLabels()[datav1alpha1.LabelSidecarDatasetNamespace+container]
		keys = append(keys, types.NamespacedName{Namespace: namespace, Name: name})
	}
	return keys
}

// sidecarPods returns the names of the pods that have a sidecar of a Dataset and haven't ended. A pod that is being
// deleted counts until it is gone: its app may still read.
func sidecarPods(ctx context.Context, reader client.Reader, dataset types.NamespacedName) ([]string, error) {
	pods := &corev1.PodList{}
	err := reader.List(ctx, pods, client.InNamespace(dataset.Namespace), client.MatchingLabels{datav1alpha1.LabelInjectionDone: "true"})
	if err != nil {
		return nil, fmt.Errorf("listing the pods with sidecars in namespace %s: %w", dataset.Namespace, err)
	}
	var names []string
	for i := range pods.Items {
		pod := &pods.Items[i]
		ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
		if !ended && slices.Contains(sidecarDatasets(pod), dataset) {
			names = append(names, pod.Name)
		}
	}
	return names, nil
}

// CacheOptions says what of the cluster the reconcilers need in their caches.
func CacheOptions() cache.Options {
	return cache.Options{
		DefaultTransform: dropFieldSets,
		ByObject:         map[client.Object]cache.ByObject{&corev1.Pod{}: CachedPods()},
	}
}

// dropFieldSets leaves of the managed fields of Datasets and of what belongs to references only who wrote them: the
// sets of fields are half of such small objects. What ThinRuntimes own is applied and needs them.
func dropFieldSets(object any) (any, error) {
	_, isDataset := object.(*datav1alpha1.Dataset)
	accessor, err := meta.Accessor(object)
	if err != nil || !(isDataset || accessor.GetLabels()[reference.LabelReferenceUID] != "") {
		return object, nil // not an object, but what says that one was deleted
	}
	entries := accessor.GetManagedFields()
	for i := range entries {
		entries[i].FieldsV1 = nil
	}
	return object, nil
}

// CachedPods says which pods the reconcilers need in their caches, and what of them: those with sidecars, without spec.
func CachedPods() cache.ByObject {
	return cache.ByObject{
		Label: labels.SelectorFromSet(labels.Set{datav1alpha1.LabelInjectionDone: "true"}),
		Transform: func(object any) (any, error) {
			if pod, ok := object.(*corev1.Pod); ok {
				pod.Spec, pod.ManagedFields = corev1.PodSpec{}, nil
				pod.Status = corev1.PodStatus{Phase: pod.Status.Phase}
			}
			return object, nil
		},
	}
}
