package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// podDeletionGrace is how long containers have to end when the cluster is stopped.
const podDeletionGrace = 2 * time.Second

// teardownNode ends the pods, in order if the API server and kubelet still run,
// by force if not, and then what ran them. Mounts are left to teardownMounts,
// which comes when no process is left that might mount something.
func (c *Cluster) teardownNode(ctx context.Context, rec record) error {
	var errs []error
	// First what would replace the pods that are deleted.
	errs = append(errs, stopNamed(ctx, rec, "kube-controller-manager"))
	if rec.Ready && allAlive(rec, "etcd", "kube-apiserver", "kubelet", "containerd") {
		if err := c.deletePods(ctx); err != nil && ctx.Err() == nil {
			fmt.Fprintf(c.out, "Ending the pods by force: %v\n", err)
		}
	}
	errs = append(errs, stopNamed(ctx, rec, "kubelet"))
	errs = append(errs, c.killContainers(ctx, rec))
	errs = append(errs, stopNamed(ctx, rec, "containerd"))
	// The shims, which containerd started and which outlive it.
	for _, p := range markedProcesses(c.dir) {
		if !slices.ContainsFunc(rec.Processes, func(own processRecord) bool { return own.PID == p.PID }) {
			errs = append(errs, p.stop(ctx, 0))
		}
	}
	errs = append(errs, c.removeShimSockets(), c.removeLogLinks())
	if rec.Cgroup != "" {
		errs = append(errs, removeCgroup(rec.Cgroup))
	}
	errs = append(errs, stopNamed(ctx, rec, "coredns"))
	if rec.Network != nil {
		errs = append(errs, c.removeNetwork(ctx, rec.Network))
	}
	return errors.Join(errs...)
}

func stopNamed(ctx context.Context, rec record, name string) error {
	var errs []error
	for _, p := range rec.Processes {
		if p.Name == name {
			errs = append(errs, p.stop(ctx, 10*time.Second))
		}
	}
	return errors.Join(errs...)
}

func allAlive(rec record, names ...string) bool {
	for _, name := range names {
		if !slices.ContainsFunc(rec.Processes, func(p processRecord) bool { return p.Name == name && p.alive() }) {
			return false
		}
	}
	return true
}

// deletePods deletes all pods and waits until kubelet has ended them, unmounted
// their volumes and removed them from the network.
func (c *Cluster) deletePods(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	client, err := c.client()
	if err != nil {
		return err
	}
	pods, err := client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list the pods: %w", err)
	}
	grace := metav1.DeleteOptions{GracePeriodSeconds: ptr.To(int64(podDeletionGrace / time.Second))}
	for _, pod := range pods.Items {
		if err := client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, grace); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete the pod %s/%s: %w", pod.Namespace, pod.Name, err)
		}
	}
	return waitFor(ctx, "the pods to end", 20*time.Second, nil, func(ctx context.Context) error {
		pods, err := client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		for _, pod := range pods.Items {
			// With a finalizer it stays, and nobody is left who would remove that.
			if len(pod.Finalizers) == 0 {
				return fmt.Errorf("the pod %s/%s is still there", pod.Namespace, pod.Name)
			}
		}
		return nil
	})
}

// killContainers ends what is left of containers. Their shims notice and clean
// up, so that containerd has nothing to do when it is stopped.
func (c *Cluster) killContainers(ctx context.Context, rec record) error {
	if rec.Cgroup == "" {
		return nil
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		n, err := killCgroup(rec.Cgroup)
		if err != nil || n == 0 {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("end the processes of containers: %d in the cgroup %s still run after SIGKILL", n, rec.Cgroup)
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// removeShimSockets removes the sockets of shims that were killed, which
// containerd keeps in a directory that can't be configured.
func (c *Cluster) removeShimSockets() error {
	files, err := filepath.Glob(c.path("node", "run", "io.containerd.runtime.v2.task", "*", "*", "address"))
	if err != nil {
		return err
	}
	var errs []error
	for _, file := range files {
		address, err := os.ReadFile(file)
		if err != nil {
			continue // It went with its shim.
		}
		if socket, ok := strings.CutPrefix(string(address), "unix:///run/containerd/s/"); ok && filepath.IsLocal(socket) {
			err := os.Remove(filepath.Join("/run/containerd/s", socket))
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				errs = append(errs, fmt.Errorf("remove the socket of a shim: %w", err))
			}
		}
	}
	return errors.Join(errs...)
}

// removeLogLinks removes the links to pods' logs that kubelet makes in a
// directory that can't be configured.
func (c *Cluster) removeLogLinks() error {
	links, err := filepath.Glob("/var/log/containers/*.log")
	if err != nil {
		return err
	}
	var errs []error
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, c.path("node")+"/") {
			errs = append(errs, os.Remove(link))
		}
	}
	return errors.Join(errs...)
}
