package reference

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
)

// FluidWebhook is the name of the MutatingWebhookConfiguration of Fluid's own webhook (Fluid v1.0.8).
const FluidWebhook = "fluid-pod-admission-webhook"

// labelTemplateOnly in a node selector keeps pods from being made where a node has Fluid's label for that.
const labelTemplateOnly = "kubectl-fluid.dev/template-only"

// AnnotationTemplate on a FuseTemplate says which template it was last given, and in which generation.
const AnnotationTemplate = "kubectl-fluid.dev/template"

// FuseTemplateKey returns the name of the DaemonSet from which Fluid's webhook takes the sidecar of a reference, of
// whatever runtime the physical Dataset is: a reference's own is always a ThinRuntime.
func FuseTemplateKey(reference types.NamespacedName) types.NamespacedName {
	return types.NamespacedName{Namespace: reference.Namespace, Name: reference.Name + "-fuse"}
}

// NewFuseTemplate returns that DaemonSet, which never has a pod. Fluid's own is a copy of the physical's, with names of
// ConfigMaps and Secrets that mean others in this namespace, or nothing; here they are those of the mirrors. It is also
// not labelled as if it were part of the physical runtime.
func NewFuseTemplate(reference *datav1alpha1.Dataset, sidecar *Sidecar) (*appsv1.DaemonSet, error) {
	key := FuseTemplateKey(types.NamespacedName{Namespace: reference.Namespace, Name: reference.Name})
	own := map[string]string{LabelReferenceUID: string(reference.UID)}
	daemonSet := &appsv1.DaemonSet{
		TypeMeta: metav1.TypeMeta{APIVersion: appsv1.SchemeGroupVersion.String(), Kind: kindDaemonSet},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: key.Namespace, Name: key.Name,
			Labels:          marked(reference, map[string]string{datav1alpha1.LabelDatasetID: DatasetID(reference)}),
			OwnerReferences: []metav1.OwnerReference{OwnerReference(reference)},
		},
		Spec: appsv1.DaemonSetSpec{
			Selector:       &metav1.LabelSelector{MatchLabels: own},
			UpdateStrategy: appsv1.DaemonSetUpdateStrategy{Type: appsv1.OnDeleteDaemonSetStrategyType},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: own},
				Spec: corev1.PodSpec{
					Containers:       []corev1.Container{sidecar.Container},
					Volumes:          sidecar.Volumes,
					ImagePullSecrets: sidecar.ImagePullSecrets,
					NodeSelector:     map[string]string{labelBalloon: "true", labelTemplateOnly: "true"},
				},
			},
		},
	}
	version, err := TemplateVersion(daemonSet, 1)
	daemonSet.Annotations = map[string]string{AnnotationTemplate: version}
	return daemonSet, err
}

// TemplateVersion returns the value of AnnotationTemplate for a template in a generation of its DaemonSet. The generation
// tells when somebody else has edited it.
func TemplateVersion(daemonSet *appsv1.DaemonSet, generation int64) (string, error) {
	text, err := json.Marshal(daemonSet.Spec.Template.Spec)
	if err != nil {
		return "", fmt.Errorf("hashing the template of DaemonSet %s/%s: %w", daemonSet.Namespace, daemonSet.Name, err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8]) + "/" + strconv.FormatInt(generation, 10), nil
}

// CopiedByFluid reports whether a DaemonSet is the copy that Fluid's thinruntime-controller made for a reference: owned by
// it, labelled with it and nothing else, and kept from having pods.
func CopiedByFluid(reference *datav1alpha1.Dataset, daemonSet *appsv1.DaemonSet) bool {
	return reference.UID != "" && ownedBy(reference, daemonSet) && len(daemonSet.OwnerReferences) == 1 &&
		len(daemonSet.Labels) == 1 && daemonSet.Labels[datav1alpha1.LabelDatasetID] == DatasetID(reference) &&
		daemonSet.Spec.Template.Spec.NodeSelector[labelBalloon] == "true"
}
