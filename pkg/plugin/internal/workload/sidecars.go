package workload

import (
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/inject"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/volume"
)

// Modes of sidecars.
const (
	modeNative  = "native"  // an init container that keeps running
	modeClassic = "classic" // the first of the ordinary containers
)

// Sidecar is one sidecar of a pod.
type Sidecar struct {
	Container string `json:"container"`
	Mode      string `json:"mode"`
	// Dataset is the Dataset it serves as namespace/name; empty if the pod doesn't say.
	Dataset  string `json:"dataset,omitempty"`
	Image    string `json:"image"`
	State    string `json:"state"`
	Ready    bool   `json:"ready"`
	Started  bool   `json:"started"`
	Restarts int32  `json:"restarts"`
	LastExit string `json:"lastExit,omitempty"`
	// MountCheck says what the startup probe, which waits for the mount, came to.
	MountCheck string  `json:"mountCheck"`
	Mounts     []Mount `json:"mounts"`

	// Key is the Dataset as a key; empty if the pod's labels name none.
	Key types.NamespacedName `json:"-"`
}

// Mount is one place where a container sees a Dataset.
type Mount struct {
	Container string `json:"container"`
	Path      string `json:"path"`
	// NodePath is the directory on the node that is mounted there; empty if the node plugin mounts.
	NodePath string `json:"nodePath"`

	// Volume is the name of the pod's volume that is mounted.
	Volume string `json:"-"`
}

// InjectedBy returns who injected a pod's sidecars, from what the injectors leave on it.
func InjectedBy(pod *corev1.Pod) string {
	if by := pod.Annotations[inject.AnnotationInjectedBy]; by != "" {
		return by
	}
	if pod.Labels[datav1alpha1.LabelInjectionDone] == "true" {
		return "Fluid's webhook"
	}
	return ""
}

// Sidecars returns the sidecars of a pod in the order of its containers.
func Sidecars(pod *corev1.Pod) []Sidecar {
	views := []Sidecar{}
	add := func(containers []corev1.Container, statuses []corev1.ContainerStatus, mode string) {
		for i := range containers {
			if c := &containers[i]; inject.IsSidecarName(c.Name) {
				views = append(views, viewSidecar(pod, c, statusOf(statuses, c.Name), mode))
			}
		}
	}
	add(pod.Spec.InitContainers, pod.Status.InitContainerStatuses, modeNative)
	add(pod.Spec.Containers, pod.Status.ContainerStatuses, modeClassic)
	return views
}

func statusOf(statuses []corev1.ContainerStatus, name string) corev1.ContainerStatus {
	for _, status := range statuses {
		if status.Name == name {
			return status
		}
	}
	return corev1.ContainerStatus{}
}

func viewSidecar(pod *corev1.Pod, c *corev1.Container, status corev1.ContainerStatus, mode string) Sidecar {
	v := Sidecar{Container: c.Name, Mode: mode, Image: c.Image, State: stateOf(status.State), Ready: status.Ready,
		Restarts: status.RestartCount, Started: status.Started != nil && *status.Started, Mounts: mountsOf(pod, c)}
	v.MountCheck = mountCheck(c, v.Started)
	if last := status.LastTerminationState.Terminated; last != nil {
		v.LastExit = exitText(last)
	}
	v.Key = types.NamespacedName{Namespace: pod.Labels[datav1alpha1.LabelSidecarDatasetNamespace+c.Name],
		Name: pod.Labels[datav1alpha1.LabelSidecarDatasetName+c.Name]}
	if v.Key.Name != "" {
		if v.Key.Namespace == "" {
			v.Key.Namespace = pod.Namespace
		}
		v.Dataset = v.Key.String()
	}
	return v
}

// mountCheck says what the check of the mount came to: a startup probe of native sidecars, a postStart hook of classic ones,
// without which kubelet doesn't call a container started.
func mountCheck(c *corev1.Container, started bool) string {
	switch hook := c.Lifecycle != nil && c.Lifecycle.PostStart != nil; {
	case c.StartupProbe == nil && !hook:
		return "none"
	case started:
		return "passed"
	}
	return "not passed"
}

// stateOf returns a container's state as one line.
func stateOf(state corev1.ContainerState) string {
	switch {
	case state.Running != nil:
		return "Running"
	case state.Waiting != nil:
		return withMessage(state.Waiting.Reason, state.Waiting.Message)
	case state.Terminated != nil:
		return exitText(state.Terminated)
	}
	return "not started"
}

func exitText(t *corev1.ContainerStateTerminated) string {
	text := fmt.Sprintf("exit code %d", t.ExitCode)
	if t.Reason != "" {
		text = t.Reason + ", " + text
	}
	return withMessage(text, strings.TrimSpace(t.Message))
}

func withMessage(text, message string) string {
	if message == "" {
		return text
	}
	return text + ": " + message
}

// Problem says why a sidecar doesn't serve, with the last words of its hook or its client; empty if it does.
func (v *Sidecar) Problem() string {
	switch {
	case v.Ready:
		return ""
	case v.LastExit != "":
		return v.waitsFor() + "; before, it ended with " + v.LastExit
	}
	return v.waitsFor()
}

func (v *Sidecar) waitsFor() string {
	switch {
	case v.State == "Running" && !v.Started:
		return "it runs, but its mount isn't there yet"
	case v.State == "Running":
		return "it runs, but its readiness probe fails"
	}
	return v.State
}

// mountsOf returns where other containers see what a sidecar serves: volumes that the node plugin mounts for it, or of
// directories on the node at or below one that the sidecar mounts with Bidirectional propagation.
func mountsOf(pod *corev1.Pod, sidecar *corev1.Container) []Mount {
	shared := []string{}
	for _, mount := range sidecar.VolumeMounts {
		if mount.MountPropagation != nil && *mount.MountPropagation == corev1.MountPropagationBidirectional {
			if directory := nodePath(pod, mount.Name); directory != "" {
				shared = append(shared, directory)
			}
		}
	}
	mounts := []Mount{}
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for _, c := range list {
			if inject.IsSidecarName(c.Name) || inject.IsPlaceholderName(c.Name) {
				continue
			}
			for _, mount := range c.VolumeMounts {
				if directory := nodePath(pod, mount.Name); servedFor(pod, mount.Name, sidecar.Name) {
					mounts = append(mounts, Mount{Container: c.Name, Path: mount.MountPath, Volume: mount.Name})
				} else if within(directory, shared) {
					mounts = append(mounts, Mount{c.Name, mount.MountPath, path.Join(directory, mount.SubPath), mount.Name})
				}
			}
		}
	}
	return mounts
}

// servedFor reports whether the node plugin mounts a volume for a sidecar.
func servedFor(pod *corev1.Pod, name, sidecar string) bool {
	return slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool {
		return v.Name == name && v.CSI != nil && v.CSI.Driver == volume.Driver &&
			v.CSI.VolumeAttributes[volume.AttributeRole] == volume.RoleData && v.CSI.VolumeAttributes[volume.AttributeClient] == sidecar
	})
}

// nodePath returns the directory on the node of a hostPath volume.
func nodePath(pod *corev1.Pod, volume string) string {
	for _, v := range pod.Spec.Volumes {
		if v.Name == volume && v.HostPath != nil {
			return path.Clean(v.HostPath.Path)
		}
	}
	return ""
}

func within(directory string, parents []string) bool {
	for _, parent := range parents {
		if directory == parent || strings.HasPrefix(directory, parent+"/") {
			return true
		}
	}
	return false
}
