package cluster

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"
)

// nodeTest returns a state directory for a cluster with a node, or skips the
// test where none can run. Tests with nodes run side by side, as a demo and a
// test may on somebody's machine.
func nodeTest(t *testing.T) string {
	t.Helper()
	if err := nodeSupported(); err != nil {
		t.Skip(err)
	}
	if err := EnsureBinaries(testContext(t), t.Output(), true); err != nil {
		t.Fatal(err)
	}
	t.Parallel()
	return stateDir(t)
}

// startNode starts a cluster with a node that has the example images and runs
// the pods of podManifest.
func startNode(ctx context.Context, t *testing.T, dir string) *Cluster {
	t.Helper()
	var images []Image
	for _, name := range []string{"nginx", "rclone-fuse"} {
		image, err := ExampleImage(name)
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, image)
	}
	c, err := Start(ctx, Options{StateDir: dir, Node: true, MountRoot: dir + ".mounts", Images: images, Out: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	var manifest bytes.Buffer
	if err := template.Must(template.New("").Parse(podManifest)).Execute(&manifest, c.MountRoot()+"/test"); err != nil {
		t.Fatal(err)
	}
	kubectl(t, c, manifest.String(), "apply", "-f", "-")
	kubectl(t, c, "", "wait", "--for=condition=Ready", "pod/origin", "pod/app", "--timeout=60s")
	if t.Failed() {
		t.Log(kubectl(t, c, "", "get", "events"))
		t.Log(kubectl(t, c, "", "logs", "app", "--container", "fuse"))
		t.FailNow()
	}
	return c
}

func TestNode(t *testing.T) {
	dir := nodeTest(t)
	ctx := testContext(t)
	c := startNode(ctx, t, dir)
	if out := kubectl(t, c, "", "exec", "app", "--", "ls", "/data/fuse"); out != "flink\nspark\n" {
		t.Errorf("ls of the FUSE mount: %q", out)
	}
	if out := kubectl(t, c, "", "exec", "app", "--", "cat", "/data/fuse/spark/data.txt"); out != "data\n" {
		t.Errorf("a file of the FUSE mount: %q", out)
	}
	if out := kubectl(t, c, "", "exec", "app", "--container", "fuse", "--", "cat", "/proc/mounts"); !strings.Contains(out, " fuse.rclone ro,") {
		t.Errorf("the mounts of the sidecar have none of the type fuse.rclone and read-only:\n%s", out)
	}
	for _, name := range []string{"origin", "origin.default.svc", "origin.default.svc.cluster.local"} {
		if out := kubectl(t, c, "", "exec", "app", "--", "wget", "-q", "-O", "-", "http://"+name+"/"); !strings.Contains(out, "Welcome to nginx!") {
			t.Errorf("http://%s/ from a pod: %q", name, out)
		}
	}
	if out := kubectl(t, c, "", "logs", "origin"); !strings.Contains(out, "GET /spark/data.txt") {
		t.Errorf("the log of the origin has no request for the file:\n%s", out)
	}
	kubectl(t, c, "", "delete", "pod", "app", "--timeout=30s")
	mounts, err := mountsBelow(filepath.Join(c.MountRoot(), "test"))
	if err != nil || len(mounts) > 0 {
		t.Errorf("mounts of a deleted pod: %q, %v", mounts, err)
	}
	// The rest is Stop's to end, the origin in order.
	tr := noteTraces(t, dir)
	if err := c.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	tr.assertGone(t)
}

func TestTeardownOfBrokenNode(t *testing.T) {
	dir := nodeTest(t)
	ctx := testContext(t)
	c := startNode(ctx, t, dir)
	tr := noteTraces(t, dir)
	// As if the machine's memory had run out: nobody is left to end the pods.
	for _, p := range c.journal.get().Processes {
		if p.Name != "kube-apiserver" {
			if err := p.stop(ctx, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(tr.sockets) < 2 || len(processesMentioning(t, tr.dir)) < 3 {
		t.Errorf("the pods should still be there: %+v", tr)
	}
	started := time.Now()
	if err := Teardown(ctx, dir); err != nil {
		t.Fatal(err)
	}
	t.Logf("Teardown took %s", since(started))
	tr.assertGone(t)
}

func TestTeardownAfterCrashOfNodeStart(t *testing.T) {
	dir := nodeTest(t)
	for _, component := range []string{"containerd", "kubelet"} {
		crash(t, dir, component, crashNode+"=1")
		tr := noteTraces(t, dir)
		if err := Teardown(testContext(t), dir); err != nil {
			t.Fatal(err)
		}
		tr.assertGone(t)
	}
}

func TestStopWithPodThatIgnoresSIGTERM(t *testing.T) {
	dir := nodeTest(t)
	ctx := testContext(t)
	c := startNode(ctx, t, dir)
	kubectl(t, c, `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"stubborn"},"spec":{"containers":[
		{"name":"c","image":"nginx","imagePullPolicy":"IfNotPresent","command":["sleep","3600"]}]}}`, "apply", "-f", "-")
	kubectl(t, c, "", "wait", "--for=condition=Ready", "pod/stubborn", "--timeout=60s")
	tr := noteTraces(t, dir)
	started := time.Now()
	if err := c.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(started); took > 20*time.Second {
		t.Errorf("Stop took %s", took)
	}
	tr.assertGone(t)
	if _, err := c.client(); err == nil {
		t.Error("a stopped cluster still has a kubeconfig")
	}
	if _, err := Open(dir); err == nil {
		t.Error("Open of a stopped cluster: no error")
	}
}

func kubectl(t *testing.T, c *Cluster, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.Command(filepath.Join(c.BinDir(), "kubectl"), append([]string{"--kubeconfig", c.Kubeconfig()}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("kubectl %q: %v: %s%s", args, err, out, stderr.String())
	}
	return string(out)
}

// podManifest has an origin of files and a pod that sees them through a FUSE
// sidecar, whose directory on the node is the template's argument.
const podManifest = `
apiVersion: v1
kind: ConfigMap
metadata: {name: files}
data:
  default.conf: "server { listen 80; root /usr/share/nginx/html; autoindex on; }"
  data.txt: "data\n"
  config.json: |
    {"mounts": [
      {"mountPoint": "http://origin.default.svc/spark/", "name": "spark"},
      {"mountPoint": "http://origin.default.svc/flink/", "name": "other", "path": "/flink"}
    ], "targetPath": "{{.}}/fuse", "accessModes": ["ReadOnlyMany"]}
---
apiVersion: v1
kind: Service
metadata: {name: origin}
spec: {clusterIP: None, selector: {app: origin}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {name: origin, labels: {app: origin}}
spec:
  containers:
  - name: nginx
    image: nginx
    imagePullPolicy: IfNotPresent
    volumeMounts:
    - {name: files, mountPath: /etc/nginx/conf.d/default.conf, subPath: default.conf}
    - {name: files, mountPath: /usr/share/nginx/html/spark/data.txt, subPath: data.txt}
    - {name: files, mountPath: /usr/share/nginx/html/flink/data.txt, subPath: data.txt}
  volumes: [{name: files, configMap: {name: files}}]
---
apiVersion: v1
kind: Pod
metadata: {name: app}
spec:
  initContainers:
  - name: fuse
    image: kubectl-fluid/rclone-fuse
    imagePullPolicy: IfNotPresent
    restartPolicy: Always
    securityContext: {privileged: true}
    startupProbe: {exec: {command: [grep, -q, fuse.rclone, /proc/mounts]}, periodSeconds: 1, failureThreshold: 30}
    volumeMounts:
    - {name: files, mountPath: /etc/fluid/config}
    - {name: host, mountPath: "{{.}}", mountPropagation: Bidirectional}
  containers:
  - name: nginx
    image: nginx
    imagePullPolicy: IfNotPresent
    volumeMounts: [{name: host, mountPath: /data, mountPropagation: HostToContainer}]
  volumes:
  - {name: files, configMap: {name: files}}
  - {name: host, hostPath: {path: "{{.}}", type: DirectoryOrCreate}}
`
