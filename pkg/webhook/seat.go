package webhook

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
)

// LabelSeat on a replica's pod is the seat that it has, 0 or 1. A Service for each seat leads the API server to different
// replicas with the first call for a pod and with the one after a call that failed: by a Service in front of all replicas
// the second call could meet the same dead replica again.
const LabelSeat = "kubectl-fluid.dev/webhook-seat"

// The rights that seats take.
// +kubebuilder:rbac:groups="",resources=pods,verbs=list;watch
// +kubebuilder:rbac:groups="",resources=pods,verbs=patch,namespace=kubectl-fluid-system

// Seat gives this process's pod a seat, and sees to it that both are taken as long as there are two replicas.
type Seat struct {
	Clientset kubernetes.Interface
	// Namespace and Pod are this process's own.
	Namespace, Pod string
	// Selector is of the pods of all replicas.
	Selector labels.Selector

	seated atomic.Bool
}

var _ manager.LeaderElectionRunnable = &Seat{}

// NeedLeaderElection says no: each replica finds its seat.
func (*Seat) NeedLeaderElection() bool { return false }

// Ready is a readiness check: it fails until the pod has a seat.
func (s *Seat) Ready(*http.Request) error {
	if !s.seated.Load() {
		return errors.New("this replica has no seat yet")
	}
	return nil
}

// Start keeps the seat until ctx ends.
func (s *Seat) Start(ctx context.Context) error {
	factory := informers.NewSharedInformerFactoryWithOptions(s.Clientset, 0, informers.WithNamespace(s.Namespace),
		informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.LabelSelector = s.Selector.String() }))
	pods := factory.Core().V1().Pods()
	changed := make(chan struct{}, 1)
	tell := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	_, err := pods.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { tell() }, UpdateFunc: func(any, any) { tell() }, DeleteFunc: func(any) { tell() },
	})
	if err != nil {
		return fmt.Errorf("watching the replicas in namespace %s: %w", s.Namespace, err)
	}
	factory.Start(ctx.Done())
	defer factory.Shutdown()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
		present, err := pods.Lister().Pods(s.Namespace).List(labels.Everything())
		if err == nil {
			err = s.take(ctx, present)
		}
		if err != nil {
			log.FromContext(ctx).Error(err, "No seat could be taken", "pod", s.Pod)
			time.AfterFunc(time.Second, tell)
		}
	}
}

// take writes the seat that this pod should have, if it has another one.
func (s *Seat) take(ctx context.Context, pods []*corev1.Pod) error {
	i := slices.IndexFunc(pods, func(pod *corev1.Pod) bool { return pod.Name == s.Pod })
	if i < 0 {
		return nil // It isn't seen yet.
	}
	seat := SeatOf(pods[i], pods)
	if pods[i].Labels[LabelSeat] == seat {
		s.seated.Store(true)
		return nil
	}
	patch := fmt.Sprintf(`{"metadata":{"labels":{%q:%q}}}`, LabelSeat, seat)
	_, err := s.Clientset.CoreV1().Pods(s.Namespace).Patch(ctx, s.Pod, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing the label %s of pod %s/%s: %w", LabelSeat, s.Namespace, s.Pod, err)
	}
	return nil
}

// SeatOf decides which seat a pod should have among all replicas: the one that it has, unless the other one is free and
// a pod whose name comes before has the same; without a seat the one that fewer have.
func SeatOf(pod *corev1.Pod, pods []*corev1.Pod) string {
	taken := map[string]int{}
	before := false
	own := pod.Labels[LabelSeat]
	for _, other := range pods {
		if other.Name == pod.Name || other.DeletionTimestamp != nil || other.Status.Phase == corev1.PodFailed || other.Status.Phase == corev1.PodSucceeded {
			continue
		}
		seat := other.Labels[LabelSeat]
		taken[seat]++
		before = before || seat == own && strings.Compare(other.Name, pod.Name) < 0
	}
	otherSeat := map[string]string{"0": "1", "1": "0"}[own]
	switch {
	case otherSeat == "" && taken["1"] < taken["0"]:
		return "1"
	case otherSeat == "":
		return "0"
	case before && taken[otherSeat] == 0:
		return otherSeat
	}
	return own
}
