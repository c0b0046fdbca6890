package cluster

import (
	"context"
	"iter"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
)

// pageSize is how many objects one request lists, as kubectl does it.
const pageSize = 500

// Pages lists the objects that match the options, and yields one page after the other. A page is like list, which says
// what kind is listed and stays empty. An error ends the pages; it comes with an empty page.
func Pages[L client.ObjectList](ctx context.Context, reader client.Reader, list L, options ...client.ListOption) iter.Seq2[L, error] {
	return func(yield func(L, error) bool) {
		next := ""
		for {
			page := list.DeepCopyObject().(L)
			err := reader.List(ctx, page, append(slices.Clone(options), client.Limit(pageSize), client.Continue(next))...)
			if !yield(page, err) || err != nil {
				return
			}
			if next = page.GetContinue(); next == "" {
				return
			}
		}
	}
}

// NewList returns an empty list of a kind, whose objects have no Go types.
func NewList(kind schema.GroupVersionKind) *unstructured.UnstructuredList {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	return list
}

// ListDatasets returns the Datasets of a namespace (empty for all).
func ListDatasets(ctx context.Context, reader client.Reader, namespace string) ([]datav1alpha1.Dataset, error) {
	var datasets []datav1alpha1.Dataset
	for page, err := range Pages(ctx, reader, &datav1alpha1.DatasetList{}, client.InNamespace(namespace)) {
		if err != nil {
			return nil, ExplainAPI("listing Datasets", err)
		}
		datasets = append(datasets, page.Items...)
	}
	return datasets, nil
}
