package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/observe"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/livetest"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference/referencetest"
)

// TestMirrorStrippedOfItsMarkIsRepaired: of a mirror the mark is taken off, or given to another, or the owner is taken
// off. One write puts it back, and the reference stays ready meanwhile.
func TestMirrorStrippedOfItsMarkIsRepaired(t *testing.T) {
	for _, names := range []reference.MirrorNames{reference.UniqueNames, reference.SourceNames} {
		t.Run(string(names), func(t *testing.T) {
			w := &wire{}
			stop := startReferencesOn(t, w, logr.Discard(), names)
			defer stop()
			ref := newBoundReference(t, newPhysicalOf(t, "juicefs"))
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ref.Namespace, Name: mirroredSecrets(t, ref)[0]}}
			for _, mirror := range []client.Object{only(t, ref), secret} {
				for _, stripped := range []string{`"labels":{"kubectl-fluid.dev/reference-uid":null}`, `"labels":{"kubectl-fluid.dev/reference-uid":"another"}`, `"ownerReferences":null`} {
					w.settle(t)
					before := len(w.calls(call.isWrite))
					patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{`+stripped+`}}`))
					if err := livetest.Client().Patch(t.Context(), mirror, patch, client.FieldOwner("kubectl-label")); err != nil {
						t.Fatal(err)
					}
					livetest.Eventually(t, "the mark of "+mirror.GetName(), func() string {
						if livetest.Refresh(t, mirror); reference.Owns(ref, mirror) {
							return ""
						}
						return fmt.Sprintf("labels %v, owners %v", mirror.GetLabels(), mirror.GetOwnerReferences())
					})
					w.settle(t)
					if made := w.calls(call.isWrite)[before:]; len(made) != 1 {
						t.Errorf("a mirror with %s takes the writes %s", stripped, made)
					}
					if livetest.Refresh(t, ref); ref.Status.Phase != datav1alpha1.BoundPhase || readyReason(ref.Status.Conditions) != reference.ReasonReady {
						t.Errorf("the status is %+v", ref.Status)
					}
				}
			}
		})
	}
}

// TestRevocationTakesMirrorsWithoutMarkOrOwnerToo: while no controller runs, one mirror loses its mark and one its owner, and
// then the physical Dataset isn't shared any more.
func TestRevocationTakesMirrorsWithoutMarkOrOwnerToo(t *testing.T) {
	for _, stripped := range [][2]string{{`"labels":null`, `"ownerReferences":null`}, {`"ownerReferences":null`, `"labels":null`}} {
		w := &wire{}
		stop := startReferencesOn(t, w, logr.Discard(), reference.UniqueNames)
		physical := newPhysicalOf(t, "juicefs")
		ref := newBoundReference(t, physical)
		mirrored := []client.Object{only(t, ref), mirrorOf(t, ref)}
		w.settle(t)
		stop()
		for i, mirror := range mirrored {
			patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{`+stripped[i]+`}}`))
			if err := livetest.Client().Patch(t.Context(), mirror, patch, client.FieldOwner("kubectl-label")); err != nil {
				t.Fatal(err)
			}
		}
		share(t, physical, "somebody-else")
		stop = startReferencesOn(t, &wire{}, logr.Discard(), reference.UniqueNames)
		livetest.EventuallyGone(t, mirrored...)
		awaitReason(t, ref, "NotShared")
		stop()
	}
}

// TestMirrorThatIsNotNeededAnyMoreGoes: the FUSE container names another ConfigMap and no Secret any more. The former
// mirrors go, and nothing else of the namespace.
func TestMirrorThatIsNotNeededAnyMoreGoes(t *testing.T) {
	startReferences(t)
	physical := newPhysicalOf(t, "juicefs")
	ref := newBoundReference(t, physical)
	former, secrets := only(t, ref), mirroredSecrets(t, ref)
	foreign := foreignConfigMap(metav1.ObjectMeta{Namespace: ref.Namespace, Name: "mine", Labels: map[string]string{reference.LabelReferenceUID: string(ref.UID)}})
	livetest.Create(t, foreign, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "next-script"}, Data: map[string]string{"key": "next"}})
	if len(secrets) != 1 {
		t.Fatalf("the mirrored Secrets are %v", secrets)
	}
	needOnly(t, physical, "next-script")
	livetest.EventuallyGone(t, former, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ref.Namespace, Name: secrets[0]}})
	livetest.Eventually(t, "the next mirror", func() string {
		if found := own(t, ref); len(found) != 1 || only(t, ref).Data["key"] != "next" {
			return fmt.Sprintf("the mirrors are %v", found)
		}
		return ""
	})
	if !livetest.Exists(t, foreign) {
		t.Error("a ConfigMap that has nothing but the mark went with them")
	}
	awaitBound(t, ref)
}

// needOnly lets a JuiceFS client need nothing but a ConfigMap.
func needOnly(t *testing.T, physical, configMap string) {
	t.Helper()
	livetest.Alter(t, &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "phy-fuse"}}, func(fuse *appsv1.DaemonSet) {
		template := &fuse.Spec.Template.Spec
		template.Containers[0].Env, template.Containers[0].EnvFrom, template.ImagePullSecrets = nil, nil, nil
		for i := range template.Volumes {
			if template.Volumes[i].ConfigMap != nil {
				template.Volumes[i].ConfigMap.Name = configMap
			}
		}
	})
}

// TestSecretThatMayNotBeListedGoesWhenItIsNotNeededAnyMore: the controller has Roles that name the Secrets of one reference
// only, as kubectl fluid rbac prints them.
func TestSecretThatMayNotBeListedGoesWhenItIsNotNeededAnyMore(t *testing.T) {
	installRoles(t)
	controller := reference.DefaultController()
	s := newSpecimen(t)
	livetest.Create(t, s.ref)
	_, plan, err := observe.Plan(t.Context(), livetest.Client(), s.ref, reference.Policy{MirrorNames: reference.UniqueNames, Depth: reference.ForWriting})
	if err != nil {
		t.Fatal(err)
	}
	for _, access := range referencetest.SecretAccessOf(plan, controller) {
		livetest.Create(t, access.Role, access.Binding)
	}
	w := &wire{user: "system:serviceaccount:" + controller.Namespace + ":" + controller.Name}
	startReferencesOn(t, w, logr.Discard(), reference.UniqueNames)
	awaitBound(t, s.ref)
	mirror := mirrorOf(t, s.ref)
	if mirror == nil {
		t.Fatal("no Secret is mirrored")
	}
	needOnly(t, s.physical, "phy-fuse-script")
	livetest.EventuallyGone(t, mirror)
	awaitBound(t, s.ref)
}

// newSource replaces the Secret that a JuiceFS client needs with one of another type.
func newSource(t *testing.T, physical string, secretType corev1.SecretType, annotations map[string]string) {
	t.Helper()
	livetest.Remove(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "jfs-secret"}})
	livetest.Create(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "jfs-secret", Annotations: annotations}, Type: secretType,
		Data: map[string][]byte{"metaurl": []byte("next"), "access-key": []byte("canary")}})
}

// mirrorOf returns the Secret that is mirrored for a reference, or nil.
func mirrorOf(t *testing.T, ref *datav1alpha1.Dataset) *corev1.Secret {
	t.Helper()
	names := mirroredSecrets(t, ref)
	if len(names) != 1 {
		return nil
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ref.Namespace, Name: names[0]}}
	if !livetest.Exists(t, secret) {
		return nil
	}
	return secret
}

// TestSecretMadeAgainWithAnotherTypeIsFollowed: the type of a Secret can't be changed, so its mirror is made again too.
func TestSecretMadeAgainWithAnotherTypeIsFollowed(t *testing.T) {
	startReferences(t)
	physical := newPhysicalOf(t, "juicefs")
	ref := newBoundReference(t, physical)
	newSource(t, physical, "example.com/other", nil)
	livetest.Eventually(t, "the mirror's type and content", func() string {
		if secret := mirrorOf(t, ref); secret == nil || secret.Type != "example.com/other" || string(secret.Data["metaurl"]) != "next" {
			return fmt.Sprintf("the mirror is %+v", secret)
		}
		return ""
	})
	awaitBound(t, ref)
}

// TestMirroredTokenOfAServiceAccountStays: Kubernetes deletes what has the type of a ServiceAccount's token in a namespace
// without that ServiceAccount, so the mirror has the content and another type.
func TestMirroredTokenOfAServiceAccountStays(t *testing.T) {
	physical := newPhysicalOf(t, "juicefs")
	livetest.Create(t, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "fuse"}})
	newSource(t, physical, corev1.SecretTypeServiceAccountToken, map[string]string{corev1.ServiceAccountNameKey: "fuse"})
	source := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "jfs-secret"}}
	livetest.Eventually(t, "a token", func() string {
		if livetest.Refresh(t, source); len(source.Data["token"]) == 0 {
			return "Kubernetes hasn't put one into the Secret"
		}
		return ""
	})
	startReferences(t)
	ref := newBoundReference(t, physical)
	first := mirrorOf(t, ref)
	livetest.Never(t, func() string {
		secret := mirrorOf(t, ref)
		if secret == nil || secret.UID != first.UID || secret.Type != corev1.SecretTypeOpaque || !slices.Equal(secret.Data["token"], source.Data["token"]) {
			return "the mirror went, or isn't what its source is"
		}
		return ""
	})
}

// TestSourceNamesOfEveryLengthAreMirrored: around where labels end, and as long as a name can be.
func TestSourceNamesOfEveryLengthAreMirrored(t *testing.T) {
	startReferences(t)
	for _, length := range []int{62, 63, 64, 253} {
		physical := newPhysicalOf(t, "alluxio")
		name := strings.Repeat("s", length)
		livetest.Create(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: name}, Data: map[string]string{"key": name}})
		patch := client.RawPatch(types.JSONPatchType, []byte(`[{"op":"replace","path":"/spec/template/spec/containers/0/envFrom/0/configMapRef/name","value":"`+name+`"}]`))
		if err := livetest.Client().Patch(t.Context(), &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "phy-fuse"}}, patch); err != nil {
			t.Fatal(err)
		}
		ref := newReference(t, livetest.NewNamespace(t), "refdemo", physical)
		awaitBound(t, ref)
		if mirror := only(t, ref); mirror.Data["key"] != name || !strings.HasPrefix(mirror.Name, "refdemo-sss") {
			t.Errorf("the mirror of a name of %d characters is %s with %v", length, mirror.Name, mirror.Data)
		}
	}
}
