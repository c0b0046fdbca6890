package alluxio

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/alluxio/engine"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/livetest"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// example is the documented Dataset with its runtime, in a namespace of its own.
func example(namespace string) (*datav1alpha1.Dataset, *datav1alpha1.AlluxioRuntime) {
	meta := metav1.ObjectMeta{Namespace: namespace, Name: "phy"}
	return &datav1alpha1.Dataset{ObjectMeta: meta, Spec: datav1alpha1.DatasetSpec{Mounts: []datav1alpha1.Mount{{MountPoint: "https://mirrors.bit.edu.cn/apache/spark/", Name: "spark"}}}},
		&datav1alpha1.AlluxioRuntime{ObjectMeta: meta, Spec: datav1alpha1.AlluxioRuntimeSpec{Replicas: 1,
			TieredStore: datav1alpha1.TieredStore{Levels: []datav1alpha1.Level{{MediumType: "MEM", Path: "/dev/shm", Quota: "1Gi", High: "0.95", Low: "0.7"}}}}}
}

// start runs the engine with a double for what a control plane hasn't got.
func start(t *testing.T, change func(*Reconciler)) (string, *double) {
	t.Helper()
	livetest.NeedCluster(t)
	namespace := livetest.NewNamespace(t)
	d := startDouble(t, namespace)
	livetest.StartManager(t, func(manager ctrl.Manager) error {
		r := &Reconciler{Client: client.WithFieldOwner(manager.GetClient(), reference.FieldManager), Recorder: manager.GetEventRecorder(reference.FieldManager),
			Settings: engine.Settings{Image: "kubectl-fluid/alluxio:2.9.6", Controller: "kubectl-fluid-system"}, Serve: ServeAll, Sharing: reference.SharingRBAC, Ask: d.ask}
		if change != nil {
			change(r)
		}
		return r.SetupWithManager(manager)
	})
	return namespace, d
}

func awaitBound(t *testing.T, dataset *datav1alpha1.Dataset) {
	t.Helper()
	livetest.Eventually(t, "Dataset bound", func() string {
		if status := livetest.Refresh(t, dataset).Status; status.Phase != datav1alpha1.BoundPhase {
			return fmt.Sprintf("phase %q, conditions %v", status.Phase, status.Conditions)
		}
		return ""
	})
}

func conditionOf(runtime *datav1alpha1.AlluxioRuntime, kind string) datav1alpha1.RuntimeCondition {
	for _, c := range runtime.Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return datav1alpha1.RuntimeCondition{}
}

// TestTheDocumentedExampleIsServed: objects, mounts, counting, statuses; Jobs are gone, and then nothing is written any more.
func TestTheDocumentedExampleIsServed(t *testing.T) {
	namespace, d := start(t, nil)
	dataset, runtime := example(namespace)
	livetest.Create(t, dataset, runtime)
	awaitBound(t, dataset)
	livetest.Eventually(t, "figures", func() string {
		status := livetest.Refresh(t, dataset).Status
		if status.UfsTotal != "2.00GiB" || status.FileNum != "2" || status.CacheStates["cachedPercentage"] != "25.0%" {
			return fmt.Sprintf("%s, %s files, %v", status.UfsTotal, status.FileNum, status.CacheStates)
		}
		return ""
	})
	status := dataset.Status
	if len(status.Runtimes) != 1 || status.Runtimes[0].Type != "alluxio" || len(status.Mounts) != 1 || status.HCFSStatus == nil ||
		status.HCFSStatus.Endpoint != "alluxio://phy-master-0."+namespace+":19998" || status.CacheStates["cacheHitRatio"] != "75.0%" {
		t.Errorf("status %+v", status)
	}
	if got := d.ran(); !slices.Equal(got, []string{"mount /spark", "count /"}) {
		t.Errorf("Jobs did %q", got)
	}
	livetest.Eventually(t, "runtime ready, Jobs gone", func() string {
		s := livetest.Refresh(t, runtime).Status
		jobs := &batchv1.JobList{}
		if err := livetest.Client().List(t.Context(), jobs, client.InNamespace(namespace)); err != nil {
			return err.Error()
		}
		if s.MasterPhase != "Ready" || s.WorkerPhase != "Ready" || s.FusePhase != "Ready" || s.MasterNumberReady != 1 || s.WorkerNumberReady != 1 ||
			s.SetupDuration == "" || conditionOf(runtime, engine.ConditionMountedRuntime).Status != corev1.ConditionTrue || len(jobs.Items) > 0 {
			return fmt.Sprintf("%d Jobs, %+v", len(jobs.Items), s)
		}
		return ""
	})
	if !strings.Contains(conditionOf(runtime, "WorkersReady").Message, "phy-worker-0 LIVE 1.00GiB") {
		t.Error(conditionOf(runtime, "WorkersReady"))
	}
	for _, object := range []client.Object{&corev1.ConfigMap{ObjectMeta: named(namespace, "phy-config")}, &corev1.Service{ObjectMeta: named(namespace, "phy-master-0")},
		&appsv1.DaemonSet{ObjectMeta: named(namespace, "phy-fuse")}, &networkingv1.NetworkPolicy{ObjectMeta: named(namespace, "phy-alluxio")},
		&corev1.PersistentVolumeClaim{ObjectMeta: named(namespace, "phy")}, &corev1.PersistentVolume{ObjectMeta: named("", namespace+"-phy")}} {
		if !livetest.Exists(t, object) {
			t.Errorf("there is no %T %s", object, object.GetName())
		}
	}
	before := dataset.ResourceVersion + runtime.ResourceVersion
	time.Sleep(2 * time.Second)
	if after := livetest.Refresh(t, dataset).ResourceVersion + livetest.Refresh(t, runtime).ResourceVersion; after != before {
		t.Error("something is written although nothing changes")
	}
}

func named(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}

// TestAMasterIsFoundOnlyWithItsMounts: not before, and again only then when its pod was replaced.
func TestAMasterIsFoundOnlyWithItsMounts(t *testing.T) {
	namespace, d := start(t, nil)
	d.set(func() { d.fail["/spark"] = "HTTP 403 for https://mirrors.bit.edu.cn/apache/spark/: Forbidden" })
	dataset, runtime := example(namespace)
	livetest.Create(t, dataset, runtime)
	pod := &corev1.Pod{ObjectMeta: named(namespace, "phy-master-0")}
	livetest.Eventually(t, "the failure is said", func() string {
		livetest.Refresh(t, dataset)
		for _, c := range dataset.Status.Conditions {
			if c.Type == datav1alpha1.DatasetNotReady && strings.Contains(c.Message, `the mount "spark" at /spark failed: HTTP 403`) {
				return ""
			}
		}
		return fmt.Sprint(dataset.Status.Conditions)
	})
	if dataset.Status.Phase == datav1alpha1.BoundPhase || podCondition(livetest.Refresh(t, pod), corev1.PodReady) == corev1.ConditionTrue {
		t.Error("the Dataset is bound, or the master ready, without its mount")
	}
	if jobs := d.ran(); !slices.Equal(jobs, []string{"mount /spark"}) {
		t.Errorf("it was tried %q", jobs)
	}
	d.set(func() { delete(d.fail, "/spark") })
	// Another option is another mount: it is tried at once.
	livetest.Alter(t, dataset, func(dataset *datav1alpha1.Dataset) { dataset.Spec.Mounts[0].Options = map[string]string{"a": "b"} })
	awaitBound(t, dataset)
	livetest.Refresh(t, pod)
	uid := pod.UID
	d.ran()
	livetest.Remove(t, pod)
	livetest.Eventually(t, "the master replaced and mounted", func() string {
		if !livetest.Exists(t, pod) || pod.UID == uid || podCondition(pod, corev1.PodReady) != corev1.ConditionTrue {
			return "not yet"
		}
		return ""
	})
	if jobs := d.ran(); !slices.Contains(jobs, "mount /spark") {
		t.Errorf("Jobs did %q", jobs)
	}
	livetest.Eventually(t, "all well", func() string {
		if slices.ContainsFunc(livetest.Refresh(t, dataset).Status.Conditions, func(c datav1alpha1.DatasetCondition) bool { return c.Type == datav1alpha1.DatasetNotReady }) {
			return fmt.Sprint(dataset.Status.Conditions)
		}
		return ""
	})
}

// TestMountsChangeUnderRunningMasters: one is added, one gets another option, one goes; the master stays ready all the time.
func TestMountsChangeUnderRunningMasters(t *testing.T) {
	namespace, d := start(t, nil)
	dataset, runtime := example(namespace)
	livetest.Create(t, dataset, runtime)
	awaitBound(t, dataset)
	await := func(what string) {
		t.Helper()
		var did []string
		livetest.Eventually(t, what, func() string {
			for _, job := range d.ran() {
				if !strings.HasPrefix(job, "count") {
					did = append(did, job)
				}
			}
			if got := strings.Join(did, ", "); got != what {
				return got
			}
			return ""
		})
	}
	await("mount /spark")
	livetest.Alter(t, dataset, func(dataset *datav1alpha1.Dataset) {
		dataset.Spec.Mounts = append(dataset.Spec.Mounts, datav1alpha1.Mount{MountPoint: "s3://bucket", Name: "more"})
	})
	await("mount /more")
	livetest.Alter(t, dataset, func(dataset *datav1alpha1.Dataset) { dataset.Spec.Mounts[0].Options = map[string]string{"a": "b"} })
	await("remount /spark")
	livetest.Alter(t, dataset, func(dataset *datav1alpha1.Dataset) { dataset.Spec.Mounts = dataset.Spec.Mounts[:1] })
	await("unmount /more")
	livetest.Eventually(t, "status.mounts", func() string {
		if len(livetest.Refresh(t, dataset).Status.Mounts) != 1 {
			return fmt.Sprint(dataset.Status.Mounts)
		}
		return ""
	})
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	namespace, _ := start(t, nil)
	dataset, runtime := example(namespace)
	dataset.Spec.Mounts = append(dataset.Spec.Mounts, dataset.Spec.Mounts[0])
	foreign := &corev1.ConfigMap{ObjectMeta: named(namespace, "phy-config"), Data: map[string]string{"mine": "1"}}
	livetest.Create(t, foreign, dataset, runtime)
	said := func(part string) {
		t.Helper()
		livetest.Eventually(t, part, func() string {
			for _, c := range livetest.Refresh(t, dataset).Status.Conditions {
				if c.Type == datav1alpha1.DatasetNotReady && strings.Contains(c.Message, part) {
					return ""
				}
			}
			return fmt.Sprint(dataset.Status.Conditions)
		})
	}
	said("spec.mounts[0] and spec.mounts[1] are both at /spark")
	livetest.Alter(t, dataset, func(dataset *datav1alpha1.Dataset) { dataset.Spec.Mounts = dataset.Spec.Mounts[:1] })
	said("ConfigMap " + namespace + "/phy-config: it exists already")
	if livetest.Refresh(t, foreign).Data["mine"] != "1" || len(foreign.Labels) > 0 {
		t.Error("the foreign ConfigMap was touched")
	}
	livetest.Remove(t, foreign)
	livetest.Alter(t, runtime, func(runtime *datav1alpha1.AlluxioRuntime) {
		metav1.SetMetaDataAnnotation(&runtime.ObjectMeta, "look", "again")
	})
	awaitBound(t, dataset)
}

// TestAnExhaustedQuotaIsSaid: Kubernetes says it in events alone.
func TestAnExhaustedQuotaIsSaid(t *testing.T) {
	namespace, _ := start(t, nil)
	quota := &corev1.ResourceQuota{ObjectMeta: named(namespace, "none"), Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: *zero()}}}
	livetest.Create(t, quota)
	dataset, runtime := example(namespace)
	livetest.Create(t, dataset, runtime)
	livetest.Eventually(t, "the quota is named", func() string {
		for _, c := range livetest.Refresh(t, dataset).Status.Conditions {
			if c.Type == datav1alpha1.DatasetNotReady && strings.Contains(c.Message, "exceeded quota: none") {
				return ""
			}
		}
		return fmt.Sprint(dataset.Status.Conditions)
	})
}

// TestChangesArriveAndLifeEnds: scaling, an image, a property that is taken back; then deletion leaves nothing.
func TestChangesArriveAndLifeEnds(t *testing.T) {
	namespace, d := start(t, nil)
	dataset, runtime := example(namespace)
	livetest.Create(t, dataset, runtime)
	awaitBound(t, dataset)
	worker, master := &appsv1.StatefulSet{ObjectMeta: named(namespace, "phy-worker")}, &appsv1.StatefulSet{ObjectMeta: named(namespace, "phy-master")}
	hash := livetest.Refresh(t, master).Spec.Template.Annotations[engine.AnnotationConfigHash]
	livetest.Alter(t, runtime, func(runtime *datav1alpha1.AlluxioRuntime) {
		runtime.Spec.Replicas = 3
		runtime.Spec.Worker.Properties = map[string]string{"alluxio.worker.tieredstore.free.ahead.bytes": "1MB"}
		runtime.Spec.Fuse.Image = "other"
		runtime.Spec.Worker.NodeSelector = map[string]string{"a": "b"}
	})
	livetest.Eventually(t, "three workers", func() string {
		livetest.Refresh(t, worker)
		if *worker.Spec.Replicas != 3 || worker.Spec.Template.Spec.NodeSelector["a"] != "b" || livetest.Refresh(t, runtime).Status.WorkerNumberReady != 3 {
			return fmt.Sprint(*worker.Spec.Replicas, runtime.Status.WorkerNumberReady)
		}
		return ""
	})
	if livetest.Refresh(t, master).Spec.Template.Annotations[engine.AnnotationConfigHash] != hash {
		t.Error("the master is restarted for a worker's property")
	}
	livetest.Alter(t, runtime, func(runtime *datav1alpha1.AlluxioRuntime) {
		runtime.Spec.Replicas, runtime.Spec.Worker.NodeSelector = 1, nil
	})
	livetest.Eventually(t, "one worker", func() string {
		if livetest.Refresh(t, worker); *worker.Spec.Replicas != 1 || len(worker.Spec.Template.Spec.NodeSelector) > 0 {
			return fmt.Sprint(*worker.Spec.Replicas, worker.Spec.Template.Spec.NodeSelector)
		}
		return ""
	})
	_ = d
	livetest.Remove(t, dataset)
	livetest.EventuallyGone(t, dataset, runtime, worker, master, &corev1.PersistentVolumeClaim{ObjectMeta: named(namespace, "phy")},
		&corev1.PersistentVolume{ObjectMeta: named("", namespace+"-phy")}, &appsv1.DaemonSet{ObjectMeta: named(namespace, "phy-fuse")})
}

// TestADatasetInUseStays: a reference to it, or a pod with its sidecar, is named.
func TestADatasetInUseStays(t *testing.T) {
	namespace, _ := start(t, nil)
	dataset, runtime := example(namespace)
	livetest.Create(t, dataset, runtime)
	awaitBound(t, dataset)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "reader", Labels: map[string]string{datav1alpha1.LabelInjectionDone: "true",
		datav1alpha1.LabelSidecarDatasetName + "fluid-fuse-0": "phy", datav1alpha1.LabelSidecarDatasetNamespace + "fluid-fuse-0": namespace}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app"}}}}
	livetest.Create(t, pod)
	time.Sleep(500 * time.Millisecond)
	livetest.Remove(t, dataset)
	livetest.Never(t, func() string {
		if !livetest.Exists(t, dataset) {
			return "the Dataset has gone although a pod uses it"
		}
		return ""
	})
	zero := int64(0)
	if err := livetest.Client().Delete(t.Context(), pod, &client.DeleteOptions{GracePeriodSeconds: &zero}); err != nil {
		t.Fatal(err)
	}
	livetest.EventuallyGone(t, dataset, runtime)
}

// TestConsentHoldsOnTheDataPath: the policy follows the references that are recorded and have consent.
func TestConsentHoldsOnTheDataPath(t *testing.T) {
	namespace, _ := start(t, nil)
	dataset, runtime := example(namespace)
	livetest.Create(t, dataset, runtime)
	awaitBound(t, dataset)
	policy := &networkingv1.NetworkPolicy{ObjectMeta: named(namespace, "phy-alluxio")}
	await := func(want ...string) {
		t.Helper()
		livetest.Eventually(t, fmt.Sprint(want), func() string {
			var got []string
			for _, peer := range livetest.Refresh(t, policy).Spec.Ingress[0].From {
				if peer.NamespaceSelector != nil {
					got = append(got, peer.NamespaceSelector.MatchLabels[corev1.LabelMetadataName])
				}
			}
			if !slices.Equal(got, want) {
				return fmt.Sprint(got)
			}
			return ""
		})
	}
	await("kubectl-fluid-system")
	patch := []byte(`{"status":{"datasetRef":["b/x","a/x","` + namespace + `/x"]}}`)
	if err := livetest.Client().Status().Patch(t.Context(), dataset, client.RawPatch("application/merge-patch+json", patch)); err != nil {
		t.Fatal(err)
	}
	await("kubectl-fluid-system", "a", "b")
	livetest.Alter(t, dataset, func(dataset *datav1alpha1.Dataset) {
		metav1.SetMetaDataAnnotation(&dataset.ObjectMeta, reference.AnnotationSharedWith, "b")
	})
	await("kubectl-fluid-system", "b")
}

// TestFluidsRuntimesAreLeftAlone: with its finalizer, and in a cluster that has its Deployment.
func TestFluidsRuntimesAreLeftAlone(t *testing.T) {
	namespace, _ := start(t, func(r *Reconciler) { r.Serve = ServeAuto })
	dataset, runtime := example(namespace)
	runtime.Finalizers = []string{datav1alpha1.FinalizerFluidAlluxioRuntime}
	livetest.Create(t, dataset, runtime)
	livetest.Eventually(t, "the condition", func() string {
		c := conditionOf(livetest.Refresh(t, runtime), engine.ConditionServed)
		if c.Status != corev1.ConditionFalse || !strings.Contains(c.Message, datav1alpha1.FinalizerFluidAlluxioRuntime) {
			return fmt.Sprint(c)
		}
		return ""
	})
	if livetest.Exists(t, &appsv1.StatefulSet{ObjectMeta: named(namespace, "phy-master")}) || slices.Contains(runtime.Finalizers, engine.Finalizer) {
		t.Error("it was touched")
	}
	livetest.Alter(t, runtime, func(runtime *datav1alpha1.AlluxioRuntime) { runtime.Finalizers = nil })
	awaitBound(t, dataset)
}
