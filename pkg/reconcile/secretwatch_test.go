package reconcile

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/livetest"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// TestSecretsAreWatchedWhereTheRoleIsBound: with the rights of the default install a reference that needs Secrets says
// so; once the role is bound in both namespaces it becomes ready, and a changed Secret reaches its mirror by an event.
func TestSecretsAreWatchedWhereTheRoleIsBound(t *testing.T) {
	installRoles(t)
	restricted := rest.CopyConfig(livetest.Config())
	restricted.QPS = -1
	restricted.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:kubectl-fluid-system:kubectl-fluid-controller",
		Groups: []string{"system:serviceaccounts", "system:authenticated"}}
	livetest.StartManagerOn(t, restricted, logr.Discard(), func(manager ctrl.Manager) error {
		if err := AddIndexes(t.Context(), manager); err != nil {
			return err
		}
		c := client.WithFieldOwner(manager.GetClient(), reference.FieldManager)
		references := &ReferenceReconciler{Client: c, Live: manager.GetAPIReader(), Recorder: manager.GetEventRecorder(reference.FieldManager),
			MirrorNames: reference.UniqueNames, Now: time.Now}
		if err := references.SetupWithManager(manager); err != nil {
			return err
		}
		return (&DatasetRefReconciler{Client: c}).SetupWithManager(manager)
	})
	s := newSpecimen(t)
	livetest.Create(t, s.ref)
	livetest.Eventually(t, "a finding", func() string {
		livetest.Refresh(t, s.ref)
		if condition := readyCondition(s.ref.Status.Conditions); condition.Status == corev1.ConditionFalse && condition.Reason != "NotRecorded" {
			return ""
		}
		return fmt.Sprintf("the status is %+v", s.ref.Status)
	})
	for _, namespace := range []string{s.physical, s.ref.Namespace} {
		livetest.Create(t, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "secrets"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "kubectl-fluid-secrets"},
			Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "kubectl-fluid-system", Name: "kubectl-fluid-controller"}},
		})
	}
	for end := time.Now().Add(2 * unreadDelay); time.Now().Before(end) && s.ref.Status.Phase != datav1alpha1.BoundPhase; time.Sleep(100 * time.Millisecond) {
		livetest.Refresh(t, s.ref) // that a role was bound is no event
	}
	awaitBound(t, s.ref)
	source := livetest.Refresh(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.physical, Name: "jfs-secret"}})
	for _, value := range []string{"second", "third"} {
		source.Data = map[string][]byte{"metaurl": []byte(value)}
		if err := livetest.Client().Update(t.Context(), source); err != nil {
			t.Fatal(err)
		}
		livetest.Eventually(t, "the mirror", func() string {
			list := &corev1.SecretList{}
			if err := livetest.Client().List(t.Context(), list, client.InNamespace(s.ref.Namespace)); err != nil {
				t.Fatal(err)
			}
			if len(list.Items) == 1 && string(list.Items[0].Data["metaurl"]) == value {
				return ""
			}
			return fmt.Sprintf("there are %d Secrets without the value", len(list.Items))
		})
	}
}

// installRoles creates the ClusterRoles of the default install, and binds the controller's.
func installRoles(t *testing.T) {
	t.Helper()
	bindings, err := os.ReadFile("../../config/rbac/bindings.yaml")
	if err != nil {
		t.Fatal(err)
	}
	roles, err := os.ReadFile("../../config/rbac/role.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for document := range bytes.SplitSeq(append(bindings, roles...), []byte("---\n")) {
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal(document, &kind); err != nil {
			t.Fatal(err)
		}
		var object client.Object
		switch kind.Kind {
		case "ClusterRole":
			object = &rbacv1.ClusterRole{}
		case "ClusterRoleBinding":
			object = &rbacv1.ClusterRoleBinding{}
		default:
			continue
		}
		if err := yaml.UnmarshalStrict(document, object); err != nil {
			t.Fatal(err)
		}
		livetest.Create(t, object)
		t.Cleanup(func() { _ = livetest.Client().Delete(context.Background(), object) })
	}
}
