package plugin

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/ref"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/workload"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

func everything() []string {
	return []string{"alluxio.yaml", "thin.yaml", "references.yaml", "pods.yaml", "served.yaml"}
}

// TestGoldenViews shows references in each way that there is.
func TestGoldenViews(t *testing.T) {
	for name, command := range map[string]string{
		"tree":             "ref tree -n ref",
		"tree-name-wide":   "ref tree refdemo -n ref -o wide",
		"tree-physical":    "ref tree nfs -n default",
		"tree-all-json":    "ref tree -A -o json",
		"tree-dot":         "ref tree -A -o dot",
		"tree-mermaid":     "ref tree -A -o mermaid",
		"tree-none":        "ref tree -n empty",
		"tree-missing":     "ref tree nosuch -n ref",
		"describe":         "ref describe refdemo -n ref",
		"describe-waiting": "ref describe waiting -n ref",
		"describe-yaml":    "ref describe refdemo -n ref -o yaml",
		"describe-missing": "ref describe nosuch -n ref",
		"describe-plain":   "ref describe plain -n ref",
		"diff":             "ref diff refdemo -n ref",
		"diff-json":        "ref diff refdemo -n ref -o json",
		"diff-waiting":     "ref diff waiting -n ref",
		"delete-dry-run":   "ref delete refdemo waiting -n ref --dry-run=client",
		"delete-plain":     "ref delete refdemo plain -n ref --yes",
		"delete-missing":   "ref delete nosuch -n ref --yes",
	} {
		t.Run(name, func(t *testing.T) {
			c := fakeClient(t, everything()...)
			if err := c.Create(t.Context(), own("unique")); err != nil {
				t.Fatal(err)
			}
			r := run(t.Context(), connectTo(c), command)
			compare(t, name+".txt", "$ kubectl fluid "+command+"\n"+r.text())
		})
	}
}

// forbidLists answers lists of some kinds in some namespaces (empty for lists of all) with Forbidden.
func forbidLists(kind, namespace string) interceptor.Funcs {
	return interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			gvk, err := c.GroupVersionKindFor(list)
			if err != nil {
				return err
			}
			o := (&client.ListOptions{}).ApplyOptions(options)
			if strings.TrimSuffix(gvk.Kind, "List") == kind && o.Namespace == namespace {
				return apierrors.NewForbidden(schema.GroupResource{Group: gvk.Group, Resource: strings.ToLower(kind) + "s"}, "", errors.New("no right"))
			}
			return c.List(ctx, list, options...)
		},
	}
}

// TestViewsForbidden shows what isn't known as unknown, never as nothing.
func TestViewsForbidden(t *testing.T) {
	for _, test := range []struct{ name, command, kind, namespace string }{
		{"tree-forbidden-datasets", "ref tree -n ref", "Dataset", ""},
		{"tree-forbidden-pods", "ref tree refdemo -n ref -o wide", "Pod", "ref"},
		{"tree-forbidden-claims", "ref tree refdemo -n ref -o wide", "PersistentVolumeClaim", "ref"},
		{"describe-forbidden-pods", "ref describe refdemo -n ref", "Pod", "ref"},
		{"describe-forbidden-events", "ref describe refdemo -n ref", "Event", "ref"},
		{"diff-forbidden-pods", "ref diff refdemo -n ref", "Pod", "ref"},
		{"delete-forbidden-pods", "ref delete refdemo -n ref --yes", "Pod", "ref"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := fakeClientWith(t, forbidLists(test.kind, test.namespace), everything()...)
			if err := c.Create(t.Context(), own("unique")); err != nil {
				t.Fatal(err)
			}
			r := run(t.Context(), connectTo(c), test.command)
			compare(t, test.name+".txt", "$ kubectl fluid "+test.command+"\n"+r.text())
		})
	}
}

// TestDiffOfSecretsShowsNoValue has a mirror whose Secret was changed: keys are shown, values never.
func TestDiffOfSecretsShowsNoValue(t *testing.T) {
	const canary = "c4n4ry"
	for _, format := range []string{"", " -o json", " -o yaml", " -o wide"} {
		var replies []string
		c := fakeClientWith(t, interceptor.Funcs{
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
				if secret, ok := object.(*corev1.Secret); ok {
					secret.Name, secret.Namespace = key.Name, key.Namespace
					secret.Data = map[string][]byte{"password": []byte(canary + key.Namespace), "more-" + key.Namespace: []byte(canary)}
					replies = append(replies, key.String())
					return nil
				}
				return c.Get(ctx, key, object, options...)
			},
		}, append(everything(), "nfs-reference.yaml")...)
		r := run(t.Context(), connectTo(c), "ref diff nfs -n ref"+format)
		if len(replies) != 2 || r.code != ExitFindings || !strings.Contains(r.out, "data.password") || strings.Contains(r.text(), canary) {
			t.Errorf("%v %s", replies, r.text())
		}
	}
}

// answering runs a command line for somebody who types an answer.
func answering(ctx context.Context, c client.WithWatch, answer, command string) result {
	var out, errOut bytes.Buffer
	code := Main(ctx, Environment{
		IOStreams: genericiooptions.IOStreams{In: strings.NewReader(answer), Out: &out, ErrOut: &errOut},
		Now:       testNow, Connect: connectTo(c), Interactive: true,
	}, strings.Fields(command))
	return result{out.String(), errOut.String(), code}
}

// TestDeleteAsks deletes after a yes only; without a terminal it needs --yes.
func TestDeleteAsks(t *testing.T) {
	exists := func(c client.Client) bool {
		object := cluster.NewDatasetObject()
		return c.Get(t.Context(), types.NamespacedName{Namespace: "ref", Name: "refdemo"}, object) == nil
	}
	for answer, deleted := range map[string]bool{"y\n": true, "YES\n": true, "yes": true, "n\n": false, "\n": false, "": false, "yep\n": false} {
		c := fakeClient(t, everything()...)
		r := answering(t.Context(), c, answer, "ref delete refdemo -n ref")
		want := ExitFailed
		if deleted {
			want = ExitOK
		}
		if r.code != want || exists(c) == deleted || !strings.Contains(r.err, "is used by") || !strings.Contains(r.err, "Delete the reference ref/refdemo? [y/N] ") {
			t.Errorf("%q: %s", answer, r.text())
		}
	}
	c := fakeClient(t, everything()...)
	if r := run(t.Context(), connectTo(c), "ref delete refdemo -n ref"); r.code != ExitUsage || !exists(c) {
		t.Error(r.text())
	}
	if r := run(t.Context(), connectTo(c), "ref delete refdemo -n ref --yes"); r.code != ExitOK || exists(c) {
		t.Error(r.text())
	}
}

// silence is a terminal on which nobody types anything.
type silence struct{ over <-chan struct{} }

func (s silence) Read([]byte) (int, error) {
	<-s.over
	return 0, io.EOF
}

// TestInterruptsEndQuestions: who interrupts a command that waits for an answer or for manifests has it end at once, and
// nothing is deleted.
func TestInterruptsEndQuestions(t *testing.T) {
	for command, question := range map[string]string{
		"ref delete refdemo -n ref":       "[y/N] ",
		"ref check -f - --offline":        "",
		"inject -f - -n ref --offline":    "",
		"ref delete waiting -n ref":       "[y/N] ",
		"inspect sidecar -f - -n ref":     "",
		"ref check -n ref -f - --lang=zh": "",
	} {
		c := fakeClientWith(t, interceptor.Funcs{
			Delete: func(_ context.Context, _ client.WithWatch, object client.Object, _ ...client.DeleteOption) error {
				t.Errorf("%s is deleted", object.GetName())
				return nil
			},
		}, everything()...)
		ctx, cancel := context.WithCancel(t.Context())
		asked := listenFor(question)
		if question == "" {
			time.AfterFunc(20*time.Millisecond, cancel)
		}
		wait := meanwhile(func() {
			select {
			case <-asked.heard:
				cancel()
			case <-ctx.Done():
			}
		})
		env := Environment{Connect: connectTo(c), Interactive: true}
		env.In, env.ErrOut = silence{t.Context().Done()}, asked
		r := runIn(ctx, env, strings.Fields(command))
		if r.code != ExitInterrupted || r.out != "" || !strings.HasSuffix(r.err, question+"\nerror: interrupted\n") && r.err != "error: interrupted\n" {
			t.Errorf("%s: %s", command, r.text())
		}
		wait()
	}
}

func TestChangedBy(t *testing.T) {
	entry := func(manager, fields string, minute int) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{Manager: manager, FieldsV1: metav1.NewFieldsV1(fields),
			Time: &metav1.Time{Time: time.Date(2026, 1, 2, 3, minute, 0, 0, time.UTC)}}
	}
	object := &metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{
		entry("first", `{"f:data":{"f:a":{},"f:b":{}}}`, 1),
		entry("second", `{"f:data":{"f:b":{}}}`, 2),
		entry("whole", `{"f:spec":{"f:csi":{}}}`, 3),
		entry("deep", `{"f:spec":{"f:list":{"k:{\"name\":\"x\"}":{"f:image":{}}}}}`, 4),
		entry("broken", `{"f:data`, 5),
	}}
	for _, test := range []struct {
		path []any
		want string
	}{
		{[]any{"data", "a"}, "first"},
		{[]any{"data", "b"}, "second,first"},
		{[]any{"data", "c"}, ""},
		{[]any{"spec", "csi"}, "whole"},
		{[]any{"spec", "csi", "driver"}, "whole"},
		{[]any{"spec", "list"}, "deep"},
		{[]any{"metadata"}, ""},
	} {
		var managers []string
		for _, text := range ref.ChangedBy(object, test.path...) {
			manager, _, _ := strings.Cut(text, " at ")
			managers = append(managers, manager)
		}
		if got := strings.Join(managers, ","); got != test.want {
			t.Errorf("%v: got %q, want %q", test.path, got, test.want)
		}
	}
}

func TestUseOf(t *testing.T) {
	pod := func(labels map[string]string, claims ...string) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ref", Labels: labels}}
		for _, claim := range claims {
			p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim}}})
		}
		return p
	}
	name, namespace := datav1alpha1.LabelSidecarDatasetName, datav1alpha1.LabelSidecarDatasetNamespace
	key := types.NamespacedName{Namespace: "ref", Name: "demo"}
	for _, test := range []struct {
		pod  *corev1.Pod
		want string
	}{
		{pod(nil), ""},
		{pod(nil, "other"), ""},
		{pod(nil, "other", "demo"), workload.UseClaim},
		{pod(map[string]string{name + "fluid-fuse-0": "demo", namespace + "fluid-fuse-0": "ref"}), workload.UseSidecar},
		{pod(map[string]string{name + "fluid-fuse-0": "demo"}), workload.UseSidecar},
		{pod(map[string]string{name + "fluid-fuse-0": "demo", namespace + "fluid-fuse-0": "else"}), ""},
		{pod(map[string]string{name + "fluid-fuse-0": "other", namespace + "fluid-fuse-0": "ref"}), ""},
	} {
		if got := workload.UseOf(test.pod, key); got != test.want {
			t.Errorf("%v: got %q, want %q", test.pod.Labels, got, test.want)
		}
	}
}

// TestRealDelete deletes a reference that something keeps for a while.
func TestRealDelete(t *testing.T) {
	r := newRealCluster(t)
	r.put(t, "goes", "alluxio.yaml")
	if res := r.run(t, "ref create demo -n goes --from default/phy"); res.code != ExitOK {
		t.Fatal(res.text())
	}
	r.mustNotWrite(t, "ref delete demo -n goes --dry-run=client", ExitOK)
	r.mustNotWrite(t, "ref delete demo -n goes --dry-run=server", ExitOK)
	r.mustNotWrite(t, "ref delete demo phy -n goes --yes", ExitFailed)
	r.mustNotWrite(t, "ref delete phy -n default --yes", ExitFailed)
	r.mustNotWrite(t, "ref tree -A -o dot", ExitOK)
	r.mustNotWrite(t, "ref describe demo -n goes", ExitOK)

	object := cluster.NewDatasetObject()
	key := types.NamespacedName{Namespace: "goes", Name: "demo"}
	if err := r.admin.Get(t.Context(), key, object); err != nil {
		t.Fatal(err)
	}
	object.SetFinalizers([]string{"example.com/keeps"})
	if err := r.admin.Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	res := r.run(t, "ref delete demo -n goes --yes --wait --timeout 500ms")
	if res.code != ExitTimeout || !strings.Contains(res.err, "its finalizers: example.com/keeps") {
		t.Fatal(res.text())
	}
	said := listenFor("Waiting: its finalizers: example.com/keeps")
	defer meanwhile(func() {
		said.wait()
		if err := r.admin.Get(t.Context(), key, object); err != nil {
			t.Error(err)
			return
		}
		object.SetFinalizers(nil)
		if err := r.admin.Update(t.Context(), object); err != nil {
			t.Error(err)
		}
	})()
	res = r.runHeard(t, said, "ref delete demo -n goes --yes --wait --timeout 60s")
	if res.code != ExitOK || !slices.Contains(strings.Split(res.out, "\n"), "The reference goes/demo has gone") {
		t.Error(res.text())
	}
}

// TestRealDiffNamesWhoChangedIt lets somebody change a copy behind the controller's back: managedFields have his name.
func TestRealDiffNamesWhoChangedIt(t *testing.T) {
	r := newRealCluster(t)
	r.put(t, "drifts", "alluxio.yaml")
	if res := r.run(t, "ref create demo -n drifts --from default/phy"); res.code != ExitOK {
		t.Fatal(res.text())
	}
	res := r.run(t, "ref describe demo -n drifts -o jsonpath={.objects[3].object}")
	name, ok := strings.CutPrefix(res.out, "ConfigMap drifts/")
	if !ok {
		t.Fatal(res.text())
	}
	dataset := cluster.NewDatasetObject()
	if err := r.admin.Get(t.Context(), types.NamespacedName{Namespace: "drifts", Name: "demo"}, dataset); err != nil {
		t.Fatal(err)
	}
	mirror := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "drifts", Name: name, Labels: map[string]string{reference.LabelReferenceUID: string(dataset.GetUID())},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "data.fluid.io/v1alpha1", Kind: "Dataset", Name: "demo", UID: dataset.GetUID()}}},
		Data: map[string]string{"ALLUXIO_JAVA_OPTS": "-Dalluxio.master.hostname=phy-master-0.default"},
	}
	if err := r.admin.Create(t.Context(), mirror, client.FieldOwner("the-controller")); err != nil {
		t.Fatal(err)
	}
	const diff = "ref diff demo -n drifts -o jsonpath={.differences[?(@.field==\"data.ALLUXIO_JAVA_OPTS\")].changedBy}"
	if res := r.run(t, diff); res.out != "" {
		t.Fatal(res.text())
	}
	mirror.Data["ALLUXIO_JAVA_OPTS"] = "else"
	if err := r.admin.Update(t.Context(), mirror, client.FieldOwner("somebody")); err != nil {
		t.Fatal(err)
	}
	if res := r.mustNotWrite(t, diff, ExitFindings); !strings.HasPrefix(res.out, `["somebody at `) || strings.Contains(res.out, "the-controller") {
		t.Error(res.text())
	}
}

// TestRealRequestsOfViews counts requests: each object is asked for once.
func TestRealRequestsOfViews(t *testing.T) {
	r := newRealCluster(t)
	r.put(t, "budget", "alluxio.yaml")
	if res := r.run(t, "ref create demo -n budget --from default/phy"); res.code != ExitOK {
		t.Fatal(res.text())
	}
	for command, want := range map[string]int{
		"ref describe demo -n budget --mirror-names=unique": 15,
		"ref delete demo -n budget --dry-run=server --yes":  3,
		"explain KF3004": 0,
		"rbac print":     0,
		"inject -f testdata/inject/nothing.yaml -n budget --kubernetes 1.37": 2,
	} {
		rec := &recorder{}
		res := run(t.Context(), func(kubeconfig Kubeconfig) Connection {
			return cluster.NewConnection(recordingKubeconfig{kubeconfig, rec}, "v1.2.3", t.Output())
		}, command+" --kubeconfig "+r.kubeconfig)
		if res.code != ExitOK || len(rec.requests) != want {
			t.Errorf("%s: exit code %d, %d requests, want %d:\n%s", command, res.code, len(rec.requests), want, strings.Join(rec.requests, "\n"))
		}
	}
}
