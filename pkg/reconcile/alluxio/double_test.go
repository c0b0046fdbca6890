package alluxio

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/alluxio/engine"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/livetest"
)

// double stands in for kubelet, which a control plane alone hasn't got, and for the REST answers of Alluxio's masters. A
// master's mount table goes with its pod, as its journal does.
type double struct {
	mutex sync.Mutex
	// tables are the mount tables by the master's address.
	tables map[string]map[string]engine.MountPoint
	// fail says why mounting a path fails.
	fail map[string]string
	// silent masters don't answer.
	silent bool
	// asked counts questions.
	asked int
	// jobs are the operations that Jobs ran.
	jobs []string
	next int
}

func startDouble(t *testing.T, namespace string) *double {
	t.Helper()
	d := &double{tables: map[string]map[string]engine.MountPoint{}, fail: map[string]string{}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			d.run(ctx, namespace)
			time.Sleep(50 * time.Millisecond)
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return d
}

// run brings the pods of a namespace forward. What fails because somebody else wrote is tried again.
func (d *double) run(ctx context.Context, namespace string) {
	pods := &corev1.PodList{}
	if livetest.Client().List(ctx, pods, client.InNamespace(namespace), client.MatchingLabels{"app": "alluxio"}) != nil {
		return
	}
	for i := range pods.Items {
		pod := &pods.Items[i]
		before := pod.DeepCopy()
		switch {
		case pod.DeletionTimestamp != nil:
			zero := int64(0)
			_ = livetest.Client().Delete(ctx, pod, &client.DeleteOptions{GracePeriodSeconds: &zero})
			continue
		case pod.Labels[engine.LabelJob] != "":
			d.runJob(pod)
		default:
			d.runServer(pod)
		}
		_ = livetest.Client().Status().Patch(ctx, pod, client.StrategicMergeFrom(before))
	}
}

func (d *double) runServer(pod *corev1.Pod) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if pod.Status.PodIP == "" {
		d.next++
		pod.Status.PodIP = fmt.Sprintf("10.1.%d.%d", d.next/250, d.next%250+1)
		pod.Status.PodIPs = []corev1.PodIP{{IP: pod.Status.PodIP}}
		if pod.Labels["role"] == engine.RoleMaster {
			d.tables[pod.Status.PodIP] = map[string]engine.MountPoint{"/": {}}
		}
	}
	started := true
	pod.Status.Phase = corev1.PodRunning
	pod.Status.ContainerStatuses = nil
	for _, container := range pod.Spec.Containers {
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{Name: container.Name, Ready: true, Started: &started,
			Image: container.Image, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}})
	}
	ready := corev1.ConditionTrue
	for _, gate := range pod.Spec.ReadinessGates {
		if podCondition(pod, gate.ConditionType) != corev1.ConditionTrue {
			ready = corev1.ConditionFalse
		}
	}
	if podCondition(pod, corev1.PodReady) != ready {
		pod.Status.Conditions = slices.DeleteFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == corev1.PodReady })
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: corev1.PodReady, Status: ready, LastTransitionTime: metav1.Now()})
	}
}

// runJob does to the masters' tables what the script would do, and says so as it would.
func (d *double) runJob(pod *corev1.Pod) {
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return
	}
	d.mutex.Lock()
	defer d.mutex.Unlock()
	args := pod.Spec.Containers[0].Args
	var message strings.Builder
	code := int32(0)
	for _, operation := range strings.Split(strings.Join(args[2:], "\x00"), "\x00;\x00") {
		words := strings.Split(operation, "\x00")
		verb, path := words[0], words[1]
		d.jobs = append(d.jobs, verb+" "+path)
		if reason := d.fail[path]; reason != "" {
			fmt.Fprintf(&message, "failed %s %s %s\n", verb, path, reason)
			code = 1
			continue
		}
		point := engine.MountPoint{Properties: map[string]string{}}
		for i, word := range words {
			if word == "--option" {
				name, value, _ := strings.Cut(words[i+1], "=")
				point.Properties[name] = value
			}
		}
		for address := range d.tables {
			if !strings.Contains(args[1], address) {
				continue
			}
			switch verb {
			case "mount", "remount":
				d.tables[address][path] = point
			case "unmount":
				delete(d.tables[address], path)
			}
		}
		fmt.Fprintf(&message, "ok %s %s", verb, path)
		if verb == "count" {
			message.WriteString(" 2 1 2147483648")
		}
		message.WriteString("\n")
	}
	pod.Status.Phase = corev1.PodSucceeded
	if code != 0 {
		pod.Status.Phase = corev1.PodFailed
	}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: pod.Spec.Containers[0].Name, State: corev1.ContainerState{
		Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Message: message.String(), FinishedAt: metav1.Now()}}}}
}

// ask answers as a master does.
func (d *double) ask(_ context.Context, masters []string) (*engine.MasterInfo, error) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.asked++
	if d.silent {
		return nil, errors.New("connection refused")
	}
	table, ok := d.tables[masters[0]]
	if !ok {
		return nil, fmt.Errorf("no master at %s", masters[0])
	}
	info := &engine.MasterInfo{MountPoints: maps.Clone(table), Capacity: engine.Space{Total: 1 << 30, Used: 1 << 29},
		Metrics: map[string]int64{"Cluster.BytesReadRemote": 300, "Cluster.BytesReadUfsAll": 100}}
	worker := engine.WorkerInfo{State: "LIVE", CapacityBytes: 1 << 30}
	worker.Address.Host = "phy-worker-0"
	info.Workers = []engine.WorkerInfo{worker}
	return info, nil
}

// ran returns what Jobs did since the last call.
func (d *double) ran() []string {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	jobs := d.jobs
	d.jobs = nil
	return jobs
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

func (d *double) set(change func()) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	change()
}

func zero() *resource.Quantity { return resource.NewQuantity(0, resource.DecimalSI) }
