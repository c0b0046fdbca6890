package engine

import (
	"fmt"
	"maps"
	"path"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
)

// Settings are the controller's, the same for all runtimes.
type Settings struct {
	// Image is that of runtimes which name none.
	Image string
	// MountRoot is the directory on the nodes below which FUSE clients mount.
	MountRoot string
	// Controller is the namespace of the controller, whose pods ask masters.
	Controller string
}

// Input is what the objects of a runtime are made from.
type Input struct {
	Dataset *datav1alpha1.Dataset
	Runtime *datav1alpha1.AlluxioRuntime
	// Consumers are the namespaces besides the Dataset's that may reach masters and workers, sorted.
	Consumers []string
}

// Objects is what a runtime needs in the cluster.
type Objects struct {
	Config, MountConfig *corev1.ConfigMap
	// Services are the masters' for clients, the masters' for each other if there are several, and the workers'.
	Services       []*corev1.Service
	Master, Worker *appsv1.StatefulSet
	Fuse           *appsv1.DaemonSet
	Policy         *networkingv1.NetworkPolicy
	Volume         *corev1.PersistentVolume
	Claim          *corev1.PersistentVolumeClaim
	// Mounts are what masters should have mounted.
	Mounts []Mount
}

// Workloads returns the objects that the runtime owns, in the order in which they are made.
func (o *Objects) Workloads() []client.Object {
	objects := []client.Object{o.Policy, o.Config, o.MountConfig}
	for _, service := range o.Services {
		objects = append(objects, service)
	}
	return append(objects, o.Master, o.Worker, o.Fuse)
}

// Problem is what somebody has to change before a runtime can be served.
type Problem struct {
	// Object names what is to be changed.
	Object string
	// Text says what is wrong.
	Text string
}

// Engine decides for one Dataset and its AlluxioRuntime: it holds what all their objects are made from.
type Engine struct {
	Input
	settings Settings
	dataset  *datav1alpha1.Dataset
	runtime  *datav1alpha1.AlluxioRuntime
	mounts   []Mount
	tiers    []tier
	config   map[string]string
}

// New reads the input, or says everything that is wrong with it.
func New(in Input, settings Settings) (*Engine, []Problem) {
	e := &Engine{Input: in, settings: settings, dataset: in.Dataset, runtime: in.Runtime}
	if e.settings.MountRoot == "" {
		e.settings.MountRoot = DefaultMountRoot
	}
	var problems []Problem
	dataset, runtime := "Dataset "+e.key().String(), "AlluxioRuntime "+e.key().String()
	add := func(object string, texts []string) {
		for _, text := range texts {
			problems = append(problems, Problem{object, text})
		}
	}
	var texts []string
	e.mounts, texts = MountsOf(in.Dataset)
	add(dataset, texts)
	e.tiers, texts = tiersOf(in.Runtime)
	add(runtime, texts)
	add(runtime, e.checkSpec())
	if _, err := capacityOf(in.Dataset); err != nil {
		add(dataset, []string{err.Error()})
	}
	if !path.IsAbs(e.settings.MountRoot) {
		add("the controller", []string{fmt.Sprintf("its mount root %q isn't an absolute path", e.settings.MountRoot)})
	}
	return e, problems
}

// checkSpec says what of the runtime's spec can't be served.
func (e *Engine) checkSpec() []string {
	spec := &e.runtime.Spec
	problems := checkProperties("spec.properties", spec.Properties)
	problems = append(problems, checkOptions("spec.jvmOptions", spec.JvmOptions)...)
	for _, c := range e.components() {
		problems = append(problems, checkProperties(c.field+".properties", c.properties)...)
		problems = append(problems, checkOptions(c.field+".jvmOptions", c.jvmOptions)...)
		if c.networkMode == "HostNetwork" {
			problems = append(problems, c.field+".networkMode is HostNetwork, which this controller doesn't serve: leave it out")
		}
		if m := memoryWithoutLimit(c.container).within(c.resources, c.taken); m.heap < leastHeap {
			limit := c.resources.Limits[corev1.ResourceMemory]
			text := fmt.Sprintf("%s.resources.limits.memory is %s, which leaves no %dMi of heap", c.field, limit.String(), leastHeap/mebibyte)
			if c.taken > 0 {
				text += fmt.Sprintf(" beside the %s of the memory tier, which counts towards it", alluxioBytes(c.taken))
			}
			problems = append(problems, text)
		}
	}
	if masters := spec.Master.Replicas; masters != 0 && masters != 1 && masters != 3 {
		problems = append(problems, fmt.Sprintf("spec.master.replicas is %d: it has to be 1 or 3", masters))
	}
	if user := spec.RunAs; user != nil && (user.UID == nil || user.GID == nil) {
		problems = append(problems, "spec.runAs has to have uid and gid")
	}
	if e.image() == "" {
		problems = append(problems, "spec.alluxioVersion.image isn't set, and the controller has no --alluxio-image")
	}
	for _, m := range e.mounts {
		options := maps.Clone(m.Options)
		if m.isRoot() {
			problems = append(problems, checkProperties("the options of the mount at /", options)...)
		}
	}
	return problems
}

// component is what is the same to check of every process.
type component struct {
	field, container, networkMode string
	properties                    map[string]string
	jvmOptions                    []string
	resources                     corev1.ResourceRequirements
	// taken is what else counts towards its memory limit.
	taken int64
}

func (e *Engine) components() []component {
	spec := &e.runtime.Spec
	var list []component
	for _, c := range []struct {
		field, container string
		spec             *datav1alpha1.AlluxioComponentSpec
		taken            int64
	}{
		{"spec.master", containerMaster, &spec.Master, 0}, {"spec.jobMaster", containerJobMaster, &spec.JobMaster, 0},
		{"spec.worker", containerWorker, &spec.Worker, memoryOf(e.tiers)}, {"spec.jobWorker", containerJobWorker, &spec.JobWorker, 0},
	} {
		list = append(list, component{c.field, c.container, c.spec.NetworkMode, c.spec.Properties, c.spec.JvmOptions, c.spec.Resources, c.taken})
	}
	return append(list, component{"spec.fuse", containerFuse, spec.Fuse.NetworkMode, spec.Fuse.Properties, spec.Fuse.JvmOptions, spec.Fuse.Resources, 0})
}

// Desired returns the objects that should exist for a runtime, or everything that has to be changed first.
func Desired(in Input, settings Settings) (*Objects, []Problem) {
	e, problems := New(in, settings)
	if len(problems) > 0 {
		return nil, problems
	}
	e.config = e.options()
	capacity, _ := capacityOf(in.Dataset)
	return &Objects{
		Config: e.configMap(), MountConfig: e.mountConfigMap(), Services: e.services(), Master: e.master(), Worker: e.worker(),
		Fuse: e.fuse(), Policy: e.policy(), Volume: e.volume(capacity), Claim: e.claim(capacity), Mounts: e.mounts,
	}, nil
}

// Masters is how many masters there should be.
func (e *Engine) Masters() int { return int(max(e.runtime.Spec.Master.Replicas, 1)) }

// image is that of masters, workers and Jobs.
func (e *Engine) image() string {
	return imageOf(e.settings.Image, e.runtime.Spec.AlluxioVersion.Image, e.runtime.Spec.AlluxioVersion.ImageTag)
}

// fuseImage is the FUSE client's; Alluxio's own image has the client too.
func (e *Engine) fuseImage() string {
	return imageOf(e.image(), e.runtime.Spec.Fuse.Image, e.runtime.Spec.Fuse.ImageTag)
}

// imageOf returns the image that is given or the default, with the tag that is given.
func imageOf(standard, image, tag string) string {
	switch {
	case image == "" && tag == "":
		return standard
	case image == "":
		image = standard
	}
	if tag == "" {
		return image
	}
	if colon := strings.LastIndex(image, ":"); colon > strings.LastIndex(image, "/") {
		image = image[:colon]
	}
	return image + ":" + tag
}

func pullPolicy(policies ...string) corev1.PullPolicy {
	for _, policy := range policies {
		if policy != "" {
			return corev1.PullPolicy(policy)
		}
	}
	return corev1.PullIfNotPresent
}

// AnnotationCapacity on a Dataset is the capacity of its volume (Fluid v1.0.8).
const AnnotationCapacity = "pvc.fluid.io/resources.requests.storage"

// capacityOf returns what a Dataset's volume says it holds: Fluid's 100Pi unless the Dataset says something else.
func capacityOf(dataset *datav1alpha1.Dataset) (resource.Quantity, error) {
	text, said := dataset.Annotations[AnnotationCapacity]
	if !said {
		return resource.MustParse("100Pi"), nil
	}
	capacity, err := resource.ParseQuantity(text)
	if err != nil || capacity.Sign() <= 0 {
		return capacity, fmt.Errorf("its annotation %s is %q: it has to be a quantity of more than zero", AnnotationCapacity, text)
	}
	return capacity, nil
}
