package reference

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

// OperationKinds returns the kinds of Fluid's data operations.
func OperationKinds() []string {
	return []string{"DataBackup", "DataLoad", "DataMigrate", "DataProcess"}
}

// OperatesOn reports whether a data operation of Fluid v1.0.8 names a Dataset: spec.dataset, a name or an object, or
// spec.from.dataset or spec.to.dataset. Without a namespace it means its own.
func OperatesOn(operation *unstructured.Unstructured, dataset types.NamespacedName) bool {
	for _, path := range [][]string{{"spec", "dataset"}, {"spec", "from", "dataset"}, {"spec", "to", "dataset"}} {
		value, _, _ := unstructured.NestedFieldNoCopy(operation.Object, path...)
		named := types.NamespacedName{Namespace: operation.GetNamespace()}
		switch value := value.(type) {
		case string:
			named.Name = value
		case map[string]any:
			named.Name, _, _ = unstructured.NestedString(value, "name")
			if namespace, _, _ := unstructured.NestedString(value, "namespace"); namespace != "" {
				named.Namespace = namespace
			}
		}
		if named == dataset {
			return true
		}
	}
	return false
}

// SeeOperations takes in all data operations of a kind and namespace, which an object without a name stands for.
func (w *World) SeeOperations(object finding.Object, operations []unstructured.Unstructured) {
	w.Seen[object] = State{}
	for i := range operations {
		if OperatesOn(&operations[i], w.Key()) {
			if w.Operations == nil {
				w.Operations = map[finding.Object]bool{}
			}
			w.Operations[finding.Object{Kind: object.Kind, Namespace: operations[i].GetNamespace(), Name: operations[i].GetName()}] = true
		}
	}
}
