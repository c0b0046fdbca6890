package reconcile

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/observe"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/livetest"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference/referencetest"
)

// The tests of this file and of defect_references_test.go each show that references don't have one of the weaknesses of
// those of Fluid v1.0.8: what it copies for a sidecar, and how its controllers keep references.

// newReference creates a reference to the physical Dataset phy of a namespace, in another namespace.
func newReference(t *testing.T, namespace, name, physical string) *datav1alpha1.Dataset {
	t.Helper()
	ref := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	ref.Spec.Mounts = []datav1alpha1.Mount{{MountPoint: "dataset://" + physical + "/phy"}}
	livetest.Create(t, ref)
	return ref
}

// awaitReason waits until a reference's condition has a reason.
func awaitReason(t *testing.T, ref *datav1alpha1.Dataset, reason string) {
	t.Helper()
	livetest.Eventually(t, "the reason "+reason, func() string {
		if got := readyReason(livetest.Refresh(t, ref).Status.Conditions); got != reason {
			return fmt.Sprintf("the conditions are %+v", ref.Status.Conditions)
		}
		return ""
	})
}

// own returns the ConfigMaps that were mirrored for one reference, by name.
func own(t *testing.T, ref *datav1alpha1.Dataset) map[string]corev1.ConfigMap {
	t.Helper()
	found := map[string]corev1.ConfigMap{}
	for _, mirror := range mirrors(t, ref) {
		if reference.Owns(ref, &mirror) {
			found[mirror.Name] = mirror
		}
	}
	return found
}

// only returns the one ConfigMap that was mirrored for a reference.
func only(t *testing.T, ref *datav1alpha1.Dataset) *corev1.ConfigMap {
	t.Helper()
	found := own(t, ref)
	if len(found) != 1 {
		t.Fatalf("%s/%s has the mirrors %v", ref.Namespace, ref.Name, slices.Collect(maps.Keys(found)))
	}
	for _, mirror := range found {
		return &mirror
	}
	return nil
}

func setData(t *testing.T, namespace, name string, data map[string]string) {
	t.Helper()
	source := livetest.Refresh(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}})
	source.Data = data
	if err := livetest.Client().Update(t.Context(), source); err != nil {
		t.Fatal(err)
	}
}

// TestConfigurationOfAnotherClusterIsNeverUsed: the name that Fluid gives to a copy is taken before the reference comes,
// or is taken away afterwards, as Helm does with its hooks. The sidecar's configuration is the physical's either way.
func TestConfigurationOfAnotherClusterIsNeverUsed(t *testing.T) {
	startReferences(t)
	physical := newPhysicalOf(t, "alluxio")
	namespace := livetest.NewNamespace(t)
	foreign := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "phy-config"}, Data: map[string]string{"key": "foreign"}}
	livetest.Create(t, foreign)
	ref := newReference(t, namespace, "refdemo", physical)
	awaitBound(t, ref)
	if mirror := only(t, ref); mirror.Name == "phy-config" || mirror.Data["key"] != "value" {
		t.Errorf("the mirror is %s with %v", mirror.Name, mirror.Data)
	}
	livetest.Remove(t, foreign)
	foreign.ResourceVersion, foreign.UID, foreign.Data = "", "", map[string]string{"key": "of a later release"}
	livetest.Create(t, foreign)
	livetest.Never(t, func() string {
		if mirror := only(t, ref); mirror.Data["key"] != "value" {
			return fmt.Sprintf("the mirror has %v", mirror.Data)
		}
		if livetest.Refresh(t, foreign); foreign.Data["key"] != "of a later release" || len(foreign.OwnerReferences) > 0 {
			return fmt.Sprintf("the foreign ConfigMap is %+v", foreign)
		}
		return ""
	})
}

// TestSourceNamesSayWhoTakesThem: with Fluid's names, a Dataset that will bring a ConfigMap of the name, and then the
// ConfigMap itself, block the reference with a finding each; nothing foreign is overwritten, and it recovers.
func TestSourceNamesSayWhoTakesThem(t *testing.T) {
	startReferencesOn(t, &wire{}, logr.Discard(), reference.SourceNames)
	physical := newPhysicalOf(t, "thin")
	ref := newReference(t, livetest.NewNamespace(t), "refdemo", physical)
	awaitBound(t, ref)
	if only(t, ref).Name != "phy-fuse-conf" {
		t.Fatalf("the mirror is %s", only(t, ref).Name)
	}
	other := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: ref.Namespace, Name: "phy"}}
	other.Spec.Mounts = []datav1alpha1.Mount{{MountPoint: "https://example.com/other/"}}
	livetest.Create(t, other)
	awaitReason(t, ref, "MirrorNameWanted")
	// The other Dataset's runtime comes with Helm, which deletes what has the name and creates its own.
	taker := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ref.Namespace, Name: "phy-fuse-conf"}}
	livetest.Remove(t, taker)
	taker.Data = map[string]string{"key": "foreign"}
	livetest.Eventually(t, "the name is taken", func() string {
		taker.ResourceVersion = ""
		if err := livetest.Client().Create(t.Context(), taker); err != nil {
			livetest.Remove(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ref.Namespace, Name: "phy-fuse-conf"}})
			return err.Error()
		}
		return ""
	})
	awaitReason(t, ref, "MirrorNameTaken")
	livetest.Remove(t, other)
	awaitReason(t, ref, "MirrorNameTaken")
	if livetest.Refresh(t, taker); taker.Data["key"] != "foreign" {
		t.Errorf("the foreign ConfigMap has %v", taker.Data)
	}
	livetest.Remove(t, taker)
	awaitBound(t, ref)
}

// TestSecondOfTwoPhysicalsOfOneNameWaitsForTheFirstsName: with Fluid's names, the second of two references of one namespace
// to Datasets of one name says whose the copy is and takes nothing; when the first goes, it gets the name.
func TestSecondOfTwoPhysicalsOfOneNameWaitsForTheFirstsName(t *testing.T) {
	startReferencesOn(t, &wire{}, logr.Discard(), reference.SourceNames)
	one, two := newPhysicalOf(t, "alluxio"), newPhysicalOf(t, "alluxio")
	setData(t, two, "phy-config", map[string]string{"key": "second"})
	namespace := livetest.NewNamespace(t)
	first := newReference(t, namespace, "first", one)
	awaitBound(t, first)
	second := newReference(t, namespace, "second", two)
	awaitReason(t, second, "MirrorNameTaken")
	if mirror := only(t, first); mirror.Data["key"] != "value" || !strings.Contains(readyCondition(second.Status.Conditions).Message, "owned by Dataset first") {
		t.Errorf("the first has %v, the second says %+v", mirror.Data, second.Status.Conditions)
	}
	livetest.Remove(t, first)
	awaitBound(t, second)
	if mirror := only(t, second); mirror.Name != "phy-config" || mirror.Data["key"] != "second" {
		t.Errorf("the second has %s with %v", mirror.Name, mirror.Data)
	}
}

// TestFluidsCopyIsUsedWhileItIsRight: with Fluid's names and Fluid's own controller beside, the copy that it made first
// is used; one that is out of date is said, and made anew once it is deleted.
func TestFluidsCopyIsUsedWhileItIsRight(t *testing.T) {
	physical := newPhysicalOf(t, "alluxio")
	ref := newReference(t, livetest.NewNamespace(t), "refdemo", physical)
	source := livetest.Refresh(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "phy-config"}})
	source.BinaryData = nil // which Fluid doesn't copy
	if err := livetest.Client().Update(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	fluids := &corev1.ConfigMap{Data: source.Data, ObjectMeta: metav1.ObjectMeta{Namespace: ref.Namespace, Name: "phy-config",
		Labels:          map[string]string{datav1alpha1.LabelDatasetID: ref.Namespace + "-phy-config"},
		OwnerReferences: []metav1.OwnerReference{reference.OwnerReference(ref)}}}
	livetest.Create(t, fluids)
	startReferencesOn(t, &wire{}, logr.Discard(), reference.SourceNames)
	awaitBound(t, ref)
	setData(t, physical, "phy-config", map[string]string{"key": "new"})
	awaitReason(t, ref, "CopyStale")
	if livetest.Refresh(t, fluids); fluids.Data["key"] != "value" {
		t.Errorf("Fluid's copy was changed to %v", fluids.Data)
	}
	livetest.Remove(t, fluids)
	livetest.Eventually(t, "a mirror in its place", func() string {
		if mirror, ok := own(t, ref)["phy-config"]; !ok || mirror.Data["key"] != "new" {
			return fmt.Sprintf("the mirrors are %v", own(t, ref))
		}
		return ""
	})
	awaitBound(t, ref)
}

// TestEveryStaleCopyIsReported: of two copies of Fluid's that differ from their sources, not only the last one.
func TestEveryStaleCopyIsReported(t *testing.T) {
	physical := newPhysicalOf(t, "alluxio")
	livetest.Create(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "more"}, Data: map[string]string{"key": "value"}})
	livetest.Alter(t, &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "phy-fuse"}}, func(fuse *appsv1.DaemonSet) {
		container := &fuse.Spec.Template.Spec.Containers[0]
		container.EnvFrom = append(container.EnvFrom, corev1.EnvFromSource{ConfigMapRef: &corev1.ConfigMapEnvSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: "more"}}})
	})
	ref := newReference(t, livetest.NewNamespace(t), "refdemo", physical)
	want, named := map[finding.Object]bool{}, map[string]bool{}
	for _, name := range []string{"phy-config", "more"} {
		livetest.Create(t, &corev1.ConfigMap{Data: map[string]string{"key": "old"}, ObjectMeta: metav1.ObjectMeta{Namespace: ref.Namespace, Name: name,
			Labels:          map[string]string{datav1alpha1.LabelDatasetID: ref.Namespace + "-" + name},
			OwnerReferences: []metav1.OwnerReference{reference.OwnerReference(ref)}}})
		object := finding.Object{Kind: "ConfigMap", Namespace: ref.Namespace, Name: name}
		want[object], named[object.String()] = true, true
	}
	world, plan, err := observe.Plan(t.Context(), livetest.Client(), ref, reference.Policy{MirrorNames: reference.SourceNames, Depth: reference.ForWriting})
	if err != nil {
		t.Fatal(err)
	}
	r := &ReferenceReconciler{Client: livetest.Client(), Live: livetest.Client(), MirrorNames: reference.SourceNames, Now: time.Now}
	outcome, err := r.apply(t.Context(), world, plan)
	if err != nil || !maps.Equal(outcome.Stale, want) {
		t.Errorf("stale are %v, want %v (%v)", outcome.Stale, want, err)
	}
	said := map[string]bool{}
	for _, f := range reference.NewPlan(world.After(outcome)).Findings {
		if f.Code == finding.CodeCopyStale {
			said[f.Object.String()] = true
		}
	}
	if !maps.Equal(said, named) {
		t.Errorf("the findings name %v, want %v", said, named)
	}
}

// TestReferencesToPhysicalsOfOneNameKeepApart: two references of one namespace to Datasets of one name in two others, and
// two to the same, have mirrors of their own. When one of them goes, the others' stay.
func TestReferencesToPhysicalsOfOneNameKeepApart(t *testing.T) {
	startReferences(t)
	first, second := newPhysicalOf(t, "alluxio"), newPhysicalOf(t, "alluxio")
	setData(t, second, "phy-config", map[string]string{"key": "second"})
	namespace := livetest.NewNamespace(t)
	refs := []*datav1alpha1.Dataset{newReference(t, namespace, "one", first), newReference(t, namespace, "two", first), newReference(t, namespace, "three", second)}
	want := []string{"value", "value", "second"}
	for i, ref := range refs {
		awaitBound(t, ref)
		if mirror := only(t, ref); mirror.Data["key"] != want[i] {
			t.Errorf("%s has the configuration %v", ref.Name, mirror.Data)
		}
	}
	gone := only(t, refs[0])
	livetest.Remove(t, refs[0])
	livetest.EventuallyGone(t, refs[0], gone)
	livetest.Never(t, func() string {
		for i := 1; i < len(refs); i++ {
			if livetest.Refresh(t, refs[i]); refs[i].Status.Phase != datav1alpha1.BoundPhase || only(t, refs[i]).Data["key"] != want[i] {
				return fmt.Sprintf("%s is %s", refs[i].Name, refs[i].Status.Phase)
			}
		}
		return ""
	})
}

// TestRecreatedRuntimeReachesItsReferences: the physical's runtime is deleted and created again, with other ports and
// another image. The mirror follows, and so does the plan of sidecars.
func TestRecreatedRuntimeReachesItsReferences(t *testing.T) {
	startReferences(t)
	physical := newPhysicalOf(t, "alluxio")
	ref := newBoundReference(t, physical)
	config := livetest.Refresh(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "phy-config"}})
	fuse := livetest.Refresh(t, &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "phy-fuse"}})
	livetest.Remove(t, config, fuse)
	awaitReason(t, ref, "FuseDaemonSetMissing")
	if mirror := only(t, ref); mirror.Data["key"] != "value" { // sidecars that run may be restarted
		t.Errorf("without the runtime the mirror has %v", mirror.Data)
	}
	*config = corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "phy-config"}, Data: map[string]string{"key": "other ports"}}
	fuse.ObjectMeta = metav1.ObjectMeta{Namespace: physical, Name: "phy-fuse", Labels: fuse.Labels}
	fuse.Spec.Template.Spec.Containers[0].Image = "example.com/alluxio:next"
	livetest.EventuallyGone(t, fuse.DeepCopy())
	livetest.Create(t, config, fuse)
	awaitBound(t, ref)
	livetest.Eventually(t, "the new configuration", func() string {
		if mirror := only(t, ref); mirror.Data["key"] != "other ports" || len(mirror.BinaryData) > 0 {
			return fmt.Sprintf("the mirror has %v", mirror.Data)
		}
		return ""
	})
}

// TestEveryRuntimesNeedsAreMirroredWhole: of each runtime, every ConfigMap and Secret that the FUSE container names has a
// mirror with all that its source has (text, binary data, type, whether it is immutable), Fluid's label of the
// reference's objects, and nothing by which Helm would take it for its own.
func TestEveryRuntimesNeedsAreMirroredWhole(t *testing.T) {
	startReferences(t)
	for _, runtime := range referencetest.Runtimes() {
		t.Run(runtime, func(t *testing.T) {
			physical := newPhysicalOf(t, runtime)
			for _, mirror := range reference.NewPlan(referencetest.World(t, runtime, "dataset://default/phy")).Mirrors {
				object := newUnstructured("v1", mirror.Original.Kind, physical, mirror.Original.Name)
				if livetest.Exists(t, object) {
					patch := `{"immutable":true,"metadata":{"annotations":{"meta.helm.sh/release-name":"phy"},"labels":{"app.kubernetes.io/managed-by":"Helm","app":"fuse"}}}`
					if err := livetest.Client().Patch(t.Context(), object, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
						t.Fatal(err)
					}
				}
			}
			ref := newBoundReference(t, physical)
			world := referencetest.World(t, runtime, "dataset://"+physical+"/phy")
			world.Dataset = ref
			world.Physical.Status.DatasetRef = []string{client.ObjectKeyFromObject(ref).String()}
			plan := reference.NewPlan(world)
			if len(plan.Mirrors) == 0 {
				t.Fatalf("it needs nothing: %v", plan.Findings)
			}
			for _, mirror := range plan.Mirrors {
				source := newUnstructured("v1", mirror.Original.Kind, physical, mirror.Original.Name)
				if !livetest.Exists(t, source) && mirror.Optional {
					continue
				}
				target := newUnstructured("v1", mirror.Target.Kind, ref.Namespace, mirror.Target.Name)
				livetest.Refresh(t, target)
				for _, field := range payload() {
					if !equality.Semantic.DeepEqual(source.Object[field], target.Object[field]) {
						t.Errorf("%s of %s isn't that of %s", field, mirror.Target, mirror.Original)
					}
				}
				id := target.GetLabels()[datav1alpha1.LabelDatasetID]
				if id != ref.Namespace+"-refdemo" || target.GetLabels()["app"] != "fuse" || !reference.Owns(ref, target) {
					t.Errorf("%s has the labels %v", mirror.Target, target.GetLabels())
				}
				if text := fmt.Sprint(target.GetLabels(), target.GetAnnotations()); strings.Contains(text, "elm") {
					t.Errorf("%s looks like Helm's: %s", mirror.Target, text)
				}
			}
		})
	}
}

// TestImmutableMirrorFollowsItsSource: an immutable source is deleted and created again to change; so is its mirror.
func TestImmutableMirrorFollowsItsSource(t *testing.T) {
	startReferences(t)
	physical := newPhysicalOf(t, "alluxio")
	source := livetest.Refresh(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "phy-config"}})
	source.Immutable = new(true)
	if err := livetest.Client().Update(t.Context(), source); err != nil {
		t.Fatal(err)
	}
	ref := newBoundReference(t, physical)
	if mirror := only(t, ref); mirror.Immutable == nil || !*mirror.Immutable {
		t.Errorf("the mirror isn't immutable")
	}
	livetest.Remove(t, source)
	source.UID, source.ResourceVersion, source.Data = "", "", map[string]string{"key": "new"}
	livetest.Create(t, source)
	livetest.Eventually(t, "the new content", func() string {
		for _, mirror := range own(t, ref) {
			if mirror.Data["key"] == "new" && mirror.Immutable != nil {
				return ""
			}
		}
		return fmt.Sprintf("the mirrors are %v", own(t, ref))
	})
	awaitBound(t, ref)
}

// TestClaimAndSecretOfTheSameNameAreNeverUsed: the FUSE client names a claim and a Secret, and the reference's namespace
// has others of these names. The claim is a finding; the Secret isn't read.
func TestClaimAndSecretOfTheSameNameAreNeverUsed(t *testing.T) {
	startReferences(t)
	physical := newPhysicalOf(t, "juicefs")
	namespace := livetest.NewNamespace(t)
	livetest.Create(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "jfs-secret"}, Data: map[string][]byte{"access-key": []byte("foreign")}})
	ref := newReference(t, namespace, "refdemo", physical)
	awaitBound(t, ref)
	names := mirroredSecrets(t, ref)
	if len(names) != 1 || names[0] == "jfs-secret" {
		t.Fatalf("the mirrored Secrets are %v", names)
	}
	mirror := livetest.Refresh(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: names[0]}})
	if string(mirror.Data["access-key"]) != "canary" {
		t.Error("the mirrored Secret isn't the physical's")
	}
	livetest.Create(t, foreignClaim(metav1.ObjectMeta{Namespace: namespace, Name: "cache"}))
	livetest.Alter(t, &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "phy-fuse"}}, func(fuse *appsv1.DaemonSet) {
		pod := &fuse.Spec.Template.Spec
		pod.Volumes = append(pod.Volumes, corev1.Volume{Name: "cache", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "cache"}}})
		pod.Containers[0].VolumeMounts = append(pod.Containers[0].VolumeMounts, corev1.VolumeMount{Name: "cache", MountPath: "/cache"})
	})
	awaitReason(t, ref, "FuseTemplateNeedsClaim")
}
