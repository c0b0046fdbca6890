package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/test/harness"
)

func newReference(namespace, name string, mountPoints ...string) *datav1alpha1.Dataset {
	dataset := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	dataset.Status.Conditions = []datav1alpha1.DatasetCondition{}
	for i, mountPoint := range mountPoints {
		dataset.Spec.Mounts = append(dataset.Spec.Mounts, datav1alpha1.Mount{MountPoint: mountPoint, Name: fmt.Sprint("mount", i)})
	}
	return dataset
}

// TestAdmissionRefusesWhatCannotWork: each mistake is refused with its code, on creation, and nothing is left of it.
func TestAdmissionRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "admission")
	kubectl(t, "fluid ref create good --from default/phy --wait --timeout=30s -n "+namespace)
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "mine"},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{"storage": resource.MustParse("1Gi")}},
		},
	}
	if err := shared.client.Create(t.Context(), claim); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		about  string
		name   string
		mounts []string
		code   finding.Code
	}{
		{"no name", "bad", []string{"dataset://default"}, finding.CodeMountPointMalformed},
		{"empty name", "bad", []string{"dataset://default/"}, finding.CodeMountPointMalformed},
		{"empty namespace", "bad", []string{"dataset:///phy"}, finding.CodeMountPointMalformed},
		{"upper-case scheme", "bad", []string{"Dataset://default/phy"}, finding.CodeMountPointMalformed},
		{"upper-case name", "bad", []string{"dataset://default/Phy"}, finding.CodeMountPointMalformed},
		{"leading out", "bad", []string{"dataset://default/phy/../secret"}, finding.CodeMountPointMalformed},
		{"shell characters", "bad", []string{"dataset://default/phy/a;id>x"}, finding.CodeMountPointMalformed},
		{"two references", "bad", []string{"dataset://default/phy", "dataset://default/phy"}, finding.CodeMountsMixed},
		{"mixed", "bad", []string{"dataset://default/phy", "https://example.com/"}, finding.CodeMountsMixed},
		{"to a reference", "bad", []string{"dataset://" + namespace + "/good"}, finding.CodeChain},
		{"to itself", "bad", []string{"dataset://" + namespace + "/bad"}, finding.CodeSelfReference},
		{"name of a claim", "mine", []string{"dataset://default/phy"}, finding.CodeClaimNameTaken},
	} {
		t.Run(test.about, func(t *testing.T) {
			err := shared.client.Create(t.Context(), newReference(namespace, test.name, test.mounts...))
			if err == nil || !strings.Contains(err.Error(), string(test.code)) {
				t.Errorf("error %v, want %s", err, test.code)
			}
		})
	}
	if names := kubectl(t, "get datasets,thinruntimes,persistentvolumeclaims -o name -n "+namespace); names !=
		"dataset.data.fluid.io/good\nthinruntime.data.fluid.io/good\npersistentvolumeclaim/good\npersistentvolumeclaim/mine\n" {
		t.Errorf("there are %s", names)
	}
}

// TestMountPointCannotChange: a reference goes on leading where its volume leads.
func TestMountPointCannotChange(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "change")
	kubectl(t, "fluid ref create fixed --from default/phy --wait --timeout=30s -n "+namespace)
	message := kubectlError(t, "", `patch dataset fixed --type=json -p [{"op":"replace","path":"/spec/mounts/0/mountPoint","value":"dataset://default/other"}] -n `+namespace)
	if !strings.Contains(message, string(finding.CodeMountPointChanged)) {
		t.Errorf("refused with %s", message)
	}
	kubectl(t, "label dataset fixed still=changeable -n "+namespace)
}

// TestReferenceWaitsForPhysical: a reference may come before what it refers to; it says what it waits for, and is Bound
// when that is there.
func TestReferenceWaitsForPhysical(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "waiting")
	if err := shared.client.Create(t.Context(), newReference(namespace, "early", "dataset://"+namespace+"/late")); err != nil {
		t.Fatal(err)
	}
	expect := func(reason string) {
		t.Helper()
		harness.Eventually(t, 10*time.Second, func() error {
			ref := get(t, namespace, "early", &datav1alpha1.Dataset{})
			for _, condition := range ref.Status.Conditions {
				if condition.Type == reference.ConditionReferenceReady && condition.Reason == reason {
					return nil
				}
			}
			return fmt.Errorf("want the reason %s, conditions are %+v", reason, ref.Status.Conditions)
		})
	}
	expect("PhysicalDatasetMissing")
	if err := shared.client.Create(t.Context(), newReference(namespace, "late", "https://example.com/data/")); err != nil {
		t.Fatal(err)
	}
	expect("PhysicalDatasetNotBound")
	manifest, err := os.ReadFile("../../examples/walkthrough/nginx.yaml")
	if err != nil {
		t.Fatal(err)
	}
	pod := strings.ReplaceAll(string(manifest), "claimName: refdemo", "claimName: early")
	if message := kubectlError(t, pod, "create -f - -n "+namespace); !strings.Contains(message, string(finding.CodePhysicalUnbound)) {
		t.Errorf("the pod was refused with %s", message)
	}
	thin := `{"apiVersion": "data.fluid.io/v1alpha1", "kind": "ThinRuntime", "metadata": {"name": "late"}, "spec": {"profileName": "rclone"}}`
	if _, err := shared.Output(t.Context(), thin,
		"kubectl", "create", "-n", namespace, "-f", "-"); err != nil {
		t.Fatal(err)
	}
	expect(reference.ReasonReady)
}

// TestPodSecurityIsSaidAhead: a namespace that will refuse pods with sidecars is a warning when the reference is made,
// and the pod is indeed refused.
func TestPodSecurityIsSaidAhead(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, "baseline")
	kubectl(t, "label namespace "+namespace+" pod-security.kubernetes.io/enforce=baseline")
	output := kubectl(t, "fluid ref check --from default/phy --name refdemo -n "+namespace)
	if !strings.Contains(output, string(finding.CodePodSecurity)) {
		t.Errorf("the check says %s", output)
	}
	kubectl(t, "fluid ref create refdemo --from default/phy --wait --timeout=30s -n "+namespace)
	if message := kubectlError(t, "", "create -f examples/walkthrough/nginx.yaml -n "+namespace); !strings.Contains(message, "hostPath") {
		t.Errorf("the pod was refused with %s", message)
	}
}
