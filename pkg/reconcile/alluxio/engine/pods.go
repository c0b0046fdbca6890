package engine

import (
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Names of containers, as Fluid v1.0.8 has them; containerJob is this project's.
const (
	containerMaster    = "alluxio-master"
	containerJobMaster = "alluxio-job-master"
	containerWorker    = "alluxio-worker"
	containerJobWorker = "alluxio-job-worker"
	containerFuse      = "alluxio-fuse"
	containerJob       = "alluxio-job"
)

const entrypoint = "/entrypoint.sh"

// istioLabel keeps Istio's proxy out of pods, as label and as annotation.
const istioLabel = "sidecar.istio.io/inject"

// master runs the masters and, beside each, a job master.
func (e *Engine) master() *appsv1.StatefulSet {
	name, replicas := MasterName(e.runtime.Name), int32(e.Masters())
	set := e.statefulSet(name, RoleMaster, replicas)
	pod := &set.Spec.Template.Spec
	pod.Containers = []corev1.Container{e.masterContainer(), e.jobMasterContainer()}
	pod.Volumes = []corev1.Volume{emptyDir("alluxio-journal", "30Gi"), emptyDir("alluxio-ufs", "")}
	pod.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: ConditionMounted}}
	pod.NodeSelector = e.runtime.Spec.Master.NodeSelector
	if root := rootMount(e.mounts); root != nil && len(root.Secrets) > 0 {
		e.addSite(pod, root)
	}
	set.Spec.Template.Annotations[AnnotationConfigHash] = e.configHash(keyJava, keyMaster, keyJobMaster)
	return set
}

func (e *Engine) masterContainer() corev1.Container {
	ports := []corev1.ContainerPort{port("rpc", portMasterRPC), port("web", PortMasterWeb)}
	if e.Masters() > 1 {
		ports = append(ports, port("embedded", portMasterJournal))
	}
	c := e.container(containerMaster, e.runtime.Spec.Master.Resources, e.runtime.Spec.Master.Env, e.masterEnv(), ports, "master-only", "--no-format")
	c.VolumeMounts = []corev1.VolumeMount{{Name: "alluxio-journal", MountPath: journalDirectory}, {Name: "alluxio-ufs", MountPath: rootUFS}}
	if e.Masters() == 1 {
		// Of several masters only the leader answers here.
		c.StartupProbe = &corev1.Probe{PeriodSeconds: 1, FailureThreshold: 180, TimeoutSeconds: 3,
			ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromString("web")}}}
	}
	return c
}

func (e *Engine) jobMasterContainer() corev1.Container {
	ports := []corev1.ContainerPort{port("job-rpc", portJobMasterRPC), port("job-web", portJobMasterWeb)}
	if e.Masters() > 1 {
		ports = append(ports, port("job-embedded", portJobMasterJournal))
	}
	c := e.container(containerJobMaster, e.runtime.Spec.JobMaster.Resources, e.runtime.Spec.JobMaster.Env, e.masterEnv(), ports, "job-master")
	c.VolumeMounts = []corev1.VolumeMount{{Name: "alluxio-journal", MountPath: journalDirectory}}
	return c
}

// masterEnv says a master's own address: its pod's, or among several the name by which the others know it.
func (e *Engine) masterEnv() []corev1.EnvVar {
	if e.Masters() == 1 {
		return []corev1.EnvVar{fieldEnv("ALLUXIO_MASTER_HOSTNAME", "status.podIP")}
	}
	return []corev1.EnvVar{fieldEnv("POD_NAME", "metadata.name"),
		{Name: "ALLUXIO_MASTER_HOSTNAME", Value: "$(POD_NAME)." + MasterName(e.runtime.Name) + "." + e.runtime.Namespace}}
}

// addSite lets masters read the root's secret options from a file that is made of Secrets before they start: they stand in
// no object but those Secrets.
func (e *Engine) addSite(pod *corev1.PodSpec, root *Mount) {
	volumes, mounts := optionalSecrets(secretNames([]Mount{*root}))
	site := corev1.VolumeMount{Name: "alluxio-site", MountPath: siteDirectory}
	script := corev1.Container{Name: "alluxio-site", Image: e.image(), ImagePullPolicy: pullPolicy(e.runtime.Spec.AlluxioVersion.ImagePullPolicy),
		Command: []string{"/bin/sh", "-c", siteScript, "site", siteDirectory + "/alluxio-site.properties"}, SecurityContext: restrictedContainer()}
	for _, name := range slices.Sorted(maps.Keys(root.Secrets)) {
		script.Args = append(script.Args, rootPrefix+"option."+name, secretFile(root.Secrets[name]))
	}
	script.VolumeMounts = append(mounts, site)
	pod.InitContainers = append(pod.InitContainers, script)
	pod.Volumes = append(pod.Volumes, volumes...)
	pod.Volumes = append(pod.Volumes, corev1.Volume{Name: "alluxio-site", VolumeSource: corev1.VolumeSource{
		EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}}})
	site.ReadOnly = true
	pod.Containers[0].VolumeMounts = append(pod.Containers[0].VolumeMounts, site)
}

// worker runs the workers and, beside each, a job worker.
func (e *Engine) worker() *appsv1.StatefulSet {
	set := e.statefulSet(WorkerName(e.runtime.Name), RoleWorker, e.runtime.Spec.Replicas)
	spec, pod := &e.runtime.Spec, &set.Spec.Template.Spec
	volumes, mounts := tierVolumes(e.tiers)
	resources := *spec.Worker.Resources.DeepCopy()
	if _, said := resources.Requests[corev1.ResourceMemory]; !said {
		e.requestMemory(&resources)
	}
	worker := e.container(containerWorker, resources, spec.Worker.Env, e.workerEnv(),
		[]corev1.ContainerPort{port("rpc", portWorkerRPC), port("web", portWorkerWeb)}, "worker-only", "--no-format")
	worker.VolumeMounts = append(mounts, corev1.VolumeMount{Name: "alluxio-ufs", MountPath: rootUFS})
	jobWorker := e.container(containerJobWorker, spec.JobWorker.Resources, spec.JobWorker.Env, e.workerEnv(),
		[]corev1.ContainerPort{port("job-rpc", portJobWorkerRPC), port("job-data", portJobWorkerData), port("job-web", portJobWorkerWeb)}, "job-worker")
	pod.Containers = []corev1.Container{worker, jobWorker}
	pod.Volumes = append(volumes, emptyDir("alluxio-ufs", ""))
	pod.NodeSelector = spec.Worker.NodeSelector
	if affinity := e.dataset.Spec.NodeAffinity; affinity != nil && affinity.Required != nil {
		pod.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: affinity.Required}}
	}
	if onHost(e.tiers) && spec.RunAs == nil {
		root := int64(0) // the node's directories are root's
		pod.SecurityContext = &corev1.PodSecurityContext{RunAsUser: &root, RunAsGroup: &root}
		for i := range pod.Containers {
			pod.Containers[i].SecurityContext = nil
		}
	}
	set.Spec.Template.Labels["fluid.io/dataset"] = e.runtime.Namespace + "-" + e.runtime.Name
	set.Spec.Template.Annotations[AnnotationConfigHash] = e.configHash(keyJava, keyWorker, keyJobWorker)
	return set
}

// requestMemory asks for what the memory tier takes, as Fluid v1.0.8 does, so that a node that hasn't got it isn't chosen. A
// limit below that is the request then.
func (e *Engine) requestMemory(resources *corev1.ResourceRequirements) {
	bytes := memoryOf(e.tiers)
	if limit, limited := resources.Limits[corev1.ResourceMemory]; bytes == 0 || (limited && limit.Value() < bytes) {
		return
	}
	if resources.Requests == nil {
		resources.Requests = corev1.ResourceList{}
	}
	resources.Requests[corev1.ResourceMemory] = *resource.NewQuantity(bytes, resource.BinarySI)
}

// workerEnv says a worker's own address: a name that stays when its pod is replaced.
func (e *Engine) workerEnv() []corev1.EnvVar {
	return []corev1.EnvVar{fieldEnv("POD_NAME", "metadata.name"),
		{Name: "ALLUXIO_WORKER_HOSTNAME", Value: "$(POD_NAME)." + WorkerName(e.runtime.Name) + "." + e.runtime.Namespace}}
}

// statefulSet is what masters' and workers' have in common.
func (e *Engine) statefulSet(name, role string, replicas int32) *appsv1.StatefulSet {
	meta := e.meta(name, role, nil)
	labels := e.labels(role)
	labels[istioLabel] = "false"
	return &appsv1.StatefulSet{
		TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "StatefulSet"}, ObjectMeta: meta,
		Spec: appsv1.StatefulSetSpec{
			Replicas: &replicas, ServiceName: name, PodManagementPolicy: appsv1.ParallelPodManagement,
			UpdateStrategy: appsv1.StatefulSetUpdateStrategy{Type: appsv1.RollingUpdateStatefulSetStrategyType},
			Selector:       &metav1.LabelSelector{MatchLabels: e.selector(role)},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: map[string]string{istioLabel: "false"}},
				Spec:       e.podSpec(),
			},
		},
	}
}

// podSpec is what the pods of masters, workers and Jobs have in common. It meets Pod Security's level restricted.
func (e *Engine) podSpec() corev1.PodSpec {
	links, token := false, false
	return corev1.PodSpec{EnableServiceLinks: &links, AutomountServiceAccountToken: &token, SecurityContext: e.podSecurity(),
		ImagePullSecrets: e.runtime.Spec.ImagePullSecrets, Tolerations: e.dataset.Spec.Tolerations}
}

func (e *Engine) podSecurity() *corev1.PodSecurityContext {
	user, group := defaultUser, defaultUser
	if runAs := e.runtime.Spec.RunAs; runAs != nil {
		user, group = *runAs.UID, *runAs.GID
	}
	nonRoot := user != 0
	return &corev1.PodSecurityContext{RunAsUser: &user, RunAsGroup: &group, FSGroup: &group, RunAsNonRoot: &nonRoot,
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}}
}

func restrictedContainer() *corev1.SecurityContext {
	escalation := false
	return &corev1.SecurityContext{AllowPrivilegeEscalation: &escalation, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}}
}

// container is one of Alluxio's processes, started by the image's entrypoint from the ConfigMap's options.
func (e *Engine) container(name string, resources corev1.ResourceRequirements, user map[string]string, own []corev1.EnvVar,
	ports []corev1.ContainerPort, args ...string) corev1.Container {
	return corev1.Container{
		Name: name, Image: e.image(), ImagePullPolicy: pullPolicy(e.runtime.Spec.AlluxioVersion.ImagePullPolicy),
		Command: []string{entrypoint}, Args: args, Env: append(own, userEnv(user)...), EnvFrom: e.envFrom(), Ports: ports,
		Resources: resources, SecurityContext: restrictedContainer(),
	}
}

func (e *Engine) envFrom() []corev1.EnvFromSource {
	return []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: ConfigName(e.runtime.Name)}}}}
}

// userEnv returns a user's variables, sorted. They are the last, so they win.
func userEnv(values map[string]string) []corev1.EnvVar {
	var env []corev1.EnvVar
	for _, name := range slices.Sorted(maps.Keys(values)) {
		env = append(env, corev1.EnvVar{Name: name, Value: strings.ReplaceAll(values[name], "$(", "$$(")})
	}
	return env
}

func fieldEnv(name, field string) corev1.EnvVar {
	return corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: field}}}
}

func port(name string, number int32) corev1.ContainerPort {
	return corev1.ContainerPort{Name: name, ContainerPort: number, Protocol: corev1.ProtocolTCP}
}

// emptyDir is a volume that goes with its pod; a limit is optional.
func emptyDir(name, limit string) corev1.Volume {
	source := &corev1.EmptyDirVolumeSource{}
	if limit != "" {
		quantity := resource.MustParse(limit)
		source.SizeLimit = &quantity
	}
	return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: source}}
}
