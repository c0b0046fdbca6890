package load

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/webhook"
	"github.com/kubectl-fluid/kubectl-fluid/test/harness"
)

// replica is one controller process, and what a kubelet and the endpoint controller would do for its pod: start it again
// when it has ended, ask it whether it is ready, and say so in the endpoints of its Services.
type replica struct {
	n     *installation
	index int
	// ports of webhooks, of probes and of metrics
	port, health, metrics string

	// args and variables are what the process gets, beside the variables of this one.
	args, variables []string

	log     *os.File
	slices  []*discoveryv1.EndpointSlice
	command *exec.Cmd
	ended   chan struct{}
}

func newReplica(t testing.TB, n *installation, index int, args, variables []string) *replica {
	t.Helper()
	ports := freePorts(t, 3)
	r := &replica{n: n, index: index, variables: variables, port: ports[0], health: ports[1], metrics: ports[2]}
	r.args = append([]string{
		"--kubeconfig=" + n.kubeconfig, "--namespace=" + systemNamespace, "--leader-elect",
		"--webhook-port=" + r.port, "--health-probe-bind-address=127.0.0.1:" + r.health,
		"--metrics-bind-address=127.0.0.1:" + r.metrics, "--pod=" + r.pod(),
	}, args...)
	var err error
	if r.log, err = os.Create(filepath.Join(t.TempDir(), fmt.Sprintf("controller-%d.log", index))); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if r.command != nil {
			r.signal(syscall.SIGKILL)
		}
		r.log.Close()
		if t.Failed() {
			text, _ := os.ReadFile(r.log.Name())
			t.Logf("the end of the log of replica %d:\n%s", index, text[max(0, len(text)-6000):])
		}
	})
	return r
}

// pod is the name of its pod, which nobody runs.
func (r *replica) pod() string { return fmt.Sprintf("replica-%d", r.index) }

// seat is the seat that the replica has given its pod.
func (r *replica) seat(t testing.TB) string {
	t.Helper()
	pod := &corev1.Pod{}
	if err := r.n.client.Get(r.n.ctx, client.ObjectKey{Namespace: systemNamespace, Name: r.pod()}, pod); err != nil {
		t.Fatal(err)
	}
	return pod.Labels[webhook.LabelSeat]
}

func (r *replica) start() error {
	r.command = exec.Command(r.n.program, r.args...)
	r.command.Env = append(os.Environ(), r.variables...)
	r.command.Stdout, r.command.Stderr = r.log, r.log
	if err := r.command.Start(); err != nil {
		return err
	}
	r.ended = make(chan struct{})
	go func(command *exec.Cmd, ended chan struct{}) {
		_ = command.Wait() // How it ended is seen in its log.
		close(ended)
	}(r.command, r.ended)
	return nil
}

// signal sends a signal and waits until the process has ended.
func (r *replica) signal(signal syscall.Signal) {
	_ = r.command.Process.Signal(signal) // It may have ended.
	<-r.ended
}

// awaitReady asks the replica whether it is ready, as its readinessProbe does, and then sends it traffic. If it ends
// instead, as it does when it can't renew its lease in time, it is started again.
func (r *replica) awaitReady() error {
	err := harness.Await(2*time.Minute, func() error {
		select {
		case <-r.ended:
			return errors.Join(r.start(), errors.New("it has ended"))
		default:
		}
		response, err := http.Get("http://127.0.0.1:" + r.health + "/readyz")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("it answers %s", response.Status)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("replica %d isn't ready: %w", r.index, err)
	}
	return r.setReady(true)
}

func (r *replica) setReady(ready bool) error {
	for _, slice := range r.slices {
		if err := r.n.setReady(slice, ready); err != nil {
			return err
		}
	}
	return nil
}

// Delays of a real cluster.
const (
	// noticeDeletion is how long endpoints go on naming a pod that has been told to end.
	noticeDeletion = 200 * time.Millisecond
	// noticeDeath is how long a kubelet may take to see that a container has died: it lists them every second.
	noticeDeath = time.Second
)

// terminate ends the replica as the deletion of its pod does, and starts it again.
func (r *replica) terminate() error {
	noticed := make(chan error, 1)
	time.AfterFunc(noticeDeletion, func() { noticed <- r.setReady(false) })
	r.signal(syscall.SIGTERM)
	return errors.Join(<-noticed, r.start(), r.awaitReady())
}

// kill ends the replica as a lack of memory does, and starts it again as a kubelet does.
func (r *replica) kill() error {
	r.signal(syscall.SIGKILL)
	time.Sleep(noticeDeath)
	return errors.Join(r.setReady(false), r.start(), r.awaitReady())
}
