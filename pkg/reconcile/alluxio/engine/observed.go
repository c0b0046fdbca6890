package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// Observed is what there is of a runtime: everything that Decide looks at.
type Observed struct {
	MasterSet, WorkerSet *appsv1.StatefulSet
	Fuse                 *appsv1.DaemonSet
	// Masters and Workers are the pods that aren't being deleted, by name.
	Masters, Workers []corev1.Pod
	Jobs             map[JobKind]ObservedJob
	// Info is what the masters answered at InfoAt; nil if these masters haven't yet.
	Info   *MasterInfo
	InfoAt time.Time
	// InfoProblem says why they haven't, if they were asked.
	InfoProblem string
	// Refused says of StatefulSets and Jobs by name why Kubernetes doesn't create their pods.
	Refused map[string]string
	// Attempts are what came of the last Jobs.
	Attempts map[JobKind]Attempt
	Now      time.Time
}

// ObservedJob is a Job with its pods.
type ObservedJob struct {
	Job  *batchv1.Job
	Pods []corev1.Pod
}

// Attempt is what came of a Job that has been read.
type Attempt struct {
	// Hash is what it was made for.
	Hash string
	// At is when it was read.
	At time.Time
	Outcome
}

// Addresses returns where masters can be asked: those that run.
func (o *Observed) Addresses() []string {
	var list []string
	for i := range o.Masters {
		if pod := &o.Masters[i]; pod.Status.PodIP != "" && running(pod, containerMaster) {
			list = append(list, pod.Status.PodIP)
		}
	}
	return list
}

// running reports whether a container of a pod has started: its startup probe has passed, if it has one.
func running(pod *corev1.Pod, container string) bool {
	for _, status := range pod.Status.ContainerStatuses {
		if status.Name == container {
			return status.State.Running != nil && status.Started != nil && *status.Started
		}
	}
	return false
}

// Identity is that of the masters. It changes when one of them is another process: what was answered before isn't about it.
func (o *Observed) Identity() string {
	var text strings.Builder
	for i := range o.Masters {
		pod := &o.Masters[i]
		fmt.Fprint(&text, pod.UID, " ", pod.Status.PodIP)
		for _, status := range pod.Status.ContainerStatuses {
			if status.Name == containerMaster {
				fmt.Fprint(&text, " ", status.RestartCount)
			}
		}
		text.WriteString("\n")
	}
	return text.String()
}

// podCondition returns the status of a pod's condition.
func podCondition(pod *corev1.Pod, kind corev1.PodConditionType) corev1.ConditionStatus {
	for _, c := range pod.Status.Conditions {
		if c.Type == kind {
			return c.Status
		}
	}
	return corev1.ConditionUnknown
}

// ready counts the pods that are.
func ready(pods []corev1.Pod) int32 {
	var count int32
	for i := range pods {
		if podCondition(&pods[i], corev1.PodReady) == corev1.ConditionTrue {
			count++
		}
	}
	return count
}

// waitingReasons are those for which somebody has to do something before a container starts.
var waitingReasons = []string{"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "CreateContainerConfigError",
	"CreateContainerError", "RunContainerError", "CrashLoopBackOff"}

// podTrouble says why a pod doesn't run and won't by itself, or nothing.
func podTrouble(pod *corev1.Pod) string {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
			return fmt.Sprintf("pod %s finds no node: %s", pod.Name, c.Message)
		}
	}
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		waiting := status.State.Waiting
		if waiting == nil || !slices.Contains(waitingReasons, waiting.Reason) {
			continue
		}
		text := fmt.Sprintf("container %s of pod %s: %s", status.Name, pod.Name, waiting.Reason)
		if ended := status.LastTerminationState.Terminated; ended != nil && waiting.Reason == "CrashLoopBackOff" {
			text += fmt.Sprintf(", ended with code %d (%s)", ended.ExitCode, ended.Reason)
			if ended.Message != "" {
				text += ": " + ended.Message
			}
			return text
		}
		if waiting.Message != "" {
			text += ": " + waiting.Message
		}
		return text
	}
	return ""
}
