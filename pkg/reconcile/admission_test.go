package reconcile

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/livetest"
)

// installDeadAdmission installs the webhook configuration for Datasets with nobody behind it, until the test ends.
func installDeadAdmission(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile("../../config/webhook/webhooks.yaml")
	if err != nil {
		t.Fatal(err)
	}
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	for document := range bytes.SplitSeq(text, []byte("\n---\n")) {
		if bytes.Contains(document, []byte("kind: ValidatingWebhookConfiguration")) {
			if err := yaml.UnmarshalStrict(document, configuration); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(configuration.Webhooks) != 1 || len(configuration.Webhooks[0].MatchConditions) == 0 {
		t.Fatalf("the configuration is %+v", configuration)
	}
	livetest.Create(t, configuration)
	t.Cleanup(func() {
		if err := livetest.Client().Delete(context.Background(), configuration); err != nil {
			t.Error(err)
		}
	})
}

// dataset returns a Dataset with mounts.
func dataset(namespace, name string, mountPoints ...string) *datav1alpha1.Dataset {
	made := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	for _, mountPoint := range mountPoints {
		made.Spec.Mounts = append(made.Spec.Mounts, datav1alpha1.Mount{MountPoint: mountPoint})
	}
	return made
}

// TestOnlyReferencesWaitForAdmission: while nobody answers for the webhook, the API server decides by itself about every
// Dataset without a dataset:// mount, whatever is done to it, and about the statuses and the end of all; what is or becomes a reference
// is refused.
func TestOnlyReferencesWaitForAdmission(t *testing.T) {
	namespace := livetest.NewNamespace(t)
	ref, former := dataset(namespace, "before", "dataset://default/phy"), dataset(namespace, "former", "dataset://default/phy")
	livetest.Create(t, ref, former)
	installDeadAdmission(t)
	refused := func(err error) bool {
		return err != nil && strings.Contains(err.Error(), "reference.kubectl-fluid.dev")
	}
	livetest.Eventually(t, "the configuration is in force", func() string {
		if !refused(livetest.Client().Create(t.Context(), dataset(namespace, "new", "dataset://default/phy"), client.DryRunAll)) {
			return "a reference is created"
		}
		return ""
	})
	patch := func(object client.Object, text string) error {
		return livetest.Client().Patch(t.Context(), object, client.RawPatch(types.MergePatchType, []byte(text)))
	}
	ordinary := dataset(namespace, "ordinary", "https://example.com/")
	for _, step := range []struct {
		about   string
		refused bool
		do      func() error
	}{
		{"an ordinary one", false, func() error { return livetest.Client().Create(t.Context(), ordinary) }},
		{"one without mounts", false, func() error { return livetest.Client().Create(t.Context(), dataset(namespace, "empty")) }},
		{"several mounts", false, func() error {
			return livetest.Client().Create(t.Context(), dataset(namespace, "several", "s3://a/", "pvc://dataset", "local:///dataset://"))
		}},
		{"its label", false, func() error { return patch(ordinary, `{"metadata":{"labels":{"a":"b"}}}`) }},
		{"its mounts", false, func() error { return patch(ordinary, `{"spec":{"mounts":[{"mountPoint":"https://example.org/"}]}}`) }},
		{"its mounts taken away", false, func() error { return patch(ordinary, `{"spec":{"mounts":null}}`) }},
		{"its status", false, func() error {
			return livetest.Client().Status().Patch(t.Context(), ordinary, client.RawPatch(types.MergePatchType, []byte(`{"status":{"phase":"Bound","conditions":[]}}`)))
		}},
		{"a reference's status", false, func() error {
			return livetest.Client().Status().Patch(t.Context(), ref, client.RawPatch(types.MergePatchType, []byte(`{"status":{"phase":"NotBound","conditions":[]}}`)))
		}},
		{"a reference's end", false, func() error { return livetest.Client().Delete(t.Context(), former) }},
		{"an ordinary one's end", false, func() error { return livetest.Client().Delete(t.Context(), dataset(namespace, "empty")) }},

		{"a reference", true, func() error {
			return livetest.Client().Create(t.Context(), dataset(namespace, "new", "dataset://default/phy"))
		}},
		{"one with the scheme in capitals", true, func() error {
			return livetest.Client().Create(t.Context(), dataset(namespace, "new", "DataSet://default/phy"))
		}},
		{"one with other mounts too", true, func() error {
			return livetest.Client().Create(t.Context(), dataset(namespace, "new", "https://example.com/", "dataset://default/phy"))
		}},
		{"an ordinary one becomes a reference", true, func() error {
			return patch(ordinary, `{"spec":{"mounts":[{"mountPoint":"dataset://default/phy"}]}}`)
		}},
		{"a reference becomes an ordinary one", true, func() error { return patch(ref, `{"spec":{"mounts":[{"mountPoint":"https://example.com/"}]}}`) }},
		{"a reference loses its mounts", true, func() error { return patch(ref, `{"spec":{"mounts":null}}`) }},
	} {
		if err := step.do(); refused(err) != step.refused || (err != nil) != step.refused {
			t.Errorf("%s: %v", step.about, err)
		}
	}
}
