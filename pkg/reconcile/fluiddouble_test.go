package reconcile

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/livetest"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/test/soak"
)

// fluidDouble does to one reference what Fluid v1.0.8's dataset-controller and thinruntime-controller do, with its own
// ways: it copies names as they are, takes what exists for its own, and writes statuses whole.
type fluidDouble struct {
	client   client.Client
	ref      types.NamespacedName
	physical types.NamespacedName
}

// fluidParts are the components of Fluid that run.
type fluidParts struct{ dataset, thinRuntime, alluxioRuntime, webhook bool }

// String names the parts.
func (p fluidParts) String() string {
	var names []string
	for name, runs := range map[string]bool{"dataset": p.dataset, "thin": p.thinRuntime, "alluxio": p.alluxioRuntime, "webhook": p.webhook} {
		if runs {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return cmp.Or(strings.Join(names, "+"), "nothing")
}

// subsets are sets of Fluid's components: all 16 of them if somebody has the time; else those that the others are made of,
// which are each component alone, and all of them together.
func subsets() []fluidParts {
	if !soak.Asked() {
		return []fluidParts{{dataset: true}, {thinRuntime: true}, {alluxioRuntime: true}, {webhook: true}, {true, true, true, true}}
	}
	var all []fluidParts
	for i := range 16 {
		all = append(all, fluidParts{i&1 > 0, i&2 > 0, i&4 > 0, i&8 > 0})
	}
	return all
}

// runFluid runs dataset-controller and thinruntime-controller until stop is called or the test ends. What they write is
// recorded.
func runFluid(t *testing.T, ref *datav1alpha1.Dataset, physical string, made *livetest.Writes) (stop func()) {
	t.Helper()
	return runFluidParts(t, fluidParts{dataset: true, thinRuntime: true}, ref, physical, made)
}

// runFluidParts runs components of Fluid until stop is called or the test ends. As the real ones do, they act at once on each
// event of a Dataset or ThinRuntime, whoever made it, and try again what failed.
func runFluidParts(t *testing.T, parts fluidParts, ref *datav1alpha1.Dataset, physical string, made *livetest.Writes) (stop func()) {
	t.Helper()
	watching, err := client.NewWithWatch(livetest.Config(), client.Options{Scheme: livetest.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	f := &fluidDouble{client: made.Recording(livetest.WithWatch(livetest.Client())), ref: client.ObjectKeyFromObject(ref), physical: types.NamespacedName{Namespace: physical, Name: "phy"}}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	look := make(chan struct{}, 1)
	for _, list := range []client.ObjectList{&datav1alpha1.DatasetList{}, &datav1alpha1.ThinRuntimeList{}} {
		events, err := watching.Watch(ctx, list)
		if err != nil {
			t.Fatal(err)
		}
		group.Go(func() {
			for range events.ResultChan() {
				select {
				case look <- struct{}{}:
				default: // it will look anyway
				}
			}
		})
	}
	group.Go(func() {
		again := time.Duration(0)
		for {
			select {
			case <-ctx.Done():
				return
			case <-look:
			case <-time.After(cmp.Or(again, time.Hour)):
			}
			if again = 0; f.act(ctx, parts) != nil {
				again = 50 * time.Millisecond
			}
		}
	})
	look <- struct{}{}
	var removeWebhook func()
	if parts.webhook {
		removeWebhook = startFluidWebhook(t)
	}
	stop = sync.OnceFunc(func() {
		cancel()
		group.Wait()
		if removeWebhook != nil {
			removeWebhook()
		}
	})
	t.Cleanup(stop)
	return stop
}

// startFluidWebhook creates the webhook's configuration as the chart does, with a certificate authority that is none, and
// gives it one when the webhook runs.
func startFluidWebhook(t *testing.T) (remove func()) {
	t.Helper()
	webhook := installFluidWebhook(t)
	webhook.Annotations = map[string]string{"started": "yes"}
	if err := livetest.Client().Update(t.Context(), webhook); err != nil {
		t.Fatal(err)
	}
	return func() { _ = livetest.Client().Delete(context.Background(), webhook) }
}

// act lets the components that run look at everything once.
func (f *fluidDouble) act(ctx context.Context, parts fluidParts) error {
	var all []error
	for _, part := range []struct {
		runs bool
		look func(context.Context) error
	}{{parts.dataset, f.datasetController}, {parts.thinRuntime, f.thinRuntimeController}, {parts.alluxioRuntime, f.alluxioRuntimeController}} {
		if part.runs {
			all = append(all, client.IgnoreNotFound(part.look(ctx)))
		}
	}
	return errors.Join(all...)
}

// alluxioRuntimeController is what Fluid's alluxioruntime-controller does with the status of a physical Dataset: it says what
// the cache has.
func (f *fluidDouble) alluxioRuntimeController(ctx context.Context) error {
	physical := &datav1alpha1.Dataset{}
	if err := f.client.Get(ctx, f.physical, physical); err != nil {
		return err
	}
	const cached = "1.00MiB"
	if physical.Status.CacheStates["cached"] == cached {
		return nil
	}
	physical.Status.CacheStates = map[string]string{"cached": cached}
	return f.client.Status().Update(ctx, physical)
}

// datasetController is what Fluid's dataset-controller does with a reference.
func (f *fluidDouble) datasetController(ctx context.Context) error {
	dataset := &datav1alpha1.Dataset{}
	if err := f.client.Get(ctx, f.ref, dataset); err != nil {
		return err
	}
	if dataset.DeletionTimestamp != nil {
		if controllerutil.RemoveFinalizer(dataset, datav1alpha1.FinalizerDataset) {
			return f.client.Update(ctx, dataset)
		}
		return nil
	}
	if controllerutil.AddFinalizer(dataset, datav1alpha1.FinalizerDataset) {
		return f.client.Update(ctx, dataset)
	}
	if err := f.ensureRuntime(ctx, dataset); err != nil {
		return err
	}
	if dataset.Status.Phase != datav1alpha1.NonePhase {
		return nil
	}
	dataset.Status.Phase, dataset.Status.Conditions = datav1alpha1.NotBoundPhase, []datav1alpha1.DatasetCondition{}
	return f.client.Status().Update(ctx, dataset)
}

func (f *fluidDouble) owner(dataset *datav1alpha1.Dataset, controller *bool) []metav1.OwnerReference {
	owner := reference.OwnerReference(dataset)
	owner.Controller = controller
	return []metav1.OwnerReference{owner}
}

// ensureRuntime creates the empty ThinRuntime, or makes whatever has the name the reference's own.
func (f *fluidDouble) ensureRuntime(ctx context.Context, dataset *datav1alpha1.Dataset) error {
	owners := f.owner(dataset, new(true))
	runtime := &datav1alpha1.ThinRuntime{}
	err := f.client.Get(ctx, f.ref, runtime)
	if apierrors.IsNotFound(err) {
		return f.client.Create(ctx, &datav1alpha1.ThinRuntime{ObjectMeta: metav1.ObjectMeta{Namespace: f.ref.Namespace, Name: f.ref.Name,
			Labels: map[string]string{datav1alpha1.LabelDatasetID: reference.DatasetID(dataset)}, OwnerReferences: owners}})
	}
	if err != nil || equality.Semantic.DeepEqual(runtime.OwnerReferences, owners) {
		return err
	}
	runtime.OwnerReferences = owners
	return f.client.Update(ctx, runtime)
}

// thinRuntimeController is what Fluid's thinruntime-controller does with the ThinRuntime of a reference.
func (f *fluidDouble) thinRuntimeController(ctx context.Context) error {
	runtime := &datav1alpha1.ThinRuntime{}
	if err := f.client.Get(ctx, f.ref, runtime); err != nil {
		return err
	}
	if runtime.DeletionTimestamp != nil {
		return f.takeDown(ctx, runtime)
	}
	dataset, physical := &datav1alpha1.Dataset{}, &datav1alpha1.Dataset{}
	if err := errors.Join(f.client.Get(ctx, f.ref, dataset), f.client.Get(ctx, f.physical, physical)); err != nil {
		return err
	}
	if controllerutil.AddFinalizer(runtime, datav1alpha1.FinalizerThinRuntime) {
		return f.client.Update(ctx, runtime)
	}
	isReady := func(c datav1alpha1.DatasetCondition) bool { return c.Type == datav1alpha1.DatasetReady }
	if !slices.ContainsFunc(dataset.Status.Conditions, isReady) {
		if err := f.setUp(ctx, dataset, physical); err != nil {
			return err
		}
	}
	if err := f.createVolume(ctx, dataset); err != nil {
		return err
	}
	return f.sync(ctx, dataset, physical, runtime)
}

// setUp records the reference and copies the DaemonSet and the ConfigMap; what exists stays.
func (f *fluidDouble) setUp(ctx context.Context, dataset, physical *datav1alpha1.Dataset) error {
	if !slices.Contains(physical.Status.DatasetRef, f.ref.String()) {
		physical.Status.DatasetRef = append(physical.Status.DatasetRef, f.ref.String())
		if err := f.client.Status().Update(ctx, physical); err != nil {
			return err
		}
	}
	source := &appsv1.DaemonSet{}
	if err := f.client.Get(ctx, types.NamespacedName{Namespace: f.physical.Namespace, Name: "phy-fuse"}, source); err != nil {
		return err
	}
	labels := map[string]string{datav1alpha1.LabelDatasetID: reference.DatasetID(dataset)}
	duplicate := &appsv1.DaemonSet{Spec: *source.Spec.DeepCopy(), ObjectMeta: metav1.ObjectMeta{Namespace: f.ref.Namespace, Name: f.ref.Name + "-fuse",
		Labels: labels, OwnerReferences: f.owner(dataset, nil)}}
	if duplicate.Spec.Template.Spec.NodeSelector == nil {
		duplicate.Spec.Template.Spec.NodeSelector = map[string]string{}
	}
	duplicate.Spec.Template.Spec.NodeSelector["fluid.io/fuse-balloon"] = "true"
	config := &corev1.ConfigMap{}
	if err := f.client.Get(ctx, types.NamespacedName{Namespace: f.physical.Namespace, Name: "phy-config"}, config); err != nil {
		return err
	}
	copied := &corev1.ConfigMap{Data: config.Data, ObjectMeta: metav1.ObjectMeta{Namespace: f.ref.Namespace, Name: "phy-config",
		Labels: map[string]string{datav1alpha1.LabelDatasetID: f.ref.Namespace + "-phy-config"}, OwnerReferences: f.owner(dataset, nil)}}
	return errors.Join(client.IgnoreAlreadyExists(f.client.Create(ctx, duplicate)), client.IgnoreAlreadyExists(f.client.Create(ctx, copied)))
}

// createVolume creates volume and claim; what exists stays.
func (f *fluidDouble) createVolume(ctx context.Context, dataset *datav1alpha1.Dataset) error {
	physical := &corev1.PersistentVolume{}
	if err := f.client.Get(ctx, types.NamespacedName{Name: reference.VolumeName(f.physical)}, physical); err != nil {
		return err
	}
	labels := map[string]string{reference.StorageLabel(dataset): "true", datav1alpha1.LabelDatasetID: reference.DatasetID(dataset)}
	volume := &corev1.PersistentVolume{Spec: *physical.Spec.DeepCopy(),
		ObjectMeta: metav1.ObjectMeta{Name: reference.VolumeName(f.ref), Labels: labels, Annotations: physical.Annotations}}
	volume.Spec.ClaimRef = &corev1.ObjectReference{Namespace: f.ref.Namespace, Name: f.ref.Name}
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: f.ref.Namespace, Name: f.ref.Name, Labels: labels,
			Annotations: map[string]string{datav1alpha1.AnnotationCreatedBy: datav1alpha1.CreatedByFluid}},
		Spec: corev1.PersistentVolumeClaimSpec{VolumeName: volume.Name, StorageClassName: new(datav1alpha1.StorageClassName),
			AccessModes: volume.Spec.AccessModes, Resources: corev1.VolumeResourceRequirements{Requests: volume.Spec.Capacity}},
	}
	return errors.Join(client.IgnoreAlreadyExists(f.client.Create(ctx, volume)), client.IgnoreAlreadyExists(f.client.Create(ctx, claim)))
}

// sync writes the physical's status over the reference's, and its runtime's over the ThinRuntime's, where they differ.
func (f *fluidDouble) sync(ctx context.Context, dataset, physical *datav1alpha1.Dataset, runtime *datav1alpha1.ThinRuntime) error {
	status := physical.Status.DeepCopy()
	status.DatasetRef = nil
	status.Runtimes = dataset.Status.Runtimes
	entry := datav1alpha1.Runtime{Name: f.ref.Name, Namespace: f.ref.Namespace, Category: datav1alpha1.AccelerateCategory, Type: reference.ThinType}
	if !slices.Contains(status.Runtimes, entry) {
		status.Runtimes = append(status.Runtimes, entry)
	}
	if !equality.Semantic.DeepEqual(dataset.Status, *status) {
		dataset.Status = *status
		if err := f.client.Status().Update(ctx, dataset); err != nil {
			return err
		}
	}
	mirrored := datav1alpha1.RuntimeStatus{Mounts: dataset.Spec.Mounts} // there is no AlluxioRuntime in these tests
	if equality.Semantic.DeepEqual(runtime.Status, mirrored) {
		return nil
	}
	runtime.Status = mirrored
	return f.client.Status().Update(ctx, runtime)
}

// takeDown deletes claim and volume and lets the ThinRuntime go.
func (f *fluidDouble) takeDown(ctx context.Context, runtime *datav1alpha1.ThinRuntime) error {
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: f.ref.Namespace, Name: f.ref.Name}}
	volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: reference.VolumeName(f.ref)}}
	for _, object := range []client.Object{claim, volume} {
		if err := client.IgnoreNotFound(f.client.Delete(ctx, object)); err != nil {
			return err
		}
	}
	physical := &datav1alpha1.Dataset{}
	if err := f.client.Get(ctx, f.physical, physical); client.IgnoreNotFound(err) != nil {
		return err
	} else if i := slices.Index(physical.Status.DatasetRef, f.ref.String()); i >= 0 {
		physical.Status.DatasetRef = slices.Delete(physical.Status.DatasetRef, i, i+1)
		if err := f.client.Status().Update(ctx, physical); err != nil {
			return err
		}
	}
	controllerutil.RemoveFinalizer(runtime, datav1alpha1.FinalizerThinRuntime)
	return f.client.Update(ctx, runtime)
}
