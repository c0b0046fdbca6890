package inject

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/observe"
)

// The rights that admission takes: it reads informer caches only.
// +kubebuilder:rbac:groups=data.fluid.io,resources=datasets;thinruntimes;thinruntimeprofiles,verbs=list;watch
// +kubebuilder:rbac:groups="",resources=persistentvolumeclaims;persistentvolumes;namespaces,verbs=list;watch
// +kubebuilder:rbac:groups=apps,resources=daemonsets,verbs=list;watch

// Kinds are the kinds of objects that the handlers read. Where their Reader is informer caches, all of them need an
// informer before the first admission.
func Kinds() []client.Object {
	namespaces := &metav1.PartialObjectMetadata{}
	namespaces.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	return append(observe.Kinds(), namespaces)
}
