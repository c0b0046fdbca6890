// Package v1alpha1 holds Fluid's API types data.fluid.io/v1alpha1 as far as this project reads or writes them.
//
// The types are wire-compatible with Fluid v1.0.8: names, short names, categories, printer columns, required fields and
// enums are Fluid's. They know fewer fields than Fluid's own: every level of the generated CRDs preserves unknown fields,
// and no object of these types is ever written with PUT, so nothing that only Fluid knows gets lost.
//
// +kubebuilder:object:generate=true
// +groupName=data.fluid.io
package v1alpha1
