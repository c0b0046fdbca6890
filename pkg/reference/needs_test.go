package reference_test

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference/referencetest"
)

// collisionWorld is a reference ref/demo to data/phy of a runtime, whose FUSE container names ConfigMaps in its
// environment.
func collisionWorld(runtimeType, mountType string, configMaps ...string) *reference.World {
	runtime, _ := reference.RuntimeOf(runtimeType)
	w := &reference.World{
		Policy: reference.Policy{MirrorNames: reference.SourceNames, Depth: reference.ForReview},
		Dataset: &datav1alpha1.Dataset{
			ObjectMeta: metav1.ObjectMeta{Namespace: "ref", Name: "demo", UID: "ref-uid"},
			Spec:       datav1alpha1.DatasetSpec{Mounts: []datav1alpha1.Mount{{MountPoint: "dataset://data/phy"}}},
		},
		Physical: &datav1alpha1.Dataset{
			ObjectMeta: metav1.ObjectMeta{Namespace: "data", Name: "phy"},
			Status: datav1alpha1.DatasetStatus{Phase: datav1alpha1.BoundPhase,
				Runtimes: []datav1alpha1.Runtime{{Category: datav1alpha1.AccelerateCategory, Type: runtimeType}}},
		},
		Fuse: &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "data", Name: runtime.FuseDaemonSet("phy")}},
		PhysicalVolume: &corev1.PersistentVolume{Spec: corev1.PersistentVolumeSpec{PersistentVolumeSource: corev1.PersistentVolumeSource{
			CSI: &corev1.CSIPersistentVolumeSource{VolumeAttributes: map[string]string{"fluid_path": "/runtime-mnt/x", "mount_type": mountType}}}}},
		Seen: map[finding.Object]reference.State{},
	}
	container := corev1.Container{Name: "fuse"}
	for _, name := range configMaps {
		container.EnvFrom = append(container.EnvFrom, corev1.EnvFromSource{ConfigMapRef: &corev1.ConfigMapEnvSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: name}}})
	}
	w.Fuse.Spec.Template.Spec.Containers = []corev1.Container{container}
	return w
}

// needed returns the names that a review looks at.
func needed(w *reference.World) []finding.Object {
	var objects []finding.Object
	for range 3 { // what it looks at shows step by step
		for _, object := range reference.NewPlan(w).Unlooked {
			w.Seen[object] = reference.State{}
			if (object.Kind == "ConfigMap" || object.Kind == "Secret") && object.Namespace == w.Dataset.Namespace {
				objects = append(objects, object)
			}
		}
	}
	return objects
}

// collisions returns who has the names that a reference needs, and what was found about that.
func collisions(w *reference.World) ([]reference.NameNeed, finding.List) {
	plan := reference.NewPlan(w)
	return plan.Needed, slices.DeleteFunc(plan.Findings, func(f finding.Finding) bool {
		return f.Object.Kind != "ConfigMap"
	})
}

func configMap(name string) finding.Object {
	return finding.Object{Kind: "ConfigMap", Namespace: "ref", Name: name}
}

// held is the metadata of an object with the name of a reference's need.
func held(change func(*metav1.PartialObjectMetadata)) *metav1.PartialObjectMetadata {
	object := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: "ref"}}
	change(object)
	return object
}

func TestNamesPerRuntime(t *testing.T) {
	for _, test := range []struct {
		runtime, mountType string
		used               []string
		want               string
	}{
		{"alluxio", "fuse.alluxio-fuse", []string{"phy-config"},
			"phy-config check-fluid-mount-ready fuse.alluxio-fuse-default-check-mount demo-fuse.alluxio-fuse-check-mount"},
		{"alluxio", "fuse.alluxio-fuse", []string{"other", "phy-config"},
			"other phy-config check-fluid-mount-ready fuse.alluxio-fuse-default-check-mount demo-fuse.alluxio-fuse-check-mount"},
		{"juicefs", "JuiceFS", nil, "phy-fuse-script check-fluid-mount-ready juicefs-default-check-mount demo-juicefs-check-mount"},
		{"jindo", "jindo", []string{"phy-jindofs-config"},
			"phy-jindofs-config phy-jindofs-client-config check-fluid-mount-ready jindo-default-check-mount demo-jindo-check-mount"},
		{"thin", "nfs", []string{"phy-fuse-conf"}, "phy-fuse-conf check-fluid-mount-ready nfs-default-check-mount demo-nfs-check-mount"},
		{"thin", "my_fs", nil, "check-fluid-mount-ready"}, // Fluid can't create ConfigMaps of such names either.
		{"cache", "cache", nil, "fluid-runtime-config-phy check-fluid-mount-ready cache-default-check-mount demo-cache-check-mount"},
		{"unknown", "", nil, "check-fluid-mount-ready"},
	} {
		w := collisionWorld(test.runtime, test.mountType, test.used...)
		var names []string
		for _, object := range needed(w) {
			if object.Namespace != "ref" || object.Kind != "ConfigMap" {
				t.Errorf("%s: %s", test.runtime, object)
			}
			names = append(names, object.Name)
		}
		if got := strings.Join(names, " "); got != test.want {
			t.Errorf("%s %s: %s, want %s", test.runtime, test.mountType, got, test.want)
		}
	}
}

func TestCollisions(t *testing.T) {
	const script = "check-fluid-mount-ready"
	const sidecarScript = "fuse.alluxio-fuse-default-check-mount"
	foreign := func(o *metav1.PartialObjectMetadata) {
		o.OwnerReferences = []metav1.OwnerReference{{Kind: "AlluxioRuntime", Name: "phy", UID: "other"}}
		o.Annotations = map[string]string{"meta.helm.sh/release-name": "phy", "meta.helm.sh/release-namespace": "ref"}
		o.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "helm"}}
	}
	for _, test := range []struct {
		name   string
		object string
		change func(*metav1.PartialObjectMetadata)
		state  reference.NameState
		holder string
	}{
		{"of another Helm release", "phy-config", foreign, reference.NameTaken, "owned by AlluxioRuntime phy, of the Helm release ref/phy, written by helm"},
		{"of nobody", "phy-config", func(*metav1.PartialObjectMetadata) {}, reference.NameTaken, "of unknown origin"},
		{"copied by Fluid for another reference", "phy-config", func(o *metav1.PartialObjectMetadata) {
			o.OwnerReferences = []metav1.OwnerReference{{Kind: "Dataset", Name: "demo2", UID: "other"}}
		}, reference.NameTaken, "owned by Dataset demo2"},
		{"copied by Fluid for this one", "phy-config", func(o *metav1.PartialObjectMetadata) {
			o.OwnerReferences = []metav1.OwnerReference{{Kind: "Dataset", Name: "demo", UID: "ref-uid"}}
			o.Labels = map[string]string{"fluid.io/dataset-id": "ref-phy-config"}
		}, reference.NameOwn, "owned by Dataset demo"},
		{"owned by this one, and neither mirrored nor copied", "phy-config", func(o *metav1.PartialObjectMetadata) {
			o.OwnerReferences = []metav1.OwnerReference{{Kind: "Dataset", Name: "demo", UID: "ref-uid"}}
		}, reference.NameTaken, "owned by Dataset demo"},
		{"mirrored for this one, and its owner lost", "phy-config", func(o *metav1.PartialObjectMetadata) {
			o.Labels = map[string]string{"kubectl-fluid.dev/reference-uid": "ref-uid"}
			o.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: reference.FieldManager}}
		}, reference.NameOwn, "written by kubectl-fluid-controller"},
		{"mirrored for this one", "phy-config", func(o *metav1.PartialObjectMetadata) {
			o.OwnerReferences = []metav1.OwnerReference{{Kind: "Dataset", Name: "demo", UID: "ref-uid"}}
			o.Labels = map[string]string{reference.LabelReferenceUID: "ref-uid"}
		}, reference.NameOwn, "owned by Dataset demo"},
		{"mark without owner", "phy-config", func(o *metav1.PartialObjectMetadata) {
			o.Labels = map[string]string{reference.LabelReferenceUID: "ref-uid"}
		}, reference.NameTaken, "of unknown origin"},
		{"script with Fluid's annotation", script, func(o *metav1.PartialObjectMetadata) {
			o.Annotations = map[string]string{"fluid.io/check-mount-script-sha256": ""}
		}, reference.NameShared, "of unknown origin"},
		{"script written by Fluid's webhook", script, func(o *metav1.PartialObjectMetadata) {
			o.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "fluid-webhook"}}
		}, reference.NameShared, "written by fluid-webhook"},
		{"app script with a Dataset's label", script, func(o *metav1.PartialObjectMetadata) {
			o.Labels = map[string]string{"fluid.io/dataset-id": "ref-demo"}
		}, reference.NameTaken, "of unknown origin"},
		{"sidecar script of Fluid v1.0.8", sidecarScript, func(o *metav1.PartialObjectMetadata) {
			o.Labels = map[string]string{"fluid.io/dataset-id": "ref-demo"}
		}, reference.NameShared, "of unknown origin"},
		{"sidecar script with an owner", sidecarScript, func(o *metav1.PartialObjectMetadata) {
			foreign(o)
			o.Annotations = map[string]string{"fluid.io/check-mount-script-sha256": ""}
		}, reference.NameTaken, "owned by AlluxioRuntime phy, written by helm"},
		{"annotation on what is no script", "phy-config", func(o *metav1.PartialObjectMetadata) {
			o.Annotations = map[string]string{"fluid.io/check-mount-script-sha256": ""}
		}, reference.NameTaken, "of unknown origin"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := collisionWorld("alluxio", "fuse.alluxio-fuse", "phy-config")
			w.Seen[configMap(test.object)] = reference.State{Object: held(test.change)}
			names, findings := collisions(w)
			i := slices.IndexFunc(names, func(n reference.NameNeed) bool { return n.Name == test.object })
			if i < 0 || names[i].State != test.state || names[i].Holder != test.holder {
				t.Errorf("%+v, want %s %s", names, test.state, test.holder)
			}
			if len(names) != 4 || len(slices.DeleteFunc(names, func(n reference.NameNeed) bool { return n.State == reference.NameFree })) != 1 {
				t.Errorf("others aren't free: %+v", names)
			}
			if taken := test.state == reference.NameTaken; taken != (len(findings) == 1) {
				t.Fatalf("findings %v", findings)
			} else if taken && (findings[0].Code != finding.CodeMirrorNameTaken || !strings.HasSuffix(findings[0].Message, test.holder)) {
				t.Errorf("finding %v", findings[0])
			}
		})
	}
}

// TestCollisionsWithUniqueNames has a foreign object of the source's name: a note, and no more.
func TestCollisionsWithUniqueNames(t *testing.T) {
	w := collisionWorld("alluxio", "fuse.alluxio-fuse", "phy-config")
	w.MirrorNames = reference.UniqueNames
	w.Seen[configMap("phy-config")] = reference.State{Object: held(func(*metav1.PartialObjectMetadata) {})}
	w.Seen[configMap("check-fluid-mount-ready")] = reference.State{Object: held(func(*metav1.PartialObjectMetadata) {})}
	names, findings := collisions(w)
	if len(names) != 1 || !strings.HasPrefix(names[0].Name, "demo-phy-config-") || names[0].State != reference.NameFree || names[0].Source != "data/phy-config" {
		t.Errorf("names %+v", names)
	}
	if len(findings) != 1 || findings[0].Code != finding.CodeSourceNameInUse || findings[0].Severity != finding.Note ||
		!strings.Contains(findings[0].Message, "the copy is called "+names[0].Name) {
		t.Errorf("findings %v", findings)
	}

	// What has a unique name and isn't the reference's is a collision, however unlikely.
	w.Seen[configMap(names[0].Name)] = reference.State{Object: held(func(*metav1.PartialObjectMetadata) {})}
	names, findings = collisions(w)
	if names[0].State != reference.NameTaken || len(findings.Of(finding.Error)) != 1 {
		t.Errorf("%+v %v", names, findings)
	}
}

// TestCollisionsUnread has names that couldn't be looked up: they are never free.
func TestCollisionsUnread(t *testing.T) {
	w := collisionWorld("alluxio", "fuse.alluxio-fuse", "phy-config")
	w.Seen[configMap("phy-config")] = reference.State{Unread: "forbidden"}
	names, findings := collisions(w)
	if names[0].State != reference.NameUnknown || len(findings) != 1 || findings[0].Severity != finding.Inconclusive {
		t.Errorf("%+v %v", names, findings)
	}
}

func first[A, B any](a A, _ B) A { return a }

// TestCollisionsInOneNamespace refers to a Dataset of the own namespace: nothing is copied.
func TestCollisionsInOneNamespace(t *testing.T) {
	w := collisionWorld("alluxio", "fuse.alluxio-fuse", "phy-config")
	w.Dataset.Namespace = "data"
	for _, name := range first(collisions(w)) {
		if name.Source != "" {
			t.Errorf("%+v", name)
		}
	}
}

// TestOneRuleForTakenNames: whose a name is doesn't depend on who asks. The controller must not write over what a report
// calls free, and a report must not call taken what the controller repairs.
func TestOneRuleForTakenNames(t *testing.T) {
	owner := []metav1.OwnerReference{{Kind: "Dataset", Name: "refdemo", UID: "reference-uid"}}
	mark := map[string]string{reference.LabelReferenceUID: "reference-uid"}
	ours := []metav1.ManagedFieldsEntry{{Manager: reference.FieldManager}}
	for name, test := range map[string]struct {
		meta  metav1.ObjectMeta
		taken map[reference.MirrorNames]bool
	}{
		"ours":                      {metav1.ObjectMeta{OwnerReferences: owner, Labels: mark}, nil},
		"ours without owner":        {metav1.ObjectMeta{Labels: mark, ManagedFields: ours}, nil},
		"ours without mark":         {metav1.ObjectMeta{OwnerReferences: owner, ManagedFields: ours}, nil},
		"owned, of unknown origin":  {metav1.ObjectMeta{OwnerReferences: owner}, map[reference.MirrorNames]bool{reference.UniqueNames: true, reference.SourceNames: true}},
		"marked, of unknown origin": {metav1.ObjectMeta{Labels: mark}, map[reference.MirrorNames]bool{reference.UniqueNames: true, reference.SourceNames: true}},
		"copied by Fluid": {metav1.ObjectMeta{OwnerReferences: owner, Labels: map[string]string{"fluid.io/dataset-id": "ref-phy-config"}},
			map[reference.MirrorNames]bool{reference.UniqueNames: true}},
	} {
		for _, names := range []reference.MirrorNames{reference.UniqueNames, reference.SourceNames} {
			for _, depth := range []reference.Depth{reference.ForWriting, reference.ForReport, reference.ForReview} {
				w := referencetest.World(t, "alluxio", "dataset://default/phy")
				w.MirrorNames, w.Depth = names, depth
				test.meta.Namespace = "ref"
				w.Seen[reference.NewPlan(w).Mirrors[0].Target] = reference.State{Object: &metav1.PartialObjectMetadata{ObjectMeta: test.meta}}
				taken := slices.ContainsFunc(reference.NewPlan(w).Findings, func(f finding.Finding) bool { return f.Code == finding.CodeMirrorNameTaken })
				if taken != test.taken[names] {
					t.Errorf("%s, with names %s and depth %d: taken is %t", name, names, depth, taken)
				}
			}
		}
	}
}
