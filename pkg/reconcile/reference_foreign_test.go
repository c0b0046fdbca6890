package reconcile

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/uuid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/observe"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/livetest"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/test/soak"
)

// TestNothingForeignChanges puts random objects in the way of references, under every name that they want and with
// every mark but the right one, and compares all bytes of them after create, change of
// the sources, revoke and delete.
func TestNothingForeignChanges(t *testing.T) {
	for name, setting := range map[string]struct {
		names  reference.MirrorNames
		beside bool
	}{
		"names of their own":               {reference.UniqueNames, false},
		"names of their own, beside Fluid": {reference.UniqueNames, true},
		"the sources' names":               {reference.SourceNames, false},
		"the sources' names, beside Fluid": {reference.SourceNames, true},
	} {
		t.Run(name, func(t *testing.T) {
			if setting.beside {
				installFluidWebhook(t)
			}
			var lots []*lot
			for seed := range uint64(soak.Times(t, 12)) {
				lots = append(lots, newLot(t, rand.New(rand.NewPCG(seed, 0)), setting.names))
			}
			awaitDustSettled(t, lots)

			w := &wire{}
			startReferencesOn(t, w, logr.Discard(), setting.names)
			for _, l := range lots {
				awaitVerdict(t, l.ref)
			}
			w.settle(t)
			for _, l := range lots {
				l.compare(t, "create")
				l.changeSources(t)
			}
			w.settle(t)
			for _, l := range lots {
				l.compare(t, "change")
				l.revoke(t)
			}
			w.settle(t)
			for _, l := range lots {
				l.awaitRevoked(t)
				l.compare(t, "revoke")
				livetest.Remove(t, l.ref)
			}
			for _, l := range lots {
				livetest.EventuallyGone(t, l.ref)
			}
			w.settle(t)
			for _, l := range lots {
				l.compare(t, "delete")
			}
		})
	}
}

// lot is one reference with foreign objects in both namespaces.
type lot struct {
	ref      *datav1alpha1.Dataset
	physical string
	// owner is a foreign Dataset of the reference's namespace.
	owner *datav1alpha1.Dataset
	// collected are foreign objects that Kubernetes deletes with the reference: it is their owner.
	collected map[string]bool
	// before holds every object of both namespaces as it was.
	before map[string]string
}

// newLot creates a reference and foreign objects while no controller runs.
func newLot(t *testing.T, random *rand.Rand, names reference.MirrorNames) *lot {
	t.Helper()
	l := &lot{physical: newPhysicalOf(t, "juicefs"), collected: map[string]bool{}}
	namespace := livetest.NewNamespace(t)
	l.owner = &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "other"}}
	l.ref = &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "refdemo"}}
	l.ref.Spec.Mounts = []datav1alpha1.Mount{{MountPoint: "dataset://" + l.physical + "/phy"}}
	livetest.Create(t, l.owner, l.ref)

	for _, object := range l.wantedNames(t, names) {
		if random.IntN(3) == 0 {
			continue // most references have several names taken, some few or none
		}
		l.disguise(random, object)
		livetest.Create(t, object)
		terminate := object.GetLabels()[reference.LabelReferenceUID] != string(l.ref.UID) && random.IntN(4) == 0
		if thin, ok := object.(*datav1alpha1.ThinRuntime); ok && terminate {
			livetest.Remove(t, thin) // its finalizer keeps it
			t.Cleanup(func() { releaseFinalizers(t, thin) })
		}
	}
	return l
}

// wantedNames returns objects with every name that a reference wants under either naming, and some beside.
func (l *lot) wantedNames(t *testing.T, names reference.MirrorNames) []client.Object {
	t.Helper()
	_, plan, err := observe.Plan(t.Context(), livetest.Client(), l.ref, reference.Policy{MirrorNames: names, Depth: reference.ForWriting})
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Mirrors) != 2 || plan.Claim == nil || plan.Volume == nil {
		t.Fatalf("the plan is %+v", plan)
	}
	here := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: l.ref.Namespace, Name: name} }
	there := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: l.physical, Name: name} }
	objects := []client.Object{
		foreignConfigMap(here("check-fluid-mount-ready")), foreignConfigMap(here("phy-config")), foreignConfigMap(there("refdemo-config")),
		foreignThinRuntime(here("refdemo")), foreignThinRuntime(there("refdemo")),
		foreignClaim(here("refdemo")), foreignClaim(there("refdemo")), foreignClaim(there("phy")),
		foreignVolume(l.ref.Namespace+"-refdemo", l.ref), foreignVolume(l.physical+"-refdemo", l.ref),
		foreignDaemonSet(here("refdemo-fuse")), foreignDaemonSet(there("refdemo-fuse")),
	}
	for _, mirror := range plan.Mirrors {
		target := mirror.Target.Name
		if mirror.Target.Kind == "Secret" {
			objects = append(objects, foreignSecret(here(target)), foreignSecret(there(target+"-x")))
		} else {
			objects = append(objects, foreignConfigMap(here(target)), foreignConfigMap(there(target+"-x")))
		}
	}
	return objects
}

func foreignConfigMap(meta metav1.ObjectMeta) client.Object {
	return &corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{"mine": "yes"}}
}

func foreignSecret(meta metav1.ObjectMeta) client.Object {
	return &corev1.Secret{ObjectMeta: meta, Data: map[string][]byte{"mine": []byte("yes")}}
}

func foreignThinRuntime(meta metav1.ObjectMeta) client.Object {
	meta.Finalizers = []string{datav1alpha1.FinalizerThinRuntime}
	return &datav1alpha1.ThinRuntime{ObjectMeta: meta, Spec: datav1alpha1.ThinRuntimeSpec{ProfileName: "mine"}}
}

func foreignClaim(meta metav1.ObjectMeta) client.Object {
	class := "foreign"
	return &corev1.PersistentVolumeClaim{ObjectMeta: meta, Spec: corev1.PersistentVolumeClaimSpec{
		StorageClassName: &class, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
	}}
}

// foreignDaemonSet has the name of the template that Fluid's webhook reads.
func foreignDaemonSet(meta metav1.ObjectMeta) client.Object {
	labels := map[string]string{"app": "mine"}
	return &appsv1.DaemonSet{ObjectMeta: meta, Spec: appsv1.DaemonSetSpec{Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
			NodeSelector: map[string]string{"fluid.io/fuse-balloon": "true"}, Containers: []corev1.Container{{Name: "mine", Image: "example.com/mine"}}}}}}
}

// foreignVolume is a volume for somebody else's claim.
func foreignVolume(name string, ref *datav1alpha1.Dataset) client.Object {
	return &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PersistentVolumeSpec{
		StorageClassName: "elsewhere", AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadOnlyMany},
		Capacity:               corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
		ClaimRef:               &corev1.ObjectReference{Namespace: ref.Namespace, Name: ref.Name},
		PersistentVolumeSource: corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/mine"}},
	}}
}

// disguise makes a foreign object look like the reference's, but for the proof: owner and mark both with its UID.
// Volumes have no owner, so that theirs is the mark alone.
func (l *lot) disguise(random *rand.Rand, object client.Object) {
	mark := func(uid types.UID) { object.SetLabels(map[string]string{reference.LabelReferenceUID: string(uid)}) }
	own := func(owner *datav1alpha1.Dataset) {
		if object.GetNamespace() == owner.Namespace {
			object.SetOwnerReferences([]metav1.OwnerReference{reference.OwnerReference(owner)})
		}
	}
	volume := object.GetNamespace() == ""
	switch random.IntN(6) {
	case 0: // bare
	case 1:
		mark(uuid.NewUUID())
	case 2:
		mark(uuid.NewUUID())
		own(l.owner)
	case 3:
		if !volume {
			mark(l.ref.UID)
		}
	case 4:
		if !volume {
			mark(l.ref.UID)
			own(l.owner)
		}
	case 5:
		own(l.ref)
		mark(uuid.NewUUID())
		if random.IntN(2) == 0 {
			object.SetLabels(nil)
		}
	}
	owners := object.GetOwnerReferences()
	if len(owners) > 0 && owners[0].UID == l.ref.UID {
		l.collected[keyOf(object)] = true
	}
}

func keyOf(object client.Object) string {
	kind, err := livetest.Client().GroupVersionKindFor(object)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("%s %s", kind.Kind, client.ObjectKeyFromObject(object))
}

// snapshot returns the JSON of every object of both namespaces and of their volumes. What the reference owns isn't
// foreign, nor is it itself; of the physical Dataset all but its list of references is.
func (l *lot) snapshot(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, object := range slices.Concat(objectsIn(t, l.ref.Namespace), objectsIn(t, l.physical), l.volumes(t)) {
		if object.GetUID() == l.ref.UID || reference.Owns(l.ref, object) {
			continue
		}
		if keyOf(object) == "Dataset "+l.physical+"/phy" {
			unstructured.RemoveNestedField(object.Object, "status", "datasetRef")
			object.SetManagedFields(nil)
			object.SetResourceVersion("")
		}
		text, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		found[keyOf(object)] = string(text)
	}
	return found
}

// volumes returns the volumes that have the names of those of Datasets of both namespaces.
func (l *lot) volumes(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	var found []*unstructured.Unstructured
	for _, name := range []string{l.ref.Namespace + "-refdemo", l.physical + "-refdemo", l.physical + "-phy"} {
		if volume := newUnstructured("v1", "PersistentVolume", "", name); livetest.Exists(t, volume) {
			found = append(found, volume)
		}
	}
	return found
}

// objectsIn returns the objects of a namespace, of all kinds that references have to do with.
func objectsIn(t *testing.T, namespace string) []*unstructured.Unstructured {
	t.Helper()
	var found []*unstructured.Unstructured
	for _, kind := range [][2]string{{"v1", "ConfigMap"}, {"v1", "Secret"}, {"v1", "PersistentVolumeClaim"}, {"apps/v1", "DaemonSet"},
		{"data.fluid.io/v1alpha1", "Dataset"}, {"data.fluid.io/v1alpha1", "ThinRuntime"}} {
		list := &unstructured.UnstructuredList{}
		list.SetAPIVersion(kind[0])
		list.SetKind(kind[1] + "List")
		if err := livetest.Client().List(t.Context(), list, client.InNamespace(namespace)); err != nil {
			t.Fatal(err)
		}
		for i := range list.Items {
			found = append(found, &list.Items[i])
		}
	}
	return found
}

func newUnstructured(apiVersion, kind, namespace, name string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetAPIVersion(apiVersion)
	object.SetKind(kind)
	object.SetNamespace(namespace)
	object.SetName(name)
	return object
}

// awaitDustSettled takes the snapshots once Kubernetes' own controllers have nothing to do with the objects any more.
func awaitDustSettled(t *testing.T, lots []*lot) {
	t.Helper()
	quiet := 0
	livetest.Eventually(t, "Kubernetes' controllers are done", func() string {
		quiet++
		for _, l := range lots {
			now := l.snapshot(t)
			if len(differences(l.before, now)) > 0 || len(now) != len(l.before) {
				quiet = 0
			}
			l.before = now
		}
		if quiet < 3 {
			return "something still changes"
		}
		return ""
	})
	for _, l := range lots {
		for _, object := range []string{"ConfigMap " + l.ref.Namespace + "/kube-root-ca.crt", "Dataset " + l.physical + "/phy"} {
			if l.before[object] == "" {
				t.Fatalf("%s isn't among the objects to compare", object)
			}
		}
	}
}

// differences returns the keys of objects that are no longer as they were.
func differences(before, now map[string]string) []string {
	var changed []string
	for key, text := range before {
		if now[key] != text {
			changed = append(changed, key)
		}
	}
	slices.Sort(changed)
	return changed
}

func (l *lot) compare(t *testing.T, after string) {
	t.Helper()
	now := l.snapshot(t)
	for _, key := range differences(l.before, now) {
		if after == "delete" && l.collected[key] {
			continue
		}
		t.Errorf("%s changed with the %s of %s/refdemo:\nbefore %s\nafter  %s", key, after, l.ref.Namespace, l.before[key], now[key])
	}
	for key := range now {
		if _, known := l.before[key]; !known {
			t.Errorf("%s is new after the %s of %s/refdemo and isn't marked as its own: %s", key, after, l.ref.Namespace, now[key])
		}
	}
}

// changeSources changes the sources of the mirrors, which is the only change that compare allows.
func (l *lot) changeSources(t *testing.T) {
	t.Helper()
	for _, source := range []client.Object{
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: l.physical, Name: "phy-fuse-script"}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: l.physical, Name: "jfs-secret"}},
	} {
		if err := livetest.Client().Patch(t.Context(), source, client.RawPatch(types.MergePatchType, []byte(`{"data":{"changed":"eWVz"}}`))); err != nil {
			t.Fatal(err)
		}
		l.before[keyOf(source)] = l.snapshot(t)[keyOf(source)]
	}
}

// revoke shares the physical Dataset with somebody else, which is the only change that compare allows.
func (l *lot) revoke(t *testing.T) {
	t.Helper()
	share(t, l.physical, "somebody-else")
	key := "Dataset " + l.physical + "/phy"
	l.before[key] = l.snapshot(t)[key]
}

// awaitRevoked waits until no mirror of the reference's own is left; foreign ones may look like them.
func (l *lot) awaitRevoked(t *testing.T) {
	t.Helper()
	livetest.Eventually(t, "no mirror", func() string {
		for _, object := range objectsIn(t, l.ref.Namespace) {
			if kind := object.GetKind(); (kind == "ConfigMap" || kind == "Secret") && reference.Owns(l.ref, object) {
				return "there is " + keyOf(object)
			}
		}
		return ""
	})
}

// awaitVerdict waits until a reference says of itself whether it is ready: in its condition, or beside Fluid by its phase
// or its annotation.
func awaitVerdict(t *testing.T, ref *datav1alpha1.Dataset) {
	t.Helper()
	livetest.Eventually(t, "a condition", func() string {
		livetest.Refresh(t, ref)
		if readyReason(ref.Status.Conditions) != "" || ref.Status.Phase == datav1alpha1.BoundPhase || ref.Annotations[reference.AnnotationObstacle] != "" {
			return ""
		}
		return fmt.Sprintf("the status is %+v", ref.Status)
	})
}

func releaseFinalizers(t *testing.T, object client.Object) {
	t.Helper()
	patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
	if err := client.IgnoreNotFound(livetest.Client().Patch(context.Background(), object, patch)); err != nil {
		t.Error("removing finalizers:", err)
	}
}
