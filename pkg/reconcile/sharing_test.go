package reconcile

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/livetest"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// revocationWithin is how long a reference may have what isn't shared with it any more.
const revocationWithin = 5 * time.Second

// startSharing runs the reconcilers with a policy and returns the events that they make.
func startSharing(t *testing.T, sharing reference.Sharing) <-chan string {
	t.Helper()
	recorder := events.NewFakeRecorder(1000)
	livetest.StartManager(t, func(manager ctrl.Manager) error {
		if err := AddIndexes(t.Context(), manager); err != nil {
			return err
		}
		c := client.WithFieldOwner(manager.GetClient(), reference.FieldManager)
		references := &ReferenceReconciler{Client: c, Live: manager.GetAPIReader(), Recorder: recorder,
			MirrorNames: reference.UniqueNames, Sharing: sharing, Now: time.Now}
		if err := references.SetupWithManager(manager); err != nil {
			return err
		}
		return (&DatasetRefReconciler{Client: c, Sharing: sharing}).SetupWithManager(manager)
	})
	return recorder.Events
}

// share sets the list of the owner of a physical Dataset; null removes it.
func share(t *testing.T, physical, list string) {
	t.Helper()
	value := "null"
	if list != "null" {
		value = fmt.Sprintf("%q", list)
	}
	dataset := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "phy"}}
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%s}}}`, reference.AnnotationSharedWith, value)
	if err := livetest.Client().Patch(t.Context(), dataset, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		t.Fatal(err)
	}
}

// mirroredSecrets returns the names of the Secrets that were mirrored into a reference's namespace.
func mirroredSecrets(t *testing.T, ref *datav1alpha1.Dataset) (names []string) {
	t.Helper()
	list := &corev1.SecretList{}
	if err := livetest.Client().List(t.Context(), list, client.InNamespace(ref.Namespace), client.HasLabels{reference.LabelReferenceUID}); err != nil {
		t.Fatal(err)
	}
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	return names
}

func readyReason(conditions []datav1alpha1.DatasetCondition) string {
	for _, condition := range conditions {
		if condition.Type == reference.ConditionReferenceReady {
			return condition.Reason
		}
	}
	return ""
}

// awaitRevoked waits until a reference has lost what it must lose.
func awaitRevoked(t *testing.T, ref *datav1alpha1.Dataset) {
	t.Helper()
	began := time.Now()
	livetest.Eventually(t, "revocation", func() string {
		livetest.Refresh(t, ref)
		reason := readyReason(ref.Status.Conditions)
		if ref.Status.Phase == datav1alpha1.NotBoundPhase && reason == "NotShared" && len(mirrors(t, ref)) == 0 && len(mirroredSecrets(t, ref)) == 0 {
			return ""
		}
		return fmt.Sprintf("phase %s, reason %s, %d ConfigMaps, Secrets %v", ref.Status.Phase, reason, len(mirrors(t, ref)), mirroredSecrets(t, ref))
	})
	if took := time.Since(began); took > revocationWithin {
		t.Errorf("revocation took %s", took)
	}
}

// createUser creates a pod that has the sidecar of a reference. Without a node it never runs.
func createUser(t *testing.T, ref *datav1alpha1.Dataset, name string) {
	t.Helper()
	livetest.Create(t, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: ref.Namespace, Name: name, Labels: map[string]string{
			datav1alpha1.LabelInjectionDone:                            "true",
			datav1alpha1.LabelSidecarDatasetName + "fluid-fuse-0":      ref.Name,
			datav1alpha1.LabelSidecarDatasetNamespace + "fluid-fuse-0": ref.Namespace,
		}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app"}}},
	})
}

// TestUnsharingRevokesAndSharingRestores: mirrors go at once, volume and claim stay for pods that run, which are named;
// nothing else of the namespace is touched; sharing again brings everything back.
func TestUnsharingRevokesAndSharingRestores(t *testing.T) {
	made := startSharing(t, reference.SharingRBAC)
	physical := newPhysicalOf(t, "juicefs")
	ref := newBoundReference(t, physical)
	foreign := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ref.Namespace, Name: "foreign"}, Data: map[string][]byte{"a": []byte("b")}}
	livetest.Create(t, foreign)
	createUser(t, ref, "reader")
	if len(mirrors(t, ref)) != 1 || len(mirroredSecrets(t, ref)) != 1 {
		t.Fatal("there is nothing to revoke")
	}
	kept := []client.Object{
		&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: ref.Namespace, Name: "refdemo"}},
		&corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: ref.Namespace + "-refdemo"}},
		&datav1alpha1.ThinRuntime{ObjectMeta: metav1.ObjectMeta{Namespace: ref.Namespace, Name: "refdemo"}},
		foreign,
	}
	uids := map[client.Object]types.UID{}
	for _, object := range kept {
		uids[object] = livetest.Refresh(t, object).GetUID()
	}
	share(t, physical, "somebody-else")
	awaitRevoked(t, ref)
	phy := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "phy"}}
	livetest.Eventually(t, "the physical Dataset is free", func() string { return strings.Join(livetest.Refresh(t, phy).Status.DatasetRef, ",") })
	share(t, physical, "somebody-else,another")
	livetest.Never(t, func() string {
		for _, object := range kept {
			if livetest.Refresh(t, object); object.GetUID() != uids[object] || object.GetDeletionTimestamp() != nil {
				return fmt.Sprintf("%T %s didn't stay", object, object.GetName())
			}
		}
		if len(mirrors(t, ref)) > 0 || len(mirroredSecrets(t, ref)) > 0 {
			return "mirrors came back"
		}
		return ""
	})
	share(t, physical, "somebody-else,"+ref.Namespace)
	awaitBound(t, ref)
	if len(mirrors(t, ref)) != 1 || len(mirroredSecrets(t, ref)) != 1 {
		t.Errorf("mirrors: %d ConfigMaps, Secrets %v", len(mirrors(t, ref)), mirroredSecrets(t, ref))
	}
	checkRevocationEvents(t, made)
}

// checkRevocationEvents wants one event of the revocation, and one that names the pod.
func checkRevocationEvents(t *testing.T, made <-chan string) {
	t.Helper()
	var revoked, named []string
	for len(made) > 0 {
		switch event := <-made; {
		case strings.Contains(event, "StillInUse"):
			named = append(named, event)
		case strings.Contains(event, "NotShared"):
			revoked = append(revoked, event)
		}
	}
	if len(revoked) != 1 || len(named) != 1 || !strings.Contains(strings.Join(named, ""), "reader") {
		t.Errorf("events of the revocation %q, of pods %q", revoked, named)
	}
}

// TestRevocationWhileThePhysicalIsBroken: Secrets go too when nothing tells any more what would be mirrored.
func TestRevocationWhileThePhysicalIsBroken(t *testing.T) {
	startSharing(t, reference.SharingRBAC)
	physical := newPhysicalOf(t, "juicefs")
	ref := newBoundReference(t, physical)
	phy := livetest.Refresh(t, &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "phy"}})
	patch := client.RawPatch(types.MergePatchType, []byte(`{"status":{"phase":"NotBound","runtimes":null}}`))
	if err := livetest.Client().Status().Patch(t.Context(), phy, patch); err != nil {
		t.Fatal(err)
	}
	livetest.Eventually(t, "the reference hears of it", func() string {
		if livetest.Refresh(t, ref); readyReason(ref.Status.Conditions) == "PhysicalDatasetNotBound" {
			return ""
		}
		return fmt.Sprintf("conditions %+v", ref.Status.Conditions)
	})
	share(t, physical, "")
	awaitRevoked(t, ref)
}

// TestRevocationWhileTheControllerWasDown: what changed meanwhile is made true at the start.
func TestRevocationWhileTheControllerWasDown(t *testing.T) {
	var ref *datav1alpha1.Dataset
	physical, namespace := newPhysicalOf(t, "juicefs"), livetest.NewNamespace(t)
	t.Run("before", func(t *testing.T) {
		startSharing(t, reference.SharingRBAC)
		ref = newReference(t, namespace, "refdemo", physical)
		awaitBound(t, ref)
	})
	share(t, physical, "somebody-else")
	startSharing(t, reference.SharingRBAC)
	awaitRevoked(t, ref)
	share(t, physical, "null")
	awaitBound(t, ref)
}

// TestPoliciesInTheController: the policy owner needs a list, open doesn't look at one.
func TestPoliciesInTheController(t *testing.T) {
	physical := newPhysicalOf(t, "alluxio")
	ref := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: livetest.NewNamespace(t), Name: "refdemo"}}
	ref.Spec.Mounts = []datav1alpha1.Mount{{MountPoint: "dataset://" + physical + "/phy"}}
	t.Run("owner", func(t *testing.T) {
		startSharing(t, reference.SharingOwner)
		livetest.Create(t, ref)
		awaitRevoked(t, ref)
		if livetest.Exists(t, &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: ref.Namespace, Name: "refdemo"}}) {
			t.Error("there is a claim")
		}
		share(t, physical, "*")
		awaitBound(t, ref)
		share(t, physical, "")
		awaitRevoked(t, ref)
	})
	t.Run("open", func(t *testing.T) {
		startSharing(t, reference.SharingOpen)
		awaitBound(t, ref)
	})
}
