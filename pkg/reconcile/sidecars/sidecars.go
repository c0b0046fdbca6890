// Package sidecars knows who holds a Dataset: which pods have its sidecar, from their labels (Fluid v1.0.8), and which
// references it has.
package sidecars

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/tell"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// Datasets returns the Datasets that a pod has sidecars of, by the labels that say so (Fluid v1.0.8). The claims
// are no longer in the pod: the sidecar's directory took their place.
func Datasets(pod metav1.Object) []types.NamespacedName {
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

// Pods returns the names of the pods that have a sidecar of a Dataset and haven't ended. A pod that is being
// deleted counts until it is gone: its app may still read.
func Pods(ctx context.Context, reader client.Reader, dataset types.NamespacedName) ([]string, error) {
	pods := &corev1.PodList{}
	err := reader.List(ctx, pods, client.InNamespace(dataset.Namespace), client.MatchingLabels{datav1alpha1.LabelInjectionDone: "true"})
	if err != nil {
		return nil, fmt.Errorf("listing the pods with sidecars in namespace %s: %w", dataset.Namespace, err)
	}
	var names []string
	for i := range pods.Items {
		pod := &pods.Items[i]
		if !reference.HasEnded(pod) && slices.Contains(Datasets(pod), dataset) {
			names = append(names, pod.Name)
		}
	}
	return names, nil
}

// Holders says what keeps a Dataset from going: references to it, and pods that have its sidecar. It is empty if nothing does.
func Holders(ctx context.Context, reader client.Reader, dataset *datav1alpha1.Dataset) (string, error) {
	key := client.ObjectKeyFromObject(dataset)
	var references []string
	for _, entry := range dataset.Status.DatasetRef {
		namespace, name, _ := strings.Cut(entry, "/")
		err := reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, &datav1alpha1.Dataset{})
		if client.IgnoreNotFound(err) != nil {
			return "", fmt.Errorf("reading Dataset %s/%s, a reference to %s: %w", namespace, name, key, err)
		}
		if err == nil {
			references = append(references, namespace+"/"+name)
		}
	}
	pods, err := Pods(ctx, reader, key)
	if err != nil {
		return "", err
	}
	var held []string
	if len(references) > 0 {
		held = append(held, "references to it exist: delete the Datasets "+tell.Names(references))
	}
	if len(pods) > 0 {
		slices.Sort(pods)
		held = append(held, "pods have its sidecar: delete "+tell.Names(pods))
	}
	if len(held) == 0 {
		return "", nil
	}
	return "Dataset " + key.String() + " can't be deleted yet; " + strings.Join(held, "; "), nil
}
