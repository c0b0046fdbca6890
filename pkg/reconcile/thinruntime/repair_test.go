package thinruntime

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/livetest"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/owned"
)

// edit patches an object as somebody else would.
func edit(t *testing.T, object client.Object, patchType types.PatchType, patch string) {
	t.Helper()
	if err := livetest.Client().Patch(t.Context(), object, client.RawPatch(patchType, []byte(patch)), client.FieldOwner("somebody")); err != nil {
		t.Fatalf("editing %T: %v", object, err)
	}
}

func TestEditsOfDaemonSetAndConfigMapAreRepaired(t *testing.T) {
	startThinRuntimes(t)
	p := bound(t, newPhysical(livetest.NewNamespace(t)))
	config := livetest.Refresh(t, p.configMap).Data["config.json"]
	spec := livetest.Refresh(t, p.daemonSet).Spec.DeepCopy()
	repaired := func(what string) {
		t.Helper()
		livetest.Eventually(t, what, func() string {
			if got := livetest.Refresh(t, p.configMap).Data["config.json"]; got != config {
				return "config.json is " + got
			}
			if got := livetest.Refresh(t, p.daemonSet).Spec; !equality.Semantic.DeepEqual(got, *spec) {
				return "the DaemonSet's spec differs: " + got.String()
			}
			return ""
		})
	}
	edit(t, p.configMap, types.MergePatchType, `{"data":{"config.json":"{}"}}`)
	repaired("changed configuration")
	edit(t, p.configMap, types.MergePatchType, `{"data":null}`)
	repaired("removed configuration")
	edit(t, p.daemonSet, types.JSONPatchType, `[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"evil"},
		{"op":"remove","path":"/spec/template/spec/volumes/1"},{"op":"remove","path":"/spec/template/spec/containers/0/volumeMounts/1"}]`)
	repaired("changed image and removed volume")
	edit(t, p.daemonSet, types.JSONPatchType, `[{"op":"add","path":"/spec/template/spec/containers/0/command/-","value":"--more"}]`)
	repaired("appended argument")
	edit(t, p.daemonSet, types.MergePatchType, `{"metadata":{"labels":{"role":null}},"spec":{"template":{"spec":{"nodeSelector":null}}}}`)
	repaired("removed node selector")

	livetest.Remove(t, p.daemonSet, p.configMap)
	p.daemonSet.UID, p.configMap.UID = "", ""
	livetest.Eventually(t, "both exist again", func() string {
		if !livetest.Exists(t, p.daemonSet) || !livetest.Exists(t, p.configMap) {
			return "one is missing"
		}
		return ""
	})
	repaired("deleted objects")
}

func TestChangesOfProfileAndDatasetReachTheObjects(t *testing.T) {
	startThinRuntimes(t)
	p := newPhysical(livetest.NewNamespace(t))
	p.profile.Spec.Fuse.Env = []corev1.EnvVar{{Name: "OLD", Value: "1"}, {Name: "KEPT", Value: "1"}}
	p.profile.Spec.Fuse.NodeSelector = map[string]string{"disk": "ssd"}
	bound(t, p)
	edit(t, p.profile, types.MergePatchType, `{"spec":{"fuse":{"imageTag":"v2","env":[{"name":"KEPT","value":"2"}],"nodeSelector":null}}}`)
	livetest.Eventually(t, "the profile's change", func() string {
		pod := livetest.Refresh(t, p.daemonSet).Spec.Template.Spec
		container := pod.Containers[0]
		var env []string
		for _, variable := range container.Env {
			env = append(env, variable.Name+"="+variable.Value)
		}
		text := strings.Join(env, " ")
		if container.Image != "example.com/nfs-fuse:v2" || strings.Contains(text, "OLD") || !strings.Contains(text, "KEPT=2") || pod.NodeSelector["disk"] != "" {
			return container.Image + " " + text
		}
		return ""
	})
	edit(t, p.dataset, types.MergePatchType, `{"spec":{"mounts":[{"mountPoint":"10.0.0.2:/other","name":"phy"}]}}`)
	livetest.Eventually(t, "the Dataset's change", func() string {
		if config := livetest.Refresh(t, p.configMap).Data["config.json"]; !strings.Contains(config, "10.0.0.2:/other") {
			return config
		}
		if mounts := livetest.Refresh(t, p.dataset).Status.Mounts; len(mounts) != 1 || mounts[0].MountPoint != "10.0.0.2:/other" {
			return "the status has other mounts"
		}
		return ""
	})
}

func TestForeignObjectsAreReportedAndNotTouched(t *testing.T) {
	startThinRuntimes(t)
	p := newPhysical(livetest.NewNamespace(t))
	p.configMap.Data = map[string]string{"config.json": "theirs"}
	p.configMap.Labels = map[string]string{"app": "theirs"}
	livetest.Create(t, p.configMap)
	version := p.configMap.ResourceVersion
	livetest.Create(t, p.profile, p.dataset, p.runtime)
	livetest.Eventually(t, "the condition", func() string {
		text := conditionTexts(livetest.Refresh(t, p.dataset))
		if p.dataset.Status.Phase != datav1alpha1.NotBoundPhase || !strings.HasPrefix(text, "NotReady=True DatasetFailedToSetup: ConfigMap "+p.dataset.Namespace+"/phy-fuse-conf exists already") {
			return string(p.dataset.Status.Phase) + " " + text
		}
		return ""
	})
	livetest.Never(t, func() string {
		if livetest.Refresh(t, p.configMap).ResourceVersion != version {
			return "the foreign ConfigMap was written"
		}
		if livetest.Exists(t, p.daemonSet) || livetest.Exists(t, p.claim) || livetest.Exists(t, p.volume) {
			return "something was made though the ConfigMap is foreign"
		}
		return ""
	})
	livetest.Eventually(t, "one event", func() string {
		if notes := eventNotes(t, p.runtime, "ErrorProcessRuntime"); len(notes) != 1 {
			return fmt.Sprint("the events are ", notes)
		}
		return ""
	})
	livetest.Remove(t, p.configMap)
	eventuallyBound(t, p)
	if text := conditionTexts(p.dataset); strings.Contains(text, "NotReady") {
		t.Error("conditions once it works:", text)
	}
}

func TestForeignVolumeAndClaimSurviveTheDataset(t *testing.T) {
	startThinRuntimes(t)
	p := newPhysical(livetest.NewNamespace(t))
	p.volume.Spec = corev1.PersistentVolumeSpec{AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		Capacity:               corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
		PersistentVolumeSource: corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/theirs"}}}
	p.claim.Spec = corev1.PersistentVolumeClaimSpec{AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		StorageClassName: new(string), Resources: corev1.VolumeResourceRequirements{Requests: p.volume.Spec.Capacity}}
	livetest.Create(t, p.volume, p.claim, p.profile, p.dataset, p.runtime)
	livetest.Eventually(t, "the condition", func() string {
		text := conditionTexts(livetest.Refresh(t, p.dataset))
		if !strings.Contains(text, "PersistentVolume "+p.volume.Name+" exists already") || !strings.Contains(text, "PersistentVolumeClaim") {
			return "its conditions are " + text
		}
		return ""
	})
	livetest.Remove(t, p.dataset, p.runtime)
	livetest.EventuallyGone(t, p.dataset, p.runtime)
	if livetest.Refresh(t, p.volume).DeletionTimestamp != nil || livetest.Refresh(t, p.claim).DeletionTimestamp != nil {
		t.Error("a foreign volume or claim was deleted")
	}
	livetest.Remove(t, p.claim, p.volume)
}

func TestMissingAndInvalidInputIsSaidInTheStatus(t *testing.T) {
	startThinRuntimes(t)
	p := newPhysical(livetest.NewNamespace(t))
	livetest.Create(t, p.dataset, p.runtime)
	said := func(what string) {
		t.Helper()
		livetest.Eventually(t, what, func() string {
			if text := conditionTexts(livetest.Refresh(t, p.dataset)); p.dataset.Status.Phase != datav1alpha1.NotBoundPhase || !strings.Contains(text, what) {
				return string(p.dataset.Status.Phase) + " " + text
			}
			return ""
		})
	}
	said("ThinRuntimeProfile " + p.profile.Name + " doesn't exist")
	p.profile.Spec.Fuse.Image = ""
	livetest.Create(t, p.profile)
	said("has an image")
	edit(t, p.profile, types.MergePatchType, `{"spec":{"fuse":{"image":"example.com/nfs-fuse"}}}`)
	eventuallyBound(t, p)

	edit(t, p.profile, types.MergePatchType, `{"spec":{"fuse":{"ports":[{"containerPort":123456}]}}}`)
	livetest.Eventually(t, "what the API server refuses", func() string {
		if text := conditionTexts(livetest.Refresh(t, p.dataset)); !strings.Contains(text, "DaemonSet") || !strings.Contains(text, "containerPort") {
			return "its conditions are " + text
		}
		return ""
	})
	livetest.Remove(t, p.profile)
	livetest.Eventually(t, "a usable Dataset stays Bound", func() string {
		if text := conditionTexts(livetest.Refresh(t, p.dataset)); !strings.Contains(text, "doesn't exist") || !strings.Contains(text, "Ready=True") {
			return "its conditions are " + text
		}
		return ""
	})
	if p.dataset.Status.Phase != datav1alpha1.BoundPhase {
		t.Error("phase:", p.dataset.Status.Phase)
	}
}

func TestUnknownFieldsSurviveEveryWrite(t *testing.T) {
	startThinRuntimes(t)
	p := newPhysical(livetest.NewNamespace(t))
	livetest.Create(t, p.profile)
	dataset, runtime := raw(t, datav1alpha1.DatasetKind, p.dataset), raw(t, datav1alpha1.ThinRuntimeKind, p.runtime)
	set(t, dataset, "kept", "spec", "future")
	set(t, dataset, []any{map[string]any{"mountPoint": "10.0.0.1:/export", "name": "phy", "future": "kept"}}, "spec", "mounts")
	set(t, runtime, "kept", "spec", "future")
	set(t, runtime, "kept", "spec", "fuse", "future")
	set(t, runtime, []any{map[string]any{"mediumtype": "MEM", "path": "/dev/shm"}}, "spec", "tieredstore", "levels")
	livetest.Create(t, dataset, runtime)
	p.dataset.UID = dataset.GetUID()
	eventuallyBound(t, p)

	status := func(object *unstructured.Unstructured, patch string) {
		t.Helper()
		if err := livetest.Client().Status().Patch(t.Context(), object, client.RawPatch(types.JSONPatchType, []byte(patch))); err != nil {
			t.Fatal("patching the status:", err)
		}
	}
	status(dataset, `[{"op":"add","path":"/status/future","value":"kept"},{"op":"add","path":"/status/runtimes/0/future","value":"kept"},
		{"op":"add","path":"/status/conditions/0/future","value":"kept"},{"op":"add","path":"/status/cacheStates/future","value":"kept"},
		{"op":"add","path":"/status/conditions/-","value":{"type":"Initialized","status":"True","future":"kept"}}]`)
	status(runtime, `[{"op":"add","path":"/status/future","value":"kept"},{"op":"add","path":"/status/conditions/0/future","value":"kept"},
		{"op":"add","path":"/status/conditions/1/future","value":"kept"},{"op":"add","path":"/status/cacheStates/future","value":"kept"}]`)
	// A profile that goes and comes back changes the Dataset's conditions; the DaemonSet's status the ThinRuntime's.
	livetest.Remove(t, p.profile)
	notReady := func(want bool) func() string {
		return func() string {
			if text := conditionTexts(livetest.Refresh(t, p.dataset)); strings.Contains(text, "NotReady") != want {
				return "its conditions are " + text
			}
			return ""
		}
	}
	livetest.Eventually(t, "NotReady", notReady(true))
	daemonSet := livetest.Refresh(t, p.daemonSet)
	daemonSet.Status.DesiredNumberScheduled, daemonSet.Status.NumberUnavailable = 2, 2
	if err := livetest.Client().Status().Update(t.Context(), daemonSet); err != nil {
		t.Fatal("writing the DaemonSet's status:", err)
	}
	p.profile.ResourceVersion, p.profile.UID = "", ""
	livetest.Create(t, p.profile)
	livetest.Eventually(t, "Ready", notReady(false))
	for _, object := range []*unstructured.Unstructured{dataset, runtime} {
		livetest.Refresh(t, object)
	}
	for _, path := range [][]string{{"spec", "future"}, {"spec", "mounts", "0", "future"}, {"status", "mounts", "0", "future"}, {"status", "future"},
		{"status", "runtimes", "0", "future"}, {"status", "cacheStates", "future"}, {"status", "conditions", "0", "future"}, {"status", "conditions", "1", "future"}} {
		expectKept(t, dataset, path)
	}
	for _, path := range [][]string{{"spec", "future"}, {"spec", "fuse", "future"}, {"status", "future"},
		{"status", "cacheStates", "future"}, {"status", "conditions", "0", "future"}, {"status", "conditions", "1", "future"}} {
		expectKept(t, runtime, path)
	}
	if levels, _, _ := unstructured.NestedSlice(runtime.Object, "spec", "tieredstore", "levels"); len(levels) != 1 {
		t.Error("spec.tieredstore.levels of the ThinRuntime:", levels)
	}
}

// raw returns an object to create with fields that the types don't have.
func raw(t *testing.T, kind string, object client.Object) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetGroupVersionKind(datav1alpha1.GroupVersion.WithKind(kind))
	u.SetNamespace(object.GetNamespace())
	u.SetName(object.GetName())
	if runtime, ok := object.(*datav1alpha1.ThinRuntime); ok {
		set(t, u, runtime.Spec.ProfileName, "spec", "profileName")
	}
	return u
}

func set(t *testing.T, object *unstructured.Unstructured, value any, path ...string) {
	t.Helper()
	if err := unstructured.SetNestedField(object.Object, value, path...); err != nil {
		t.Fatal(err)
	}
}

// expectKept walks a path, on which numbers are places in lists, to a field that must say "kept".
func expectKept(t *testing.T, object *unstructured.Unstructured, path []string) {
	t.Helper()
	var value any = object.Object
	for _, step := range path {
		switch present := value.(type) {
		case map[string]any:
			value = present[step]
		case []any:
			value = nil
			if i := int(step[0] - '0'); i < len(present) {
				value = present[i]
			}
		}
	}
	if value != "kept" {
		t.Errorf("%s: %s is %v", object.GetKind(), strings.Join(path, "."), value)
	}
}

func TestContains(t *testing.T) {
	type m = map[string]any
	live := m{"a": m{"b": "c", "default": "d"}, "list": []any{m{"name": "x", "default": int64(1)}}, "empty": m{}}
	for name, test := range map[string]struct {
		wanted any
		want   bool
	}{
		"defaults are no difference":        {m{"a": m{"b": "c"}, "list": []any{m{"name": "x"}}}, true},
		"another value":                     {m{"a": m{"b": "other"}}, false},
		"a missing field":                   {m{"a": m{"z": "c"}}, false},
		"a longer list":                     {m{"list": []any{}}, false},
		"a shorter list":                    {m{"list": []any{m{"name": "x"}, m{"name": "y"}}}, false},
		"null and nothing":                  {m{"none": nil}, true},
		"an empty struct that is left out":  {m{"resources": m{}}, true},
		"a field where there is no struct":  {m{"resources": m{"limits": "1"}}, false},
		"a value where there is a struct":   {m{"a": "b"}, false},
		"a struct where there is no struct": {m{"list": m{"a": "b"}}, false},
	} {
		if got := owned.Contains(live, test.wanted); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
