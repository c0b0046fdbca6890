package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupName is the API group of Fluid's datasets and runtimes.
const GroupName = "data.fluid.io"

// GroupVersion is the only version that Fluid serves and stores.
var GroupVersion = schema.GroupVersion{Group: GroupName, Version: "v1alpha1"}

// AddToScheme registers the types of this package with a scheme. It never fails for a scheme without other types of
// the same names.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion,
		&Dataset{}, &DatasetList{},
		&ThinRuntime{}, &ThinRuntimeList{},
		&ThinRuntimeProfile{}, &ThinRuntimeProfileList{},
		&AlluxioRuntime{}, &AlluxioRuntimeList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
