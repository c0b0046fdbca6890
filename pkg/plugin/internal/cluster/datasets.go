package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/observe"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/output"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// NewDatasetObject returns an empty Dataset without a Go type: what the API server has and the types here don't know
// survives in it.
func NewDatasetObject() *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(datav1alpha1.GroupVersion.WithKind(datav1alpha1.DatasetKind))
	return object
}

// DatasetName returns kind.group/name as kubectl's -o name.
func DatasetName(name string) string {
	object := NewDatasetObject()
	object.SetName(name)
	return output.ResourceName(object)
}

// GetDataset returns a Dataset, or nil if it doesn't exist.
func GetDataset(ctx context.Context, reader client.Reader, key types.NamespacedName) (*unstructured.Unstructured, error) {
	object := NewDatasetObject()
	err := reader.Get(ctx, key, object)
	if apierrors.IsNotFound(err) && !observe.KindUnknown(err) {
		return nil, nil
	}
	if err != nil {
		return nil, ExplainAPI(fmt.Sprintf("reading Dataset %s", key), err)
	}
	return object, nil
}

// TypedDataset converts a Dataset.
func TypedDataset(object *unstructured.Unstructured) (*datav1alpha1.Dataset, error) {
	dataset := &datav1alpha1.Dataset{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, dataset); err != nil {
		return nil, fmt.Errorf("reading Dataset %s/%s: %w", object.GetNamespace(), object.GetName(), err)
	}
	return dataset, nil
}

// SourceText returns what a reference refers to for a person: namespace/name[/sub/path], or the mount point as it is
// if it can't be read.
func SourceText(dataset *datav1alpha1.Dataset) string {
	if source, err := reference.SourceOf(dataset); err == nil {
		return source.String()
	}
	for _, mount := range dataset.Spec.Mounts {
		if reference.IsMountPoint(mount.MountPoint) {
			return mount.MountPoint + " (invalid)"
		}
	}
	return "<none>"
}

// ReadyCondition returns the condition ReferenceReady, or nil if no controller of this project has written it. Where Fluid's
// controllers write the status, an annotation says what blocks the reference: its reason, a colon, and the finding.
func ReadyCondition(dataset *datav1alpha1.Dataset) *datav1alpha1.DatasetCondition {
	for i := range dataset.Status.Conditions {
		if dataset.Status.Conditions[i].Type == reference.ConditionReferenceReady {
			return &dataset.Status.Conditions[i]
		}
	}
	if reason, message, said := strings.Cut(dataset.Annotations[reference.AnnotationObstacle], ": "); said {
		return &datav1alpha1.DatasetCondition{Type: reference.ConditionReferenceReady, Status: corev1.ConditionFalse, Reason: reason, Message: message}
	}
	return nil
}

// ManifestReferences returns the references of the manifests, as they will be.
func ManifestReferences(ctx context.Context, c *View) ([]*datav1alpha1.Dataset, error) {
	datasets, err := ManifestDatasets(ctx, c)
	return slices.DeleteFunc(datasets, func(d *datav1alpha1.Dataset) bool { return !reference.IsReference(d) }), err
}

// ManifestDatasets returns the Datasets of the manifests, as they will be.
func ManifestDatasets(ctx context.Context, c *View) ([]*datav1alpha1.Dataset, error) {
	var datasets []*datav1alpha1.Dataset
	seen := map[types.NamespacedName]bool{}
	for _, object := range c.Manifests {
		key := client.ObjectKeyFromObject(object)
		if object.GetKind() != datav1alpha1.DatasetKind || object.GroupVersionKind().Group != datav1alpha1.GroupVersion.Group || seen[key] {
			continue
		}
		seen[key] = true
		applied, err := GetDataset(ctx, c, key)
		if err != nil {
			return nil, err
		}
		dataset, err := TypedDataset(applied)
		if err != nil {
			return nil, err
		}
		datasets = append(datasets, dataset)
	}
	return datasets, nil
}

// ErrNotReference says that a Dataset has no mount dataset://namespace/name.
var ErrNotReference = errors.New("this Dataset is not a reference: it has no mount " + reference.Scheme + "namespace/name")

// GetReference returns an existing reference; doing says what for. A Dataset that is none is ErrNotReference.
func GetReference(ctx context.Context, reader client.Reader, key types.NamespacedName, doing string) (*datav1alpha1.Dataset, error) {
	doing = fmt.Sprintf("%s the reference %s", doing, key)
	object, err := GetDataset(ctx, reader, key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	if object == nil {
		return nil, fmt.Errorf("%s: it doesn't exist; kubectl fluid ref list -n %s shows those that do", doing, key.Namespace)
	}
	dataset, err := TypedDataset(object)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	if !reference.IsReference(dataset) {
		return nil, fmt.Errorf("%s: %w", doing, ErrNotReference)
	}
	return dataset, nil
}

// Broken reports whether pods can't use a reference now: it isn't Bound, or the controller says that it isn't ready.
func Broken(dataset *datav1alpha1.Dataset) bool {
	condition := ReadyCondition(dataset)
	return dataset.Status.Phase != datav1alpha1.BoundPhase || condition != nil && condition.Status != corev1.ConditionTrue
}

// ListReferences returns the references of a namespace (empty for all), as they are and typed.
func ListReferences(ctx context.Context, reader client.Reader, namespace string) ([]unstructured.Unstructured, []*datav1alpha1.Dataset, error) {
	allObjects, all, err := listDatasetObjects(ctx, reader, namespace)
	if err != nil {
		return nil, nil, err
	}
	var objects []unstructured.Unstructured
	var datasets []*datav1alpha1.Dataset
	for i, dataset := range all {
		if reference.IsReference(dataset) {
			objects, datasets = append(objects, allObjects[i]), append(datasets, dataset)
		}
	}
	return objects, datasets, nil
}

// listDatasetObjects returns the Datasets of a namespace (empty for all), as they are and typed.
func listDatasetObjects(ctx context.Context, reader client.Reader, namespace string) ([]unstructured.Unstructured, []*datav1alpha1.Dataset, error) {
	var objects []unstructured.Unstructured
	var datasets []*datav1alpha1.Dataset
	for page, err := range Pages(ctx, reader, NewList(datav1alpha1.GroupVersion.WithKind(datav1alpha1.DatasetKind)), client.InNamespace(namespace)) {
		if err != nil {
			return nil, nil, ExplainAPI("listing Datasets", err)
		}
		for i := range page.Items {
			dataset, err := TypedDataset(&page.Items[i])
			if err != nil {
				return nil, nil, err
			}
			objects, datasets = append(objects, page.Items[i]), append(datasets, dataset)
		}
	}
	return objects, datasets, nil
}

// ReadyText returns the condition ReferenceReady as True, False (Reason) or <unknown>.
func ReadyText(dataset *datav1alpha1.Dataset) string {
	condition := ReadyCondition(dataset)
	switch {
	case condition == nil:
		return "<unknown>"
	case condition.Status == corev1.ConditionTrue || condition.Reason == "":
		return string(condition.Status)
	}
	return string(condition.Status) + " (" + condition.Reason + ")"
}

// ModesText returns access modes; a Dataset without any has ReadOnlyMany.
func ModesText(modes []corev1.PersistentVolumeAccessMode) string {
	if len(modes) == 0 {
		return string(corev1.ReadOnlyMany)
	}
	texts := make([]string, len(modes))
	for i, mode := range modes {
		texts[i] = string(mode)
	}
	return strings.Join(texts, ",")
}
