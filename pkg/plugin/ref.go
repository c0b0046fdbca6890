package plugin

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/observe"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

func newRefCommand(env Environment) *cobra.Command {
	cmd := newGroup(&cobra.Command{
		Use:   "ref",
		Short: "References: Datasets that stand for a Dataset of another namespace",
		Long: `A reference is a Dataset with the one mount dataset://namespace/name[/sub/path].
Pods of its namespace use the cache of that (physical) Dataset through it.`,
	})
	cmd.AddCommand(newRefCheckCommand(env), newRefCreateCommand(env), newRefListCommand(env),
		newRefDescribeCommand(env), newRefTreeCommand(env), newRefDiffCommand(env), newRefDeleteCommand(env),
		newRefShareCommand(env), newRefUnshareCommand(env), newRefCanICommand(env))
	return cmd
}

// newDatasetObject returns an empty Dataset without a Go type: what the API server has and the types here don't know
// survives in it.
func newDatasetObject() *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(datav1alpha1.GroupVersion.WithKind(datav1alpha1.DatasetKind))
	return object
}

// datasetName returns kind.group/name as kubectl's -o name.
func datasetName(name string) string {
	object := newDatasetObject()
	object.SetName(name)
	return resourceName(object)
}

// getDataset returns a Dataset, or nil if it doesn't exist.
func getDataset(ctx context.Context, reader client.Reader, key types.NamespacedName) (*unstructured.Unstructured, error) {
	object := newDatasetObject()
	err := reader.Get(ctx, key, object)
	if apierrors.IsNotFound(err) && !observe.KindUnknown(err) {
		return nil, nil
	}
	if err != nil {
		return nil, explainAPI(fmt.Sprintf("reading Dataset %s", key), err)
	}
	return object, nil
}

// typedDataset converts a Dataset.
func typedDataset(object *unstructured.Unstructured) (*datav1alpha1.Dataset, error) {
	dataset := &datav1alpha1.Dataset{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, dataset); err != nil {
		return nil, fmt.Errorf("reading Dataset %s/%s: %w", object.GetNamespace(), object.GetName(), err)
	}
	return dataset, nil
}

// sourceText returns what a reference refers to for a person: namespace/name[/sub/path], or the mount point as it is
// if it can't be read.
func sourceText(dataset *datav1alpha1.Dataset) string {
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

// readyCondition returns the condition ReferenceReady, or nil if no controller of this project has written it. Where Fluid's
// controllers write the status, an annotation says what blocks the reference: its reason, a colon, and the finding.
func readyCondition(dataset *datav1alpha1.Dataset) *datav1alpha1.DatasetCondition {
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
