package inject

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/json"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
)

// Pod is what the engine needs to know of a pod.
type Pod struct {
	Metadata struct {
		Namespace    string            `json:"namespace"`
		Name         string            `json:"name"`
		GenerateName string            `json:"generateName"`
		Labels       map[string]string `json:"labels"`
		Annotations  map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec podSpec `json:"spec"`
}

type podSpec struct {
	Volumes          []podVolume                   `json:"volumes"`
	InitContainers   []podContainer                `json:"initContainers"`
	Containers       []podContainer                `json:"containers"`
	ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets"`
	HostUsers        *bool                         `json:"hostUsers"`
}

type podVolume struct {
	Name  string `json:"name"`
	Claim *struct {
		ClaimName string `json:"claimName"`
		ReadOnly  bool   `json:"readOnly"`
	} `json:"persistentVolumeClaim"`
}

type podContainer struct {
	Name         string           `json:"name"`
	VolumeMounts []podVolumeMount `json:"volumeMounts"`
	Devices      []podVolumeMount `json:"volumeDevices"`
}

type podVolumeMount struct {
	Name              string                       `json:"name"`
	RecursiveReadOnly corev1.RecursiveReadOnlyMode `json:"recursiveReadOnly"`
}

// ReadPod reads what matters from a pod's JSON, by the rules of the API server: names of fields are case-sensitive. The
// error says what isn't a pod about it; that a field is there twice is an error too, since a patch could mean either.
func ReadPod(raw []byte) (*Pod, error) {
	pod := &Pod{}
	twice, err := json.UnmarshalStrict(raw, pod, json.DisallowDuplicateFields)
	if err := errors.Join(append(twice, err)...); err != nil {
		return nil, fmt.Errorf("reading the pod: %w", err)
	}
	return pod, nil
}

// Name returns the pod's name for a person; a pod that a workload makes may only have the beginning of one.
func (p *Pod) Name() string {
	if p.Metadata.Name != "" {
		return p.Metadata.Name
	}
	return p.Metadata.GenerateName + "*"
}

// Wants reports whether the pod asks for sidecars and doesn't have them yet, by the labels of Fluid v1.0.8.
func (p *Pod) Wants() bool {
	labels := p.Metadata.Labels
	return labels[datav1alpha1.LabelInject] == "true" &&
		labels[datav1alpha1.LabelEnableInjection] != "false" &&
		labels[datav1alpha1.LabelInjectionDone] != "true"
}

// Claims returns the names of the claims that the pod's volumes use, sorted, each once. Ephemeral volumes bring claims
// of their own, which no Dataset has.
func (p *Pod) Claims() []string {
	var claims []string
	for _, volume := range p.Spec.Volumes {
		if volume.Claim != nil {
			claims = append(claims, volume.Claim.ClaimName)
		}
	}
	slices.Sort(claims)
	return slices.Compact(claims)
}

// containers returns all containers with the JSON pointer of the list that each is in.
func (p *Pod) containers(visit func(pointer string, container *podContainer)) {
	for i := range p.Spec.InitContainers {
		visit(fmt.Sprintf("/spec/initContainers/%d", i), &p.Spec.InitContainers[i])
	}
	for i := range p.Spec.Containers {
		visit(fmt.Sprintf("/spec/containers/%d", i), &p.Spec.Containers[i])
	}
}

// mounts reports whether any container mounts one of the volumes, and what keeps a sidecar from serving them.
func (p *Pod) mounts(volumes []string) (mounted bool, obstacle string) {
	p.containers(func(_ string, container *podContainer) {
		for _, mount := range container.VolumeMounts {
			if !slices.Contains(volumes, mount.Name) {
				continue
			}
			mounted = true
			if mount.RecursiveReadOnly == corev1.RecursiveReadOnlyEnabled {
				obstacle = "container " + container.Name + " mounts it with recursiveReadOnly, which Kubernetes doesn't have for mounts that a sidecar propagates"
			}
		}
		for _, used := range container.Devices {
			if slices.Contains(volumes, used.Name) {
				obstacle = "container " + container.Name + " uses it as a raw block device"
			}
		}
	})
	if mounted && p.Spec.HostUsers != nil && !*p.Spec.HostUsers {
		obstacle = "the pod has a user namespace of its own (hostUsers: false), out of which no mount is propagated"
	}
	return mounted, obstacle
}

// sidecarName returns the first name fluid-fuse-<index> that no container of the pod has.
func (p *Pod) sidecarName(from int) (name string, index int) {
	taken := map[string]bool{}
	p.containers(func(_ string, container *podContainer) { taken[container.Name] = true })
	for index = from; ; index++ {
		name = fmt.Sprintf("%s-%d", containerNamePrefix, index)
		if !taken[name] {
			return name, index
		}
	}
}

// datasetsInUse merges names into those that the pod's annotation has already.
func (p *Pod) datasetsInUse(names []string) string {
	if present := p.Metadata.Annotations[datav1alpha1.AnnotationDatasetsInUse]; present != "" {
		names = append(names, strings.Split(present, ",")...)
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ",")
}
