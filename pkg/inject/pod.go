package inject

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/jsonscan"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/volume"
)

// Pod is what the engine needs to know of a pod.
type Pod struct {
	Metadata podMetadata
	Spec     podSpec
}

type podMetadata struct {
	Namespace, Name, GenerateName string
	// Labels and Annotations are nil if the pod has no such object.
	Labels, Annotations map[string]string
	// Present says that the pod has metadata at all: a pod template needn't.
	Present bool
}

// podSpec has nil for a list that isn't there.
type podSpec struct {
	Volumes                    []podVolume
	InitContainers, Containers []podContainer
	ImagePullSecrets           []string
	// OwnUsers says that the pod has a user namespace of its own.
	OwnUsers bool
	// User is the user of containers that don't say; -1 if the pod doesn't.
	User int64
	// System is the operating system that the pod is for, if it says, and RuntimeClass the name of its RuntimeClass.
	System, RuntimeClass string
	// NoToken says that no container gets the ServiceAccount's token by itself.
	NoToken       bool
	RestartPolicy string
	// GracePeriod is terminationGracePeriodSeconds; -1 if the pod doesn't say.
	GracePeriod int64
}

type podVolume struct {
	Name string
	// Claimed says that the volume is the claim of the name Claim; the others are that claim's.
	Claimed  bool
	Claim    string
	ReadOnly bool
	// Served says that the node plugin mounts the volume.
	Served bool
}

type podContainer struct {
	Name    string
	Mounts  []podMount
	Devices []podMount
	// Lifecycle and PostStart say whether the container has these.
	Lifecycle, PostStart bool
}

type podMount struct {
	Name, Path        string
	Propagation       string
	ReadOnly          bool
	RecursiveReadOnly string
}

// ReadPod reads what matters from a pod's JSON, by the rules of the API server: names of fields are case-sensitive. The
// error says what isn't a pod about it; that a field is there twice is an error too, since a patch could mean either. The
// Pod's strings are parts of raw, which mustn't change any more.
func ReadPod(raw []byte) (*Pod, error) {
	return scanPod(jsonscan.InPlace(raw))
}

func scanPod(s *jsonscan.Scanner) (*Pod, error) {
	pod := &Pod{Spec: podSpec{GracePeriod: -1, User: -1}}
	if err := s.Document(func() { pod.scan(s) }); err != nil {
		return nil, fmt.Errorf("reading the pod: %w", err)
	}
	return pod, nil
}

// roomy appends with room for as many as are usual, so that lists seldom grow.
func roomy[T any](list []T, element T) []T {
	if cap(list) == 0 {
		list = make([]T, 0, 8)
	}
	return append(list, element)
}

// scanList reads a list of what scan reads; nil is null.
func scanList[T any](s *jsonscan.Scanner, scan func(*jsonscan.Scanner) T) []T {
	var read []T
	if s.List(func() { read = roomy(read, scan(s)) }) && read == nil {
		read = []T{}
	}
	return read
}

func (p *Pod) scan(s *jsonscan.Scanner) {
	s.Object(func(field string) bool {
		switch field {
		case "metadata":
			p.Metadata.scan(s)
		case "spec":
			p.Spec.scan(s)
		default:
			return false
		}
		return true
	})
}

func (m *podMetadata) scan(s *jsonscan.Scanner) {
	m.Present = s.Object(func(field string) bool {
		switch field {
		case "namespace":
			s.String(&m.Namespace)
		case "name":
			s.String(&m.Name)
		case "generateName":
			s.String(&m.GenerateName)
		case "labels":
			m.Labels = s.Strings()
		case "annotations":
			m.Annotations = s.Strings()
		default:
			return false
		}
		return true
	})
}

func (p *podSpec) scan(s *jsonscan.Scanner) {
	s.Object(func(field string) bool {
		switch field {
		case "volumes":
			p.Volumes = scanList(s, scanVolume)
		case "initContainers":
			p.InitContainers = scanList(s, scanContainer)
		case "containers":
			p.Containers = scanList(s, scanContainer)
		case "imagePullSecrets":
			p.ImagePullSecrets = scanList(s, scanName)
		case "hostUsers":
			hostUsers := true
			s.Bool(&hostUsers)
			p.OwnUsers = !hostUsers
		case "automountServiceAccountToken":
			automount := true
			s.Bool(&automount)
			p.NoToken = !automount
		case "restartPolicy":
			s.String(&p.RestartPolicy)
		case "runtimeClassName":
			s.String(&p.RuntimeClass)
		case "os":
			scanMember(s, "name", func() { s.String(&p.System) })
		case "securityContext":
			scanMember(s, "runAsUser", func() { s.Int(&p.User) })
		case "terminationGracePeriodSeconds":
			s.Int(&p.GracePeriod)
		default:
			return false
		}
		return true
	})
}

func scanVolume(s *jsonscan.Scanner) (v podVolume) {
	s.Object(func(field string) bool {
		switch field {
		case "name":
			s.String(&v.Name)
		case "persistentVolumeClaim":
			v.Claimed = s.Object(func(field string) bool {
				switch field {
				case "claimName":
					s.String(&v.Claim)
				case "readOnly":
					s.Bool(&v.ReadOnly)
				default:
					return false
				}
				return true
			})
		case "csi":
			scanMember(s, "driver", func() {
				driver := ""
				s.String(&driver)
				v.Served = driver == volume.Driver
			})
		default:
			return false
		}
		return true
	})
	return v
}

// scanMember reads one member of an object.
func scanMember(s *jsonscan.Scanner, name string, read func()) {
	s.Object(func(field string) bool {
		if field == name {
			read()
		}
		return field == name
	})
}

func scanContainer(s *jsonscan.Scanner) (c podContainer) {
	s.Object(func(field string) bool {
		switch field {
		case "name":
			s.String(&c.Name)
		case "volumeMounts":
			c.Mounts = scanList(s, scanMount)
		case "volumeDevices":
			c.Devices = scanList(s, scanMount)
		case "lifecycle":
			c.Lifecycle = s.Object(func(field string) bool {
				if field == "postStart" {
					c.PostStart = s.Present()
				}
				return field == "postStart"
			})
		default:
			return false
		}
		return true
	})
	return c
}

func scanMount(s *jsonscan.Scanner) (m podMount) {
	s.Object(func(field string) bool {
		switch field {
		case "name":
			s.String(&m.Name)
		case "mountPath":
			s.String(&m.Path)
		case "mountPropagation":
			s.String(&m.Propagation)
		case "readOnly":
			s.Bool(&m.ReadOnly)
		case "recursiveReadOnly":
			s.String(&m.RecursiveReadOnly)
		default:
			return false
		}
		return true
	})
	return m
}

func scanName(s *jsonscan.Scanner) (name string) {
	scanMember(s, "name", func() { s.String(&name) })
	return name
}

// Name returns the pod's name for a person; a pod that a workload makes may only have the beginning of one.
func (p *Pod) Name() string {
	if p.Metadata.Name != "" {
		return p.Metadata.Name
	}
	return p.Metadata.GenerateName + "*"
}

// Claims returns the names of the claims that the pod's volumes use, sorted, each once. Ephemeral volumes bring claims
// of their own, which no Dataset has.
func (p *Pod) Claims() []string {
	var claims []string
	for i := range p.Spec.Volumes {
		if p.Spec.Volumes[i].Claimed {
			claims = append(claims, p.Spec.Volumes[i].Claim)
		}
	}
	slices.Sort(claims)
	return slices.Compact(claims)
}

// The lists of a pod's containers.
const (
	initContainersPointer = "/spec/initContainers"
	containersPointer     = "/spec/containers"
)

// containers calls visit for all containers, with the JSON pointer of the list that each is in.
func (p *Pod) containers(visit func(list string, index int, container *podContainer)) {
	for i := range p.Spec.InitContainers {
		visit(initContainersPointer, i, &p.Spec.InitContainers[i])
	}
	for i := range p.Spec.Containers {
		visit(containersPointer, i, &p.Spec.Containers[i])
	}
}

// The volume with the ServiceAccount's token that the API server's ServiceAccount plugin gives a pod, and where the plugin
// mounts it in every container that has nothing there (Kubernetes 1.37, plugin/pkg/admission/serviceaccount).
const (
	tokenVolumePrefix = "kube-api-access-"
	tokenPath         = "/var/run/secrets/kubernetes.io/serviceaccount"
)

// tokenVolume returns the name of the volume with the ServiceAccount's token; empty unless the API server has given it to
// all containers. It would then give it to those that are added, and ask the webhooks again about the pod for that.
func (p *Pod) tokenVolume() string {
	at := slices.IndexFunc(p.Spec.Volumes, func(v podVolume) bool { return strings.HasPrefix(v.Name, tokenVolumePrefix) })
	if at < 0 || p.Spec.NoToken {
		return ""
	}
	name, given, everywhere := p.Spec.Volumes[at].Name, false, true
	p.containers(func(_ string, _ int, container *podContainer) {
		mount := slices.IndexFunc(container.Mounts, func(m podMount) bool { return m.Path == tokenPath })
		everywhere = everywhere && mount >= 0
		given = given || mount >= 0 && container.Mounts[mount].Name == name
	})
	if !given || !everywhere {
		return ""
	}
	return name
}

// obstacle says what keeps sidecars from the pod, those that the node plugin mounts for or others; empty if nothing does.
func (p *Pod) obstacle(served bool) string {
	class := p.Spec.RuntimeClass
	switch {
	case p.Spec.System == string(corev1.Windows):
		return "the pod is for Windows (spec.os.name), which has no FUSE"
	case p.Spec.OwnUsers && served:
		return "the pod has a user namespace of its own (hostUsers: false), for which the users of every volume are mapped, and those of FUSE file systems can't be"
	case p.Spec.OwnUsers:
		return "the pod has a user namespace of its own (hostUsers: false), out of which no mount is propagated"
	case served && (class == "gvisor" || class == "runsc" || class == "kata" || strings.HasPrefix(class, "kata-")):
		return "the pod runs in a sandbox with a kernel of its own (runtimeClassName: " + class + "), whose FUSE clients can't serve mounts of the node's kernel"
	}
	return ""
}

// obstacle says what keeps a sidecar from serving a container a volume that it mounts; empty if nothing does.
func (c *podContainer) obstacle(mount *podMount) string {
	if corev1.RecursiveReadOnlyMode(mount.RecursiveReadOnly) == corev1.RecursiveReadOnlyEnabled {
		return "container " + c.Name + " mounts it with recursiveReadOnly, which Kubernetes doesn't have for mounts that a sidecar propagates"
	}
	return ""
}

func (p *Pod) injectedVolumes() map[string]bool {
	return injectedVolumes(p.Metadata.Labels, p.Metadata.Annotations)
}

// injectedVolumes returns the volumes of a pod that were Datasets' claims before sidecars were injected, each with whether
// its claim was used read-only.
func injectedVolumes(labels, annotations map[string]string) map[string]bool {
	if labels[datav1alpha1.LabelInjectionDone] != "true" {
		return nil
	}
	volumes := map[string]bool{}
	for entry := range strings.SplitSeq(annotations[AnnotationDatasetVolumes], ",") {
		name, readOnly := strings.CutSuffix(entry, readOnlyMark)
		volumes[name] = readOnly
	}
	return volumes
}

// datasetsInUse merges names into those that the pod's annotation has already.
func (p *Pod) datasetsInUse(names []string) string {
	if present := p.Metadata.Annotations[datav1alpha1.AnnotationDatasetsInUse]; present != "" {
		names = append(names, strings.Split(present, ",")...)
	}
	if len(names) == 1 {
		return names[0]
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ",")
}
