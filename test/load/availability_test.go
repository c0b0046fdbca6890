package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/test/harness"
)

const (
	podsPerSecond = 100
	rotations     = 100
	// leastPods is what even a busy machine creates while so many authorities are made.
	leastPods = 5 * rotations
)

// TestNoPodIsRefusedWhileReplicasDieAndCertificatesChange creates 100 labelled pods per second, or as many as the machine
// can, while replicas are ended with SIGTERM and with SIGKILL, one after the other, the caBundles are reset, those of one
// configuration after those of the other, and certificate authorities are rotated 100 times. Every pod is created, and
// every pod has its sidecar.
func TestNoPodIsRefusedWhileReplicasDieAndCertificatesChange(t *testing.T) {
	if testing.Short() {
		t.Skip("a test on a cluster")
	}
	e := newEnvironment(t)
	n := install(t, e, "--drain-time=2s", "--ca-publish-time=5s")
	load := &podLoad{n: n, namespace: n.newConsumer(t)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var loaded, faults, resetting sync.WaitGroup
	loaded.Go(func() { load.run(ctx) })
	faults.Go(func() { n.rotate(t) })
	ended := 0
	faults.Go(func() { ended = n.endReplicas(t) })
	resets, done := 0, make(chan struct{})
	resetting.Go(func() { resets = n.resetBundles(t, done) })
	faults.Wait()
	close(done)
	resetting.Wait()
	cancel()
	loaded.Wait()
	t.Logf("%d pods created in %s (%.0f per second), %d failed; %d replicas ended, half of them killed, %d rotations, %d resets of caBundles",
		load.created.Load(), load.took.Round(time.Second), float64(load.created.Load())/load.took.Seconds(), len(load.failed), ended, rotations, resets)
	for _, failure := range load.failed {
		t.Error(failure)
	}
	if created := load.created.Load(); created < leastPods || resets < 4 {
		t.Errorf("with %d pods and %d resets hardly anything was tested", created, resets)
	}
}

// settle is how long an API server may take to hear that a fault is over.
const settle = time.Second

// endReplicas ends the replicas one after the other, and returns how often.
func (n *installation) endReplicas(t *testing.T) (ended int) {
	for _, r := range []*replica{n.replicas[0], n.replicas[1], n.replicas[0]} {
		for _, end := range []func() error{r.terminate, r.kill} {
			if err := end(); err != nil {
				t.Error(err)
			}
			ended++
			time.Sleep(settle)
		}
	}
	return ended
}

// resetBundles resets the caBundles of the configurations in turn until it is told that enough has been done.
func (n *installation) resetBundles(t *testing.T, done <-chan struct{}) (resets int) {
	for {
		for _, name := range []string{"kubectl-fluid-sidecar-injector", "kubectl-fluid-sidecar-injector-retry"} {
			select {
			case <-done:
				return resets
			case <-time.After(settle):
			}
			if err := n.resetBundle(t, name); err != nil {
				t.Error(err)
			}
			resets++
		}
	}
}

// rotate makes the replicas rotate their certificate authorities, as a user does: by deleting their Secret.
func (n *installation) rotate(t *testing.T) {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: "kubectl-fluid-webhook-ca"}}
	last := types.UID("")
	for range rotations {
		err := harness.Await(time.Minute, func() error {
			if err := n.client.Get(n.ctx, client.ObjectKeyFromObject(secret), secret); err != nil {
				return err
			}
			if secret.UID == last {
				return errors.New("the Secret is still there")
			}
			return nil
		})
		last = secret.UID
		if err = errors.Join(err, client.IgnoreNotFound(n.client.Delete(n.ctx, secret.DeepCopy()))); err != nil {
			t.Error("rotating: ", err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// resetBundle takes the caBundles out of a configuration, and waits until they are back.
func (n *installation) resetBundle(t *testing.T, name string) error {
	configuration := &admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: name}}
	reset := client.RawPatch(types.JSONPatchType, []byte(`[{"op":"remove","path":"/webhooks/0/clientConfig/caBundle"},{"op":"remove","path":"/webhooks/1/clientConfig/caBundle"}]`))
	if err := n.client.Patch(n.ctx, configuration, reset); err != nil {
		return err
	}
	started := time.Now()
	defer func() { t.Logf("the caBundles were back after %s", time.Since(started).Round(time.Millisecond)) }()
	return harness.Await(10*time.Second, func() error {
		if err := n.client.Get(n.ctx, client.ObjectKeyFromObject(configuration), configuration); err != nil {
			return err
		}
		for _, webhook := range configuration.Webhooks {
			if len(webhook.ClientConfig.CABundle) == 0 {
				return errors.New("there is no caBundle")
			}
		}
		return nil
	})
}

// podLoad creates pods at a fixed rate, as long as there aren't too many that wait for an answer.
type podLoad struct {
	n         *installation
	namespace string
	created   atomic.Int64
	took      time.Duration
	mutex     sync.Mutex
	failed    []string
}

func (l *podLoad) run(ctx context.Context) {
	const waiting = 20
	started := time.Now()
	ticker := time.NewTicker(time.Second / podsPerSecond)
	defer ticker.Stop()
	var requests sync.WaitGroup
	room := make(chan struct{}, waiting)
	for i := 0; ctx.Err() == nil; i++ {
		<-ticker.C
		room <- struct{}{}
		requests.Go(func() {
			defer func() { <-room }()
			asked := time.Now()
			if err := l.create(fmt.Sprintf("pod-%05d", i)); err != nil {
				l.mutex.Lock()
				defer l.mutex.Unlock()
				l.failed = append(l.failed, fmt.Sprintf("at %s: %v", asked.Sub(started).Round(time.Millisecond), err))
				return
			}
			l.created.Add(1)
		})
	}
	requests.Wait()
	l.took = time.Since(started)
}

// create creates a pod that nobody schedules. No request is made twice.
func (l *podLoad) create(name string) error {
	pod := newPod(l.namespace, name)
	if err := l.n.client.Create(l.n.ctx, pod); err != nil {
		return fmt.Errorf("creating pod %s: %w (%s)", name, err, apierrors.ReasonForError(err))
	}
	if len(pod.Spec.InitContainers) != 1 || pod.Spec.InitContainers[0].Name != "fluid-fuse-0" {
		text, _ := json.Marshal(pod.Spec)
		return fmt.Errorf("pod %s has been created without its sidecar: %s", name, text)
	}
	return nil
}

// newPod returns the documented pod, which asks for the sidecar of refdemo and is left alone by schedulers.
func newPod(namespace, name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{datav1alpha1.LabelInject: "true"}},
		Spec: corev1.PodSpec{
			SchedulerName: "nobody",
			Containers: []corev1.Container{{Name: "nginx", Image: "nginx",
				VolumeMounts: []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}}},
			Volumes: []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "refdemo"}}}},
		},
	}
}
