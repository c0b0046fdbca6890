package webhook

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/kubectl-fluid/kubectl-fluid/test/harness"
)

func replicaPod(name, seat string) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "system", Name: name, Labels: map[string]string{"app": "controller"}}}
	if seat != "" {
		pod.Labels[LabelSeat] = seat
	}
	return pod
}

func TestSeatOf(t *testing.T) {
	ending, failed := replicaPod("a", "0"), replicaPod("b", "1")
	ending.DeletionTimestamp, failed.Status.Phase = new(metav1.Now()), corev1.PodFailed
	for _, test := range []struct {
		name   string
		pod    *corev1.Pod
		others []*corev1.Pod
		want   string
	}{
		{"alone", replicaPod("m", ""), nil, "0"},
		{"alone with a seat", replicaPod("m", "1"), nil, "1"},
		{"with an unknown seat", replicaPod("m", "7"), nil, "0"},
		{"beside the first", replicaPod("m", ""), []*corev1.Pod{replicaPod("z", "0")}, "1"},
		{"beside the second", replicaPod("m", ""), []*corev1.Pod{replicaPod("z", "1")}, "0"},
		{"beside both", replicaPod("m", ""), []*corev1.Pod{replicaPod("y", "0"), replicaPod("z", "1")}, "0"},
		{"at the same time as another", replicaPod("m", "0"), []*corev1.Pod{replicaPod("z", "0")}, "0"},
		{"at the same time as one before", replicaPod("m", "0"), []*corev1.Pod{replicaPod("a", "0")}, "1"},
		{"where the other seat is taken", replicaPod("m", "0"), []*corev1.Pod{replicaPod("a", "0"), replicaPod("z", "1")}, "0"},
		{"beside those that end", replicaPod("m", ""), []*corev1.Pod{ending, failed}, "0"},
		{"beside one that ends on its seat", replicaPod("m", "0"), []*corev1.Pod{ending}, "0"},
	} {
		if got := SeatOf(test.pod, append(test.others, test.pod)); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

// TestBothSeatsAreTaken lets replicas that see each other decide in every order, until nobody moves: whatever seats they
// begin with, both are taken.
func TestBothSeatsAreTaken(t *testing.T) {
	seats := []string{"", "0", "1", "x"}
	for first := range seats {
		for second := range seats {
			for third := range seats {
				pods := []*corev1.Pod{replicaPod("a", seats[first]), replicaPod("b", seats[second]), replicaPod("c", seats[third])}
				for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
					present := []*corev1.Pod{pods[0].DeepCopy(), pods[1].DeepCopy(), pods[2].DeepCopy()}
					for range 4 {
						for _, i := range order {
							present[i].Labels[LabelSeat] = SeatOf(present[i], present)
						}
					}
					taken := map[string]bool{}
					for _, pod := range present {
						taken[pod.Labels[LabelSeat]] = true
					}
					if got := slices.Sorted(maps.Keys(taken)); !slices.Equal(got, []string{"0", "1"}) {
						t.Fatalf("from %q, %q, %q in the order %v: %v", seats[first], seats[second], seats[third], order, got)
					}
				}
			}
		}
	}
}

// TestReplicasTakeTheirSeats runs two replicas, one of which goes.
func TestReplicasTakeTheirSeats(t *testing.T) {
	clientset := fake.NewClientset(replicaPod("a", ""), replicaPod("b", ""), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "system", Name: "stranger"}})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	var replicas []*Seat
	for _, name := range []string{"a", "b"} {
		s := &Seat{Clientset: clientset, Namespace: "system", Pod: name, Selector: labels.SelectorFromSet(labels.Set{"app": "controller"})}
		if s.Ready(nil) == nil {
			t.Error("it is ready before it has a seat")
		}
		replicas = append(replicas, s)
		go func() { ended <- s.Start(ctx) }()
	}
	harness.Eventually(t, 5*time.Second, func() error {
		taken := map[string]bool{}
		for _, s := range replicas {
			pod, err := clientset.CoreV1().Pods("system").Get(ctx, s.Pod, metav1.GetOptions{})
			if err != nil {
				return err
			}
			taken[pod.Labels[LabelSeat]] = s.Ready(nil) == nil
		}
		if !taken["0"] || !taken["1"] {
			return fmt.Errorf("the seats are %v", taken)
		}
		return nil
	})
	cancel()
	for range replicas {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
