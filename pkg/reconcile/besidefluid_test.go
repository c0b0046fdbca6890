package reconcile

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/livetest"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// installFluidWebhook creates the configuration by which Fluid is known, until the test ends.
func installFluidWebhook(t *testing.T) *admissionregistrationv1.MutatingWebhookConfiguration {
	t.Helper()
	webhook := &admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: reference.FluidWebhook}}
	livetest.Create(t, webhook)
	t.Cleanup(func() { _ = livetest.Client().Delete(context.Background(), webhook) })
	return webhook
}

func newAlluxioReference(t *testing.T) (ref *datav1alpha1.Dataset, physical string) {
	t.Helper()
	physical = newPhysicalOf(t, "alluxio")
	ref = &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: livetest.NewNamespace(t), Name: "refdemo"}}
	ref.Spec.Mounts = []datav1alpha1.Mount{{MountPoint: "dataset://" + physical + "/phy"}}
	return ref, physical
}

func fuseTemplateOf(ref *datav1alpha1.Dataset) *appsv1.DaemonSet {
	key := reference.FuseTemplateKey(client.ObjectKeyFromObject(ref))
	return &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
}

// awaitTemplate waits until the DaemonSet that Fluid's webhook reads has an image and names the reference's own mirror.
func awaitTemplate(t *testing.T, ref *datav1alpha1.Dataset, image string) *appsv1.DaemonSet {
	t.Helper()
	daemonSet := fuseTemplateOf(ref)
	livetest.Eventually(t, "the template for Fluid's webhook", func() string {
		mirrored := mirrors(t, ref)
		if !livetest.Exists(t, daemonSet) || len(mirrored) != 1 {
			return fmt.Sprintf("it isn't there, or there are %d mirrors", len(mirrored))
		}
		template := &daemonSet.Spec.Template.Spec
		named := template.Containers[0].EnvFrom[0].ConfigMapRef.Name
		if named != mirrored[0].Name || template.Containers[0].Image != image || template.NodeSelector["fluid.io/fuse-balloon"] != "true" {
			return fmt.Sprintf("it names ConfigMap %s, image %s, and nodes %v", named, template.Containers[0].Image, template.NodeSelector)
		}
		return ""
	})
	return daemonSet
}

// setImage edits the template of a DaemonSet.
func setImage(t *testing.T, daemonSet *appsv1.DaemonSet, image string) {
	t.Helper()
	patch := `[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"` + image + `"}]`
	if err := livetest.Client().Patch(t.Context(), daemonSet, client.RawPatch(types.JSONPatchType, []byte(patch))); err != nil {
		t.Fatal(err)
	}
}

// neverChanges watches that nobody writes an object of the reference's namespace, the volume or the physical Dataset.
func neverChanges(t *testing.T, ref *datav1alpha1.Dataset, physical string) {
	t.Helper()
	states := func() string {
		var text strings.Builder
		for _, namespace := range []string{ref.Namespace, physical} {
			for _, object := range objectsIn(t, namespace) {
				if object.GetKind() != "Event" {
					fmt.Fprintln(&text, object.GetKind(), object.GetName(), object.GetResourceVersion())
				}
			}
		}
		return text.String()
	}
	last, since := states(), time.Now()
	livetest.Eventually(t, "nobody writing for 1.5 seconds", func() string {
		if now := states(); now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) < 1500*time.Millisecond {
			return "something was written"
		}
		return ""
	})
}

// TestBesideFluidBothServeAReferenceInPeace: whoever comes first, both agree on every object and write no more, though
// Fluid looks all the time; its webhook gets the names of the mirrors; changes still arrive; and nothing is left.
func TestBesideFluidBothServeAReferenceInPeace(t *testing.T) {
	for _, order := range []string{"Fluid first", "Fluid last", "at once"} {
		t.Run(order, func(t *testing.T) {
			installFluidWebhook(t)
			ref, physical := newAlluxioReference(t)
			livetest.Create(t, ref)
			w, fluid := &wire{}, &livetest.Writes{}
			switch order {
			case "Fluid first":
				runFluid(t, ref, physical, fluid)
				awaitBound(t, ref)
				startReferencesOn(t, w, logr.Discard(), reference.UniqueNames)
			case "Fluid last":
				startReferencesOn(t, w, logr.Discard(), reference.UniqueNames)
				awaitBound(t, ref)
				runFluid(t, ref, physical, fluid)
			default:
				startReferencesOn(t, w, logr.Discard(), reference.UniqueNames)
				runFluid(t, ref, physical, fluid)
			}
			awaitBound(t, ref)
			awaitTemplate(t, ref, "example.com/alluxio-fuse:2.9.0")
			neverChanges(t, ref, physical)
			checkBounded(t, w, fluid)
			if livetest.Refresh(t, ref); readyCondition(ref.Status.Conditions).Type != "" {
				t.Errorf("a condition that Fluid erases is in the status: %+v", ref.Status.Conditions)
			}

			setImage(t, &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "phy-fuse"}}, "example.com/alluxio-fuse:3")
			template := awaitTemplate(t, ref, "example.com/alluxio-fuse:3")
			setImage(t, template, "example.com/edited")
			awaitTemplate(t, ref, "example.com/alluxio-fuse:3")
			neverChanges(t, ref, physical)

			claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: ref.Namespace, Name: ref.Name}}
			volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: ref.Namespace + "-refdemo"}}
			livetest.Remove(t, ref)
			livetest.EventuallyGone(t, ref, claim, volume, fuseTemplateOf(ref), &datav1alpha1.ThinRuntime{ObjectMeta: claim.ObjectMeta})
		})
	}
}

// TestBesideSubsetsOfFluidAllComesToRest: whichever of Fluid's components run, under whatever name, a reference that is
// Bound stays so when they start, and when they end and start again; at most 5 writes of its status each time, of both sides,
// and then none.
func TestBesideSubsetsOfFluidAllComesToRest(t *testing.T) {
	for _, parts := range subsets() {
		t.Run(parts.String(), func(t *testing.T) {
			ref, physical := newAlluxioReference(t)
			w, fluid := &wire{}, &livetest.Writes{}
			stop := startReferencesOn(t, w, logr.Discard(), reference.UniqueNames)
			defer stop()
			livetest.Create(t, ref)
			awaitBound(t, ref)
			neverChanges(t, ref, physical)
			status := "/" + ref.Namespace + "/datasets/" + ref.Name + "/status"
			writes := func() int {
				ours := w.calls(func(c call) bool { return c.isWrite() && strings.HasSuffix(c.path, status) })
				fluids := slices.DeleteFunc(fluid.Of(ref.Namespace), func(write string) bool { return !strings.HasPrefix(write, "update status *v1alpha1.Dataset ") })
				return len(ours) + len(fluids)
			}
			for _, step := range []string{"start", "start again"} {
				before := writes()
				stopFluid := runFluidParts(t, parts, ref, physical, fluid)
				neverChanges(t, ref, physical)
				touch(t, ref) // any event of the reference
				neverChanges(t, ref, physical)
				if made := writes() - before; made > 5 {
					t.Errorf("%s: %d writes of its status", step, made)
				}
				stopFluid()
				touch(t, ref)
				neverChanges(t, ref, physical)
				if livetest.Refresh(t, ref); ref.Status.Phase != datav1alpha1.BoundPhase {
					t.Errorf("%s: its status is %+v", step, ref.Status)
				}
			}
		})
	}
}

// checkBounded wants not many more writes of both together than each needs alone: 7, the mirror and the template here; of
// Fluid, which tries again what was in its way, two finalizers, ThinRuntime, three statuses and that of the physical, two
// copies, volume and claim.
func checkBounded(t *testing.T, w *wire, fluid *livetest.Writes) {
	t.Helper()
	const alone, fluidAlone = 7 + 1 + 1, 11
	ours := w.calls(call.isWrite)
	t.Logf("%d writes here, %d of them conflicts; %d of Fluid's", len(ours), w.conflicts.Load(), fluid.Count())
	if len(ours) > 2*alone {
		t.Errorf("%d writes: %s", len(ours), ours)
	}
	// Volume and claim it tries to create each time that it looks.
	needed := slices.DeleteFunc(fluid.Of(""), func(write string) bool { return strings.HasPrefix(write, "create *v1.PersistentVolume") })
	if len(needed) > 2*fluidAlone {
		t.Errorf("%d writes of Fluid's: %s", len(needed), strings.Join(needed, "\n"))
	}
}

// TestAThinRuntimeIsLeftToFluidForAWhile: beside Fluid its finalizer is Fluid's to remove, so that Fluid takes down what it may
// just be making again; where Fluid's controller doesn't do it, nothing hangs. Without Fluid it goes at once.
func TestAThinRuntimeIsLeftToFluidForAWhile(t *testing.T) {
	orphan := func(t *testing.T) *datav1alpha1.ThinRuntime {
		former := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: livetest.NewNamespace(t), Name: "refdemo", UID: "former"}}
		thin := &datav1alpha1.ThinRuntime{ObjectMeta: metav1.ObjectMeta{Namespace: former.Namespace, Name: former.Name,
			Labels: map[string]string{reference.LabelReferenceUID: "former"}, Finalizers: []string{datav1alpha1.FinalizerThinRuntime}}}
		livetest.Create(t, thin)
		livetest.Remove(t, thin)
		// With an owner that doesn't exist the garbage collector would be quicker than the test.
		owned := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"ownerReferences":[`+
			`{"apiVersion":"data.fluid.io/v1alpha1","kind":"Dataset","name":"refdemo","uid":"former","controller":true}]}}`))
		if err := livetest.Client().Patch(t.Context(), thin, owned); err != nil {
			t.Fatal(err)
		}
		return thin
	}
	now := time.Now()
	for beside, released := range map[BesideFluid]time.Duration{BesideFluidFalse: 0, BesideFluidTrue: fluidTakesDown} {
		thin := orphan(t)
		r := &ReferenceReconciler{Client: livetest.Client(), Live: livetest.Client(), BesideFluid: beside, Now: func() time.Time { return now }}
		if released > 0 {
			now = thin.DeletionTimestamp.Add(released - time.Second)
			again, err := r.reconcile(t.Context(), client.ObjectKeyFromObject(thin))
			if again != time.Second || err != nil || !livetest.Exists(t, thin) {
				t.Errorf("beside Fluid %s, a second before its time is over: look again after %s, error %v, there: %t", beside, again, err, livetest.Exists(t, thin))
			}
			now = now.Add(time.Second)
		}
		if again, err := r.reconcile(t.Context(), client.ObjectKeyFromObject(thin)); again > 0 || err != nil {
			t.Errorf("beside Fluid %s: look again after %s, error %v", beside, again, err)
		}
		livetest.EventuallyGone(t, thin)
	}
}

// TestBesideFluidObstaclesAreAnnotated: what blocks a reference is said where Fluid doesn't erase it, without a fight
// about the status, and is taken back when it is over.
func TestBesideFluidObstaclesAreAnnotated(t *testing.T) {
	installFluidWebhook(t)
	ref, physical := newAlluxioReference(t)
	livetest.Create(t, ref)
	startReferencesOn(t, &wire{}, logr.Discard(), reference.UniqueNames)
	runFluid(t, ref, physical, &livetest.Writes{})
	awaitBound(t, ref)
	share := func(with string) {
		t.Helper()
		dataset := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "phy"}}
		patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"`+reference.AnnotationSharedWith+`":`+with+`}}}`))
		if err := livetest.Client().Patch(t.Context(), dataset, patch); err != nil {
			t.Fatal(err)
		}
	}
	share(`"somebody-else"`)
	livetest.Eventually(t, "the annotation", func() string {
		if livetest.Refresh(t, ref); strings.HasPrefix(ref.Annotations[reference.AnnotationObstacle], "NotShared: ") {
			return ""
		}
		return fmt.Sprintf("the annotations are %v", ref.Annotations)
	})
	neverChanges(t, ref, physical)
	if ref.Status.Phase != datav1alpha1.BoundPhase {
		t.Errorf("the status, which is Fluid's, is %+v", ref.Status)
	}
	share(`null`)
	livetest.Eventually(t, "the annotation to go", func() string {
		if livetest.Refresh(t, ref); ref.Annotations[reference.AnnotationObstacle] == "" {
			return ""
		}
		return fmt.Sprintf("the annotations are %v", ref.Annotations)
	})
	neverChanges(t, ref, physical)
}

// TestFluidIsNoticedWhenItComes: without its webhook there is no template for it; when it is installed, every reference
// gets one, but not over an object of somebody else's.
func TestFluidIsNoticedWhenItComes(t *testing.T) {
	startReferencesOn(t, &wire{}, logr.Discard(), reference.UniqueNames)
	ref, physical := newAlluxioReference(t)
	livetest.Create(t, ref)
	awaitBound(t, ref)
	other := newBoundReference(t, physical)
	foreign := fuseTemplateOf(other)
	labels := map[string]string{"app": "mine"}
	foreign.Spec = appsv1.DaemonSetSpec{Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels},
		Spec:       corev1.PodSpec{NodeSelector: labels, Containers: []corev1.Container{{Name: "mine", Image: "example.com/mine"}}}}}
	livetest.Create(t, foreign)
	if livetest.Exists(t, fuseTemplateOf(ref)) {
		t.Error("there is a template for a webhook that isn't there")
	}
	installFluidWebhook(t)
	awaitTemplate(t, ref, "example.com/alluxio-fuse:2.9.0")
	livetest.Never(t, func() string {
		if now := fuseTemplateOf(other); livetest.Exists(t, now) && now.Spec.Template.Spec.Containers[0].Image == "example.com/mine" && len(now.Labels) == 0 {
			return ""
		}
		return "a foreign DaemonSet was changed"
	})
}
