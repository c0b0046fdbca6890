package inject

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	testcluster "github.com/kubectl-fluid/kubectl-fluid/test/cluster"
)

// startAPIServer starts a control plane with the namespace ref, and stops it after the test. It returns the client of an
// administrator and what to make more clients of.
func startAPIServer(t *testing.T) (client.Client, *rest.Config) {
	t.Helper()
	if testing.Short() {
		t.Skip("it takes a control plane")
	}
	stateDir, err := os.MkdirTemp("", "inject")
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	c, err := testcluster.Start(ctx, testcluster.Options{StateDir: stateDir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if stopErr := errors.Join(c.Stop(ctx), os.RemoveAll(stateDir)); stopErr != nil {
			t.Error(stopErr)
		}
	})
	config, err := c.RESTConfig()
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1
	admin, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err = admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "ref"}}); err != nil {
		t.Fatal(err)
	}
	err = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		getErr := admin.Get(ctx, client.ObjectKey{Namespace: "ref", Name: "default"}, &corev1.ServiceAccount{})
		return getErr == nil, client.IgnoreNotFound(getErr)
	})
	if err != nil {
		t.Fatal("waiting for the ServiceAccount of the namespace ref: ", err)
	}
	return admin, config
}

// tryPod creates a pod as a dry run, with every field known.
func tryPod(t *testing.T, admin client.Client, raw []byte, unknown bool) (*unstructured.Unstructured, error) {
	t.Helper()
	pod := &unstructured.Unstructured{}
	if err := json.Unmarshal(raw, pod); err != nil {
		t.Fatal(err)
	}
	validation := client.FieldValidation("Strict")
	if unknown {
		validation = "Ignore"
	}
	return pod, admin.Create(t.Context(), pod, client.DryRunAll, validation)
}

// installPolicy installs the policy that refuses pods whose sidecars were lost or changed, and waits until it does.
func installPolicy(t *testing.T, admin client.Client) {
	t.Helper()
	text, err := os.ReadFile("../../config/webhook/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for document := range bytes.SplitSeq(text, []byte("\n---\n")) {
		object := &unstructured.Unstructured{}
		if err = yaml.Unmarshal(document, object); err != nil {
			t.Fatal(err)
		}
		if err = admin.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	lost := switched(t, "nginx", "{done.sidecar.fluid.io/inject: 'true', dataset-name.sidecar.fluid.io/fluid-fuse-0: refdemo}", AnnotationInjectedBy+": somebody")
	err = wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		_, tryErr := tryPod(t, admin, lost, false)
		return apierrors.IsForbidden(tryErr), nil
	})
	if err != nil {
		t.Fatal("waiting for the policy to refuse a pod that has lost its sidecar: ", err)
	}
}

// TestTheAPIServerTakesEveryPatchedPod of the golden files, and so does the policy. A pod that it doesn't take for a
// reason of its own, it doesn't take before either.
func TestTheAPIServerTakesEveryPatchedPod(t *testing.T) {
	admin, _ := startAPIServer(t)
	installPolicy(t, admin)
	taken := 0
	for _, c := range admissionCases(t) {
		patched, changed := c.patched(t, c.reader(t))
		if !changed {
			continue
		}
		if created, err := tryPod(t, admin, patched, c.Unknown); err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else {
			checkDefaulted(t, c.name, created)
			taken++
		}
	}
	for _, c := range goldenCases() {
		if _, err := tryPod(t, admin, c.patched(t), c.unknown); err != nil {
			if _, before := tryPod(t, admin, readPod(t, c.pod), c.unknown); !apierrors.IsInvalid(before) {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	}
	t.Logf("%d patched pods were taken", taken)
	if taken < 120 {
		t.Errorf("only %d pods were patched and taken", taken)
	}
}

// checkDefaulted makes sure that the API server understands of a pod what the engine wrote: nothing of it was dropped.
func checkDefaulted(t *testing.T, name string, created *unstructured.Unstructured) {
	t.Helper()
	raw := encode(t, created.Object)
	pod := mustTyped(t, raw)
	for _, container := range pod.Spec.InitContainers {
		if container.Name == "fluid-fuse-0" && (container.RestartPolicy == nil || *container.RestartPolicy != corev1.ContainerRestartPolicyAlways) {
			t.Errorf("%s: the native sidecar is an ordinary init container", name)
		}
	}
	// What was injected stays as it is on a pod that the API server has completed.
	if again := mustRead(t, raw); len(again.injectedVolumes()) == 0 {
		t.Errorf("%s: %v", name, created.GetAnnotations())
	}
}
