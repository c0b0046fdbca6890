// Package thin says which objects a ThinRuntime with a profile needs and what its status is. It is pure: objects in,
// objects out; package reconcile makes them true.
package thin

import (
	"errors"
	"fmt"
	"path"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// DefaultMountRoot is Fluid's default directory on the nodes for FUSE mounts.
const DefaultMountRoot = "/runtime-mnt"

// Suffixes after a Dataset's name of the names of its objects (Fluid v1.0.8).
const (
	FuseSuffix   = "-fuse"
	ConfigSuffix = "-fuse-conf"
)

// Objects is what a ThinRuntime needs in the cluster.
type Objects struct {
	ConfigMap *corev1.ConfigMap
	DaemonSet *appsv1.DaemonSet
	Volume    *corev1.PersistentVolume
	Claim     *corev1.PersistentVolumeClaim
}

// engine holds what all the objects are made from.
type engine struct {
	dataset *datav1alpha1.Dataset
	runtime *datav1alpha1.ThinRuntime
	profile *datav1alpha1.ThinRuntimeProfile
	fuse    fuse
	// directory is the runtime's directory on the node, target the mount within it.
	directory string
	target    string
}

// Desired returns the objects that should exist for a ThinRuntime, or everything that is wrong with what they would be
// made from.
func Desired(dataset *datav1alpha1.Dataset, runtime *datav1alpha1.ThinRuntime, profile *datav1alpha1.ThinRuntimeProfile,
	mountRoot string) (Objects, error) {
	directory := path.Join(mountRoot, reference.ThinType, runtime.Namespace, runtime.Name)
	e := &engine{dataset: dataset, runtime: runtime, profile: profile,
		directory: directory, target: path.Join(directory, "thin-fuse")}
	volumes, mounts := secretVolumes(dataset)
	merged, err := mergeFuse(profile, runtime, volumes, mounts)
	e.fuse = merged
	capacity, capacityErr := capacityOf(dataset)
	if err = errors.Join(e.validate(mountRoot), err, capacityErr); err != nil {
		return Objects{}, err
	}
	configMap, err := e.configMap()
	if err != nil {
		return Objects{}, err
	}
	return Objects{ConfigMap: configMap, DaemonSet: e.daemonSet(), Volume: e.volume(capacity), Claim: e.claim(capacity)}, nil
}

// validate returns what is wrong with the Dataset, the ThinRuntime and its profile.
func (e *engine) validate(mountRoot string) error {
	var problems []error
	problem := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if !path.IsAbs(mountRoot) {
		problem("the mount root %q isn't an absolute path: correct the controller's flag", mountRoot)
	}
	if e.profile.Spec.FileSystemType == "" {
		problem("ThinRuntimeProfile %s has no spec.fileSystemType: set it to what /proc/mounts shows of the mount", e.profile.Name)
	}
	if e.fuse.image == "" {
		problem("neither ThinRuntime %s/%s nor ThinRuntimeProfile %s has an image: set spec.fuse.image in one of them",
			e.runtime.Namespace, e.runtime.Name, e.profile.Name)
	}
	if len(e.dataset.Spec.Mounts) == 0 {
		problem("Dataset %s/%s has no mounts: add at least one to spec.mounts", e.dataset.Namespace, e.dataset.Name)
	}
	problems = append(problems, validateMounts(e.dataset)...)
	return errors.Join(problems...)
}

// labels returns Fluid's labels of a ThinRuntime's objects. Those that say that Helm made them are left out or say who
// did.
func (e *engine) labels() map[string]string {
	labels := e.selector()
	labels["app.kubernetes.io/name"] = "thin"
	labels["app.kubernetes.io/instance"] = e.runtime.Name
	labels["app.kubernetes.io/managed-by"] = "kubectl-fluid"
	labels[datav1alpha1.LabelManagedBy] = "fluid"
	labels[datav1alpha1.LabelDatasetID] = reference.DatasetID(e.dataset)
	return labels
}

// selector returns the labels by which the DaemonSet knows its pods; they never change.
func (e *engine) selector() map[string]string {
	return map[string]string{"app": "thin", "release": e.runtime.Name, "role": "thin-fuse"}
}

// workloadMeta is the metadata of an object that Kubernetes deletes with the ThinRuntime.
func (e *engine) workloadMeta(suffix string) metav1.ObjectMeta {
	labels := e.labels()
	labels[reference.LabelDatasetUID] = string(e.dataset.UID)
	controller := true
	return metav1.ObjectMeta{
		Name: e.runtime.Name + suffix, Namespace: e.runtime.Namespace, Labels: labels,
		OwnerReferences: []metav1.OwnerReference{{APIVersion: datav1alpha1.GroupVersion.String(), Kind: datav1alpha1.ThinRuntimeKind,
			Name: e.runtime.Name, UID: e.runtime.UID, Controller: &controller}},
	}
}

func (e *engine) key() types.NamespacedName {
	return types.NamespacedName{Namespace: e.dataset.Namespace, Name: e.dataset.Name}
}
