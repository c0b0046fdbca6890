package e2e

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-fluid/kubectl-fluid/test/harness"
)

// newServedConsumer makes a consumer for whose sidecars the node plugin mounts, in a namespace that enforces the Pod
// Security level restricted.
func newServedConsumer(t *testing.T, prefix, from string) *consumer {
	t.Helper()
	needNode(t)
	c := &consumer{newLabelledNamespace(t, prefix, map[string]string{"pod-security.kubernetes.io/enforce": "restricted"})}
	c.refer(t, "refdemo", from)
	return c
}

// leavesNoVolume deletes the pods, within a time, and makes sure that the node has nothing of theirs.
func (c *consumer) leavesNoVolume(t *testing.T, within time.Duration) {
	t.Helper()
	var uids []string
	for _, pod := range c.pods(t) {
		uids = append(uids, string(pod.UID))
	}
	start := time.Now()
	kubectl(t, "delete pods --all --timeout=60s -n "+c.namespace)
	if took := time.Since(start); took > within {
		t.Errorf("the pods were gone after %s, want %s", took.Round(time.Millisecond), within)
	}
	harness.Eventually(t, 30*time.Second, func() error {
		table, err := os.ReadFile("/proc/mounts")
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range shared.volumesOnNode(string(table)) {
			for _, uid := range uids {
				if strings.Contains(line, uid) {
					return fmt.Errorf("the node still has %s", line)
				}
			}
		}
		return nil
	})
}

// restrictedSpec is readerSpec for the Pod Security level restricted.
func restrictedSpec(claim string) corev1.PodSpec {
	spec := readerSpec(claim)
	spec.SecurityContext = &corev1.PodSecurityContext{
		RunAsNonRoot: new(true), RunAsUser: new(int64(1000)), FSGroup: new(int64(1000)),
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	spec.TerminationGracePeriodSeconds = new(int64(5))
	spec.Containers[0].SecurityContext = restrictedContainer()
	return spec
}

func restrictedContainer() *corev1.SecurityContext {
	return &corev1.SecurityContext{AllowPrivilegeEscalation: new(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}}
}

// TestRestrictedNamespaceReadsTheData: its app is no more privileged than its sidecar. The data comes back each time that the
// FUSE client was killed.
func TestRestrictedNamespaceReadsTheData(t *testing.T) {
	t.Parallel()
	c := newServedConsumer(t, "restricted", "default/phy")
	defer c.leavesNoVolume(t, 15*time.Second)
	pod := c.run(t, "reader", restrictedSpec("refdemo"))
	for _, volume := range pod.Spec.Volumes {
		if volume.HostPath != nil {
			t.Errorf("the volume %s is the node's", volume.Name)
		}
	}
	c.reads(t, "reader", "/data/"+dataFile)
	if !shared.selfHealing {
		return
	}
	for kills := int32(1); kills <= 3; kills++ {
		start := time.Now()
		c.killClient(t, "reader")
		harness.Eventually(t, 2*time.Minute, func() error {
			if status := sidecarStatus(get(t, c.namespace, "reader", &corev1.Pod{})); status.RestartCount < kills {
				return fmt.Errorf("after kill %d the sidecar is %+v", kills, status)
			}
			return c.readsNow(t, "reader", "/data/"+dataFile)
		})
		t.Logf("the app read again after %s", time.Since(start).Round(100*time.Millisecond))
	}
}

// TestSubPathOfAServedDatasetIsItsPartOnly, from the first moment and after the client was killed, also where the
// container mounts a part of that.
func TestSubPathOfAServedDatasetIsItsPartOnly(t *testing.T) {
	t.Parallel()
	c := newServedConsumer(t, "servedpart", "default/phy/spark")
	defer c.leavesNoVolume(t, 15*time.Second)
	spec := restrictedSpec("refdemo")
	spec.Containers[0].Command[2] = "cat /data/README.md || exit 1\n" + spec.Containers[0].Command[2]
	spec.Containers[0].VolumeMounts = append(spec.Containers[0].VolumeMounts, corev1.VolumeMount{Name: "data", MountPath: "/file", SubPath: "README.md"})
	c.run(t, "reader", spec)
	c.reads(t, "reader", "/file")
	if listing, err := c.exec(t, "reader", "app", "ls -a /data /data/.."); err != nil || strings.Contains(listing, "spark") {
		t.Errorf("the app sees %q, %v", listing, err)
	}
	if !shared.partsHeal {
		return
	}
	c.killClient(t, "reader")
	c.restarted(t, "reader", 1)
	harness.Eventually(t, time.Minute, func() error { return c.readsNow(t, "reader", "/file") })
	c.reads(t, "reader", "/data/README.md")
}

// servedDataset is a physical Dataset with a FUSE client that runs without privileges.
const servedDataset = `
apiVersion: data.fluid.io/v1alpha1
kind: ThinRuntimeProfile
metadata: {name: NAME}
spec:
  fileSystemType: fuse
  fuse:
    image: IMAGE
    imageTag: latest
    imagePullPolicy: IfNotPresent
    command: [sh, -c, SCRIPT]
    podMetadata: {annotations: {kubectl-fluid.dev/unprivileged-client: "{}", kubectl-fluid.dev/mount-timeout: 10s}}
---
apiVersion: data.fluid.io/v1alpha1
kind: Dataset
metadata: {name: own}
spec: {mounts: [{mountPoint: "http://origin.default.svc.cluster.local/apache/", name: everything}]}
---
apiVersion: data.fluid.io/v1alpha1
kind: ThinRuntime
metadata: {name: own}
spec: {profileName: NAME}
`

// makeOwn makes the namespace's Dataset own, whose FUSE client is a shell script.
func (c *consumer) makeOwn(t *testing.T, image, script string) {
	t.Helper()
	c.apply(t, strings.NewReplacer("NAME", c.namespace, "IMAGE", image, "SCRIPT", strconv.Quote(script)).Replace(servedDataset))
	t.Cleanup(func() {
		if _, err := shared.Output(context.WithoutCancel(t.Context()), "", "kubectl", "delete", "thinruntimeprofile", c.namespace, "--ignore-not-found"); err != nil {
			t.Log(err)
		}
	})
	kubectl(t, "wait dataset/own --for=jsonpath={.status.phase}=Bound --timeout=60s -n "+c.namespace)
}

// TestClientOfLibfuse3Serves as the user 65534: squashfuse, with an image that it makes before.
func TestClientOfLibfuse3Serves(t *testing.T) {
	t.Parallel()
	c := newServedConsumer(t, "libfuse", "default/phy")
	defer c.leavesNoVolume(t, 15*time.Second)
	c.makeOwn(t, "kubectl-fluid/squashfuse", `set -e; target=$(jq -r .targetPath /etc/fluid/config/config.json); mkdir -p "$target" /tmp/files/spark; echo "Apache Spark, or at least its name." >/tmp/files/spark/README.md; mksquashfs /tmp/files /tmp/image -noappend -quiet; exec squashfuse -f /tmp/image "$target"`)
	spec := restrictedSpec("own")
	spec.SecurityContext.RunAsUser = nil
	spec.Containers[0].SecurityContext.RunAsUser = new(int64(1000))
	c.run(t, "reader", spec)
	c.reads(t, "reader", "/data/"+dataFile)
	if user, err := c.exec(t, "reader", "fluid-fuse-0", "id -u"); err != nil || user != "65534\n" {
		t.Errorf("the client is the user %q, %v", user, err)
	}
}

// hookTime is how long kubelet, which waits for the sidecar's hook, may not hear that a pod of servedDataset is to end: the
// mount-timeout.
const hookTime = 10 * time.Second

// TestClientThatNeverServes keeps its app from starting, and doesn't keep its pod from ending.
func TestClientThatNeverServes(t *testing.T) {
	t.Parallel()
	c := newServedConsumer(t, "never", "default/phy")
	defer c.leavesNoVolume(t, hookTime+10*time.Second)
	c.makeOwn(t, "kubectl-fluid/rclone-fuse", "sleep 3600")
	pod := &corev1.Pod{Spec: restrictedSpec("own")}
	pod.Name, pod.Labels = "reader", injected()
	c.create(t, pod)
	c.sidecarRuns(t, "reader")
	time.Sleep(3 * time.Second)
	for _, status := range get(t, c.namespace, "reader", pod).Status.ContainerStatuses {
		if status.State.Running != nil || status.RestartCount > 0 {
			t.Errorf("the app is %+v", status)
		}
	}
}

// sidecarRuns waits until a pod's sidecar is there to run commands in.
func (c *consumer) sidecarRuns(t *testing.T, pod string) {
	t.Helper()
	harness.Eventually(t, time.Minute, func() error {
		_, err := c.exec(t, pod, "fluid-fuse-0", "true")
		return err
	})
}
