package cluster

import "k8s.io/apimachinery/pkg/runtime/schema"

// DefinitionKind is the kind of the definitions of Fluid's kinds.
func DefinitionKind() schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"}
}
