package engine

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Scripts that run in containers of the runtime's image: they take their input as arguments, and nothing is pasted into them.
var (
	//go:embed job.sh
	jobScript string
	//go:embed site.sh
	siteScript string
)

// JobKind is what a Job does. A runtime has at most one Job of each kind.
type JobKind string

// Kinds of Jobs.
const (
	JobMount JobKind = "mount"
	JobCount JobKind = "count"
)

// Limits of Jobs.
const (
	// mountLimit is how long one operation on the mounts may take; Alluxio's own time-outs are shorter.
	mountLimit = 60 * time.Second
	// countLimit is how long counting may take.
	countLimit = 10 * time.Minute
	// startLimit is how long a Job's pod may take to start, the image's download included.
	startLimit = 5 * time.Minute
	// jobKept is how long Kubernetes keeps a Job that nobody has read.
	jobKept = 10 * time.Minute
)

// Operation is one call of Alluxio's shell.
type Operation struct {
	// Verb is mount, remount, unmount or count.
	Verb string
	// Path in Alluxio.
	Path string
	// Words are the rest: the address of the origin, and flags.
	Words []string
}

func mountOperation(verb string, m *Mount) Operation {
	words := append([]string{m.UFS}, m.flags("--option-from")...)
	return Operation{Verb: verb, Path: m.Path, Words: append(words, "--option", optionApplied+"="+m.Hash())}
}

// JobName returns the name of a runtime's Job. Names of pods and the value of a label come from it, so it is short.
func JobName(runtime string, kind JobKind) string {
	const most = 50
	if len(runtime) > most {
		runtime = strings.TrimRight(runtime[:most], "-")
	}
	return runtime + "-" + string(kind)
}

// job returns the Job that runs operations on the masters at some addresses. The hash identifies what it was made for.
func (e *Engine) job(kind JobKind, masters []string, operations []Operation, hash string) *batchv1.Job {
	limit := mountLimit
	if kind == JobCount {
		limit = countLimit
	}
	retries, one := int32(0), int32(1)
	kept := int32(jobKept.Seconds())
	deadline := int64((limit*time.Duration(len(operations)) + startLimit).Seconds())
	meta := e.meta(JobName(e.runtime.Name, kind), roleJob, map[string]string{LabelJob: string(kind)})
	meta.Annotations = map[string]string{AnnotationConfigHash: hash}
	labels := e.labels(roleJob)
	labels[LabelJob], labels[istioLabel] = string(kind), "false"
	pod := e.podSpec()
	pod.RestartPolicy = corev1.RestartPolicyNever
	pod.Containers = []corev1.Container{e.jobContainer(masters, operations, limit)}
	pod.Volumes = []corev1.Volume{emptyDir("tmp", "")}
	if kind == JobMount {
		volumes, mounts := optionalSecrets(secretNames(e.mounts))
		pod.Volumes = append(pod.Volumes, volumes...)
		pod.Containers[0].VolumeMounts = append(pod.Containers[0].VolumeMounts, mounts...)
	}
	return &batchv1.Job{
		TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"}, ObjectMeta: meta,
		Spec: batchv1.JobSpec{BackoffLimit: &retries, Completions: &one, Parallelism: &one, ActiveDeadlineSeconds: &deadline, TTLSecondsAfterFinished: &kept,
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: map[string]string{istioLabel: "false"}}, Spec: pod}},
	}
}

func (e *Engine) jobContainer(masters []string, operations []Operation, limit time.Duration) corev1.Container {
	args := []string{strconv.Itoa(int(limit.Seconds())), strings.Join(shellOptions(masters), " ")}
	for i, operation := range operations {
		if i > 0 {
			args = append(args, ";")
		}
		args = append(append(args, operation.Verb, operation.Path), operation.Words...)
	}
	return corev1.Container{
		Name: containerJob, Image: e.image(), ImagePullPolicy: pullPolicy(e.runtime.Spec.AlluxioVersion.ImagePullPolicy),
		Command: []string{"/bin/sh", "-c", jobScript, "job"}, Args: literal(args),
		Env: []corev1.EnvVar{{Name: "ALLUXIO_USER_JAVA_OPTS", Value: "-Xmx192m"}},
		// What went wrong is in the message; the log of a container could hold more than the message shows.
		TerminationMessagePolicy: corev1.TerminationMessageReadFile,
		SecurityContext:          restrictedContainer(),
		VolumeMounts:             []corev1.VolumeMount{{Name: "tmp", MountPath: "/tmp"}},
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("128Mi")},
			Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("512Mi")},
		},
	}
}

// shellOptions tell Alluxio's shell where the masters are: their pods, whose names don't resolve before they are ready.
func shellOptions(masters []string) []string {
	options := []string{property("alluxio.security.login.username", "alluxio"), property("alluxio.user.metrics.collection.enabled", "false"),
		property("alluxio.user.rpc.retry.max.duration", "10sec"), property("alluxio.user.file.metadata.sync.interval", strconv.Itoa(syncInterval)+"sec")}
	if len(masters) == 1 {
		return append(options, property("alluxio.master.hostname", masters[0]), property("alluxio.master.rpc.port", strconv.Itoa(portMasterRPC)))
	}
	addresses := make([]string, len(masters))
	for i, address := range masters {
		addresses[i] = address + ":" + strconv.Itoa(portMasterRPC)
	}
	return append(options, property("alluxio.master.rpc.addresses", strings.Join(addresses, ",")))
}

// literal keeps Kubernetes from expanding $(NAME) in arguments.
func literal(args []string) []string {
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "$(", "$$(")
	}
	return args
}

// optionalSecrets are Secrets whose absence the script reports: else their pod would wait without a word.
func optionalSecrets(names []string) ([]corev1.Volume, []corev1.VolumeMount) {
	volumes, mounts := secretVolumes(names)
	optional := true
	for i := range volumes {
		volumes[i].Secret.Optional = &optional
	}
	return volumes, mounts
}

// Result is what came of one operation.
type Result struct {
	Verb, Path string
	OK         bool
	// Text is the error, or what was asked for.
	Text string
}

// ParseResults reads a Job's termination message. Lines that aren't whole, since it was cut off, are left out.
func ParseResults(message string) []Result {
	var results []Result
	for row := range strings.Lines(message) {
		words := strings.SplitN(strings.TrimSuffix(row, "\n"), " ", 4)
		if len(words) < 3 || (words[0] != "ok" && words[0] != "failed") {
			continue
		}
		result := Result{OK: words[0] == "ok", Verb: words[1], Path: words[2]}
		if len(words) == 4 {
			result.Text = strings.TrimSpace(words[3])
		}
		results = append(results, result)
	}
	return results
}

// Counts is what a Dataset has at its origins.
type Counts struct{ Files, Bytes int64 }

// ParseCounts reads the result of counting: files, folders and bytes.
func ParseCounts(text string) (Counts, error) {
	words := strings.Fields(text)
	if len(words) != 3 {
		return Counts{}, fmt.Errorf("%q has to be three numbers: files, folders and bytes", text)
	}
	var counts Counts
	for i, target := range []*int64{&counts.Files, nil, &counts.Bytes} {
		number, err := strconv.ParseInt(words[i], 10, 64)
		if err != nil || number < 0 {
			return Counts{}, fmt.Errorf("%q has to be three numbers: files, folders and bytes", text)
		}
		if target != nil {
			*target = number
		}
	}
	return counts, nil
}

// Outcome is how far a Job has come.
type Outcome struct {
	// Finished is when it ended; zero while it runs.
	Finished time.Time
	Results  []Result
	// Problem says why there are no results, or not of all operations.
	Problem string
}

// OutcomeOf reads what came of a Job from it and its pods.
func OutcomeOf(job *batchv1.Job, pods []corev1.Pod) Outcome {
	var outcome Outcome
	for i := range job.Status.Conditions {
		c := &job.Status.Conditions[i]
		if c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) {
			outcome.Finished = c.LastTransitionTime.Time
			if c.Type == batchv1.JobFailed && c.Reason != batchv1.JobReasonBackoffLimitExceeded {
				outcome.Problem = c.Message
			}
		}
	}
	for i := range pods {
		for j := range pods[i].Status.ContainerStatuses {
			status := &pods[i].Status.ContainerStatuses[j]
			if ended := status.State.Terminated; ended != nil && status.Name == containerJob {
				outcome.Results = ParseResults(ended.Message)
				if outcome.Finished.IsZero() {
					outcome.Finished = ended.FinishedAt.Time
				}
				if len(outcome.Results) == 0 && ended.ExitCode != 0 {
					outcome.Problem = fmt.Sprintf("its container ended with code %d (%s) and said nothing", ended.ExitCode, ended.Reason)
				}
			}
		}
	}
	return outcome
}

// operationsFor returns what has to be done to a master's mount table, given as Alluxio's REST answers show it: what is gone is
// unmounted first, the innermost before what it is within.
func operationsFor(mounts []Mount, table map[string]MountPoint) []Operation {
	var operations []Operation
	wanted := map[string]bool{"/": true}
	for i := range mounts {
		wanted[mounts[i].Path] = true
	}
	for _, path := range reverseSorted(table) {
		if !wanted[path] {
			operations = append(operations, Operation{Verb: "unmount", Path: path})
		}
	}
	for i := range mounts {
		m := &mounts[i]
		if m.isRoot() {
			continue
		}
		switch point, mounted := table[m.Path]; {
		case !mounted:
			operations = append(operations, mountOperation("mount", m))
		case point.Properties[optionApplied] != m.Hash():
			operations = append(operations, mountOperation("remount", m))
		}
	}
	return operations
}

// staleRoot reports whether the root isn't what it should be: it is configured, so only a new journal changes it.
func staleRoot(mounts []Mount, table map[string]MountPoint) bool {
	root := rootMount(mounts)
	if root == nil {
		return table["/"].Properties[optionApplied] != ""
	}
	return table["/"].Properties[optionApplied] != root.Hash()
}

// nameOf returns the name of the mount at a path, for messages.
func nameOf(mounts []Mount, path string) string {
	for i := range mounts {
		if mounts[i].Path == path {
			return mounts[i].Name
		}
	}
	return path
}

// reverseSorted returns the paths of a mount table, the innermost before what they are within.
func reverseSorted(table map[string]MountPoint) []string {
	paths := slices.Sorted(maps.Keys(table))
	slices.Reverse(paths)
	return paths
}
