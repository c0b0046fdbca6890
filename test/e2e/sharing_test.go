package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/test/harness"
)

// sharedDataset is a physical Dataset with its runtime.
const sharedDataset = `
apiVersion: data.fluid.io/v1alpha1
kind: Dataset
metadata: {name: payroll}
spec: {mounts: [{mountPoint: "http://origin.default.svc.cluster.local/apache/spark/", name: spark}]}
---
apiVersion: data.fluid.io/v1alpha1
kind: ThinRuntime
metadata: {name: payroll}
spec: {profileName: rclone}
`

// sharing is a Dataset of one namespace, and a user of another one, who may create Datasets there and nothing else.
type sharing struct {
	owner, consumer string
	user            string
}

func newSharing(t *testing.T) *sharing {
	t.Helper()
	s := &sharing{owner: newNamespace(t, "owner"), consumer: newNamespace(t, "consumer")}
	s.user = "system:serviceaccount:" + s.consumer + ":user"
	if _, err := shared.Output(t.Context(), sharedDataset, "kubectl", "apply", "-n", s.owner, "-f", "-"); err != nil {
		t.Fatal(err)
	}
	kubectl(t, "wait dataset/payroll --for=jsonpath={.status.phase}=Bound --timeout=60s -n "+s.owner)
	kubectl(t, "create serviceaccount user -n "+s.consumer)
	kubectl(t, "create role datasets --verb=get,create --resource=datasets.data.fluid.io -n "+s.consumer)
	kubectl(t, "create rolebinding datasets --role=datasets --serviceaccount="+s.consumer+":user -n "+s.consumer)
	return s
}

// create lets the user create a reference, and returns the error.
func (s *sharing) create(t *testing.T, name, physical string) error {
	t.Helper()
	manifest := fmt.Sprintf(`{"apiVersion": "data.fluid.io/v1alpha1", "kind": "Dataset", "metadata": {"name": %q},
		"spec": {"mounts": [{"mountPoint": "dataset://%s/%s"}]}}`, name, s.owner, physical)
	_, err := shared.Output(t.Context(), manifest, "kubectl", "create", "--as="+s.user, "-n", s.consumer, "-f", "-")
	return err
}

// refused makes sure that the user is refused a reference with a finding, and returns its text without the Dataset's name.
func (s *sharing) refused(t *testing.T, name, physical string, code finding.Code) string {
	t.Helper()
	message := ""
	// The user's right to create Datasets may be too new for the API server.
	harness.Eventually(t, 10*time.Second, func() error {
		err := s.create(t, name, physical)
		if err == nil {
			t.Fatalf("the reference %s to %s was created", name, physical)
		}
		if message = err.Error(); !strings.Contains(message, string(code)) {
			return fmt.Errorf("refused with %s, want %s", message, code)
		}
		return nil
	})
	_, message, _ = strings.Cut(message, string(code)) // before it: the command
	return strings.ReplaceAll(message, physical, "NAME")
}

// expect waits until the reference refdemo has a phase and a reason.
func (s *sharing) expect(t *testing.T, phase datav1alpha1.DatasetPhase, reason string) {
	t.Helper()
	harness.Eventually(t, 10*time.Second, func() error {
		ref := get(t, s.consumer, "refdemo", &datav1alpha1.Dataset{})
		for _, condition := range ref.Status.Conditions {
			if condition.Type == reference.ConditionReferenceReady && condition.Reason == reason && ref.Status.Phase == phase {
				return nil
			}
		}
		return fmt.Errorf("want %s and %s, the status is %+v", phase, reason, ref.Status)
	})
}

// TestWhoMayReferToADataset: nobody without a right, then who has it, then whom the owner's list names.
func TestWhoMayReferToADataset(t *testing.T) {
	t.Parallel()
	s := newSharing(t)
	existing, absent := s.refused(t, "refdemo", "payroll", finding.CodeNotAllowed), s.refused(t, "refdemo", "nosuch", finding.CodeNotAllowed)
	if existing != absent {
		t.Errorf("the refusals of a Dataset that exists and of one that doesn't differ:\n%s\n%s", existing, absent)
	}
	kubectl(t, "create rolebinding users --clusterrole=fluid-dataset-user --serviceaccount="+s.consumer+":user -n "+s.owner)
	harness.Eventually(t, 10*time.Second, func() error { return s.create(t, "refdemo", "payroll") })
	s.expect(t, datav1alpha1.BoundPhase, reference.ReasonReady)
	kubectl(t, "create -f examples/walkthrough/nginx.yaml -n "+s.consumer)
	if shared.Node {
		kubectl(t, "wait pod/nginx --for=condition=Ready --timeout=60s -n "+s.consumer)
	}
	t.Run("a list takes the right away", s.listRevokes)
	t.Run("sharing gives it back", s.sharingRestores)
	kubectl(t, "delete pod/nginx --timeout=60s -n "+s.consumer)
	kubectl(t, "delete dataset/refdemo --timeout=60s -n "+s.consumer)
	kubectl(t, "delete dataset/payroll --timeout=60s -n "+s.owner)
}

func (s *sharing) listRevokes(t *testing.T) {
	if message := kubectlError(t, "", "fluid ref share "+s.owner+"/payroll --with other"); !strings.Contains(message, s.consumer) {
		t.Errorf("sharing with others only is refused with %s", message)
	}
	kubectl(t, "fluid ref share "+s.owner+"/payroll --with other --revoke-others")
	s.expect(t, datav1alpha1.NotBoundPhase, "NotShared")
	harness.Eventually(t, 5*time.Second, func() error {
		if mirrors := kubectl(t, "get configmaps -o name -l "+reference.LabelReferenceUID+" -n "+s.consumer); mirrors != "" {
			return fmt.Errorf("there are the mirrors %s", mirrors)
		}
		return nil
	})
	s.refused(t, "second", "payroll", finding.CodeNotShared)
	if answer := kubectlError(t, "", "fluid ref can-i --from "+s.owner+"/payroll -n "+s.consumer); !strings.Contains(answer, "exit status 3") {
		t.Errorf("can-i answers %s", answer)
	}
	kubectl(t, "get persistentvolumeclaim/refdemo -n "+s.consumer)
	pod := `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "late", "labels": {"serverless.fluid.io/inject": "true"}}, "spec": {
		"containers": [{"name": "app", "image": "app", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
		"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "refdemo"}}]}}`
	if message := kubectlError(t, pod, "create -f - -n "+s.consumer); !strings.Contains(message, string(finding.CodeNotShared)) {
		t.Errorf("a pod is refused with %s", message)
	}
	harness.Eventually(t, 5*time.Second, func() error {
		if events := kubectl(t, "get events -n "+s.consumer); !strings.Contains(events, "pods still have its sidecar: nginx") {
			return fmt.Errorf("no event names the pod: %s", events)
		}
		return nil
	})
	if shared.Node {
		if output := kubectl(t, "exec nginx -c nginx -n "+s.consumer+" -- ls /data_spark"); output != "spark\n" {
			t.Errorf("the pod that ran before sees %q", output)
		}
	}
}

func (s *sharing) sharingRestores(t *testing.T) {
	kubectl(t, "delete rolebinding users -n "+s.owner)
	kubectl(t, "fluid ref share "+s.owner+"/payroll --with "+s.consumer)
	s.expect(t, datav1alpha1.BoundPhase, reference.ReasonReady)
	if mirrors := kubectl(t, "get configmaps -o name -l "+reference.LabelReferenceUID+" -n "+s.consumer); mirrors == "" {
		t.Error("there are no mirrors")
	}
	// The list needs no right beside it.
	harness.Eventually(t, 10*time.Second, func() error { return s.create(t, "second", "payroll") })
	kubectl(t, "delete dataset/second --timeout=60s -n "+s.consumer)
}
