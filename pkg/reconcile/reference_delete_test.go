package reconcile

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/livetest"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

func TestReferenceGoesInEveryOrder(t *testing.T) {
	startReferences(t)
	for _, test := range []struct {
		name   string
		before func(t *testing.T, physical string, ref *datav1alpha1.Dataset)
	}{
		{"alone", func(*testing.T, string, *datav1alpha1.Dataset) {}},
		{"after its physical Dataset", func(t *testing.T, physical string, _ *datav1alpha1.Dataset) {
			dataset := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "phy"}}
			livetest.Remove(t, dataset)
			livetest.EventuallyGone(t, dataset)
		}},
		{"after what the physical's runtime made", func(t *testing.T, physical string, _ *datav1alpha1.Dataset) {
			volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: physical + "-phy"}}
			livetest.Remove(t, volume, &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "phy-fuse"}})
			livetest.EventuallyGone(t, volume)
		}},
		{"after its physical's namespace", func(t *testing.T, physical string, _ *datav1alpha1.Dataset) {
			namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: physical}}
			livetest.Remove(t, namespace)
			livetest.EventuallyGone(t, namespace)
		}},
		{"after its ThinRuntime was deleted", func(t *testing.T, _ string, ref *datav1alpha1.Dataset) {
			livetest.Remove(t, &datav1alpha1.ThinRuntime{ObjectMeta: metav1.ObjectMeta{Namespace: ref.Namespace, Name: ref.Name}})
		}},
		{"with its namespace", func(t *testing.T, _ string, ref *datav1alpha1.Dataset) {
			namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ref.Namespace}}
			livetest.Remove(t, namespace)
			livetest.EventuallyGone(t, namespace)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			physical := newPhysicalOf(t, "juicefs")
			ref := newBoundReference(t, physical)
			mirrored := mirrors(t, ref)
			test.before(t, physical, ref)
			livetest.Remove(t, ref)
			meta := metav1.ObjectMeta{Namespace: ref.Namespace, Name: ref.Name}
			livetest.EventuallyGone(t, ref, &datav1alpha1.ThinRuntime{ObjectMeta: meta}, &corev1.PersistentVolumeClaim{ObjectMeta: meta},
				&corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: ref.Namespace + "-refdemo"}}, &mirrored[0])
		})
	}
}

// TestReferenceToAVanishedPhysicalGoesAfterARestart: everything of the physical went by force while no controller ran,
// so that whoever starts doesn't know what the reference referred to.
func TestReferenceToAVanishedPhysicalGoesAfterARestart(t *testing.T) {
	w := &wire{}
	stop := startReferencesOn(t, w, logr.Discard(), reference.UniqueNames)
	physical := newPhysicalOf(t, "juicefs")
	ref := newBoundReference(t, physical)
	mirror := only(t, ref)
	w.settle(t)
	stop()
	dataset := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: physical, Name: "phy"}}
	volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: physical + "-phy"}}
	livetest.Remove(t, dataset, volume, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: physical}})
	livetest.EventuallyGone(t, dataset, volume)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ref.Namespace}}
	livetest.Remove(t, namespace)

	startReferencesOn(t, &wire{}, logr.Discard(), reference.UniqueNames)
	livetest.EventuallyGone(t, ref, &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: ref.Namespace + "-refdemo"}}, mirror, namespace)
}

// TestDeletionFindsWhatTheCacheDoesNotKnowYet: caches lag behind each other, so a reference that is deleted just after
// it was made may have a volume that the cache doesn't show.
func TestDeletionFindsWhatTheCacheDoesNotKnowYet(t *testing.T) {
	var blind atomic.Bool
	livetest.StartManager(t, func(manager ctrl.Manager) error {
		if err := AddIndexes(t.Context(), manager); err != nil {
			return err
		}
		c := interceptor.NewClient(livetest.WithWatch(manager.GetClient()), interceptor.Funcs{
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
				if _, isDataset := object.(*datav1alpha1.Dataset); blind.Load() && !isDataset {
					return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
				}
				return c.Get(ctx, key, object, options...)
			},
		})
		references := &ReferenceReconciler{Client: c, Live: manager.GetAPIReader(), Recorder: events.NewFakeRecorder(1000),
			MirrorNames: reference.UniqueNames, Now: time.Now}
		return errors.Join(references.SetupWithManager(manager), (&DatasetRefReconciler{Client: c}).SetupWithManager(manager))
	})
	s := newSpecimen(t)
	livetest.Create(t, s.ref)
	awaitBound(t, s.ref)
	blind.Store(true)
	livetest.Remove(t, s.ref)
	s.eventuallyGone(t)
}

// TestFormerReferencesObjectsMakeRoom: a reference went by force while no controller ran, and its name is in use again.
func TestFormerReferencesObjectsMakeRoom(t *testing.T) {
	s := newSpecimen(t)
	w := &wire{}
	stop := startReferencesOn(t, w, logr.Discard(), reference.UniqueNames)
	livetest.Create(t, s.ref)
	awaitBound(t, s.ref)
	w.settle(t)
	stop()
	former := livetest.Refresh(t, &datav1alpha1.ThinRuntime{ObjectMeta: metav1.ObjectMeta{Namespace: s.ref.Namespace, Name: s.ref.Name}})
	releaseFinalizers(t, s.ref)
	livetest.Remove(t, s.ref)
	livetest.EventuallyGone(t, s.ref)
	next := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: s.ref.Namespace, Name: s.ref.Name}, Spec: s.ref.Spec}
	livetest.Create(t, next)

	startReferencesOn(t, &wire{}, logr.Discard(), reference.UniqueNames)
	livetest.Eventually(t, "the former ThinRuntime has gone", func() string {
		if now := former.DeepCopy(); livetest.Exists(t, now) && now.UID == former.UID {
			return fmt.Sprintf("it has the finalizers %v", now.Finalizers)
		}
		return ""
	})
	awaitBound(t, next)
	volume := livetest.Refresh(t, &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: next.Namespace + "-refdemo"}})
	if !reference.Owns(next, volume) {
		t.Errorf("the volume has the labels %v", volume.Labels)
	}
}
