package reference_test

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	. "github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference/referencetest"
	"github.com/kubectl-fluid/kubectl-fluid/test/golden"
)

// TestPlanOfEachRuntime compares whole plans with golden files.
func TestPlanOfEachRuntime(t *testing.T) {
	for _, runtime := range referencetest.Runtimes() {
		t.Run(runtime, func(t *testing.T) {
			plan := NewPlan(referencetest.World(t, runtime, "dataset://default/phy/spark/v4"))
			if !plan.Ready() || !plan.Creatable() {
				t.Errorf("it isn't ready: %v", plan.Findings)
			}
			got, err := yaml.Marshal(plan)
			if err != nil {
				t.Fatal(err)
			}
			golden.Compare(t, filepath.Join("testdata", "plan-"+runtime+".yaml"), got)
		})
	}
}

// TestPlanIsDeterministicAndLeavesItsWorldAlone: the same world gives the same plan, and is as it was.
func TestPlanIsDeterministicAndLeavesItsWorldAlone(t *testing.T) {
	for _, runtime := range referencetest.Runtimes() {
		w := referencetest.World(t, runtime, "dataset://default/phy/a")
		before := marshal(t, w)
		first, second := marshal(t, NewPlan(w)), marshal(t, NewPlan(w))
		if first != second {
			t.Errorf("%s: two plans of one world differ", runtime)
		}
		if after := marshal(t, w); after != before {
			t.Errorf("%s: planning changed the world from\n%s\nto\n%s", runtime, before, after)
		}
	}
}

func marshal(t *testing.T, value any) string {
	t.Helper()
	if w, ok := value.(*World); ok {
		value = []any{w.Dataset, w.Physical, w.RuntimeStatus, w.Fuse, w.PhysicalVolume, w.PhysicalClaim}
	}
	encoded, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

// foreign is the metadata of an object that some other user has.
func foreign(kind, namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name, UID: "foreign-uid",
		OwnerReferences: []metav1.OwnerReference{{Kind: kind, Name: "someone", UID: "someone-uid"}}}
}

// TestFindings: each thing that stands in a reference's way is found, with its code.
func TestFindings(t *testing.T) {
	deleted := &metav1.Time{}
	ref := metav1.ObjectMeta{Namespace: "ref", Name: "refdemo"}
	for _, test := range []struct {
		name    string
		change  func(w *World)
		code    finding.Code
		message string
	}{
		{"physical missing", func(w *World) { w.Physical = nil }, finding.CodePhysicalMissing, "doesn't exist"},
		{"physical can't be read", func(w *World) {
			w.Physical = nil
			w.Seen[finding.Object{Kind: "Dataset", Namespace: "default", Name: "phy"}] = State{Unread: "datasets is forbidden"}
		}, finding.CodeUnread, "forbidden"},
		{"physical not bound", func(w *World) { w.Physical.Status.Phase = "NotBound" }, finding.CodePhysicalUnbound, `"NotBound"`},
		{"physical without runtimes", func(w *World) { w.Physical.Status.Runtimes = nil }, finding.CodePhysicalUnbound, "no runtime"},
		{"runtime of an unknown type", func(w *World) { w.Physical.Status.Runtimes[0].Type = "goosefs" }, finding.CodeVolumeOnly, "goosefs"},
		{"runtime without sidecars", func(w *World) { w.Physical.Status.Runtimes[0].Type = "vineyard" }, finding.CodeVolumeOnly, "VineyardRuntime"},
		{"chain", func(w *World) { w.Physical.Spec.Mounts[0].MountPoint = "dataset://a/b" }, finding.CodeChain, "dataset://a/b"},
		{"physical being deleted", func(w *World) { w.Physical.DeletionTimestamp = deleted; w.Physical.Status.DatasetRef = nil }, finding.CodePhysicalDeleted, "being deleted"},
		{"no DaemonSet", func(w *World) { w.Fuse = nil }, finding.CodeFuseMissing, "doesn't exist"},
		{"no physical volume", func(w *World) { w.PhysicalVolume = nil }, finding.CodeVolumeMissing, "doesn't exist"},
		{"physical volume of another kind", func(w *World) { w.PhysicalVolume.Spec.CSI = nil }, finding.CodeTemplateUnusable, "CSI"},
		{"template without container", func(w *World) { w.Fuse.Spec.Template.Spec.Containers = nil }, finding.CodeTemplateUnusable, "no container"},
		{"template without mount volume", func(w *World) { w.Fuse.Spec.Template.Spec.Containers[0].VolumeMounts = nil }, finding.CodeTemplateUnusable, "alluxio-fuse-mount"},
		{"client mounts elsewhere", func(w *World) { w.PhysicalVolume.Spec.CSI.VolumeAttributes["fluid_path"] = "/other" }, finding.CodeTemplateUnusable, "/other"},
		{"template with a claim", func(w *World) { mountClaim(w.Fuse) }, finding.CodeTemplateClaim, "default/cache"},
		{"source missing", func(w *World) { clear(w.Seen) }, finding.CodeSourceMissing, "needs it"},
		{"not recorded", func(w *World) { w.Physical.Status.DatasetRef = nil }, finding.CodeNotRecorded, "ref/refdemo"},

		{"malformed", func(w *World) { w.Dataset.Spec.Mounts[0].MountPoint = "dataset://phy" }, finding.CodeMountPointMalformed, "names no Dataset"},
		{"mixed", func(w *World) {
			w.Dataset.Spec.Mounts = append(w.Dataset.Spec.Mounts, datav1alpha1.Mount{MountPoint: "https://x/"})
		}, finding.CodeMountsMixed, "2 mounts"},
		{"self", func(w *World) { w.Dataset.Spec.Mounts[0].MountPoint = "dataset://ref/refdemo" }, finding.CodeSelfReference, "itself"},
		{"bad name", func(w *World) {
			w.Dataset.Name = "1st"
			w.Physical.Status.DatasetRef = []string{"ref/1st"}
		}, finding.CodeNameInvalid, "1st"},
		{"fields in vain", func(w *World) {
			w.Dataset.Spec.Mounts[0].Options = map[string]string{"a": "b"}
			w.Dataset.Spec.Placement = "Shared"
		}, finding.CodeFieldsIgnored, "mounts[0].options, placement"},
		{"every field in vain", fillInVain, finding.CodeFieldsIgnored, "effect: mounts[0].options, mounts[0].encryptOptions, mounts[0].readOnly, " +
			"mounts[0].shared, mounts[0].path, owner, nodeAffinity, tolerations, runtimes, placement, sharedOptions, sharedEncryptOptions, dataRestoreLocation"},
		{"namespace that refuses hostPath", func(w *World) {
			enforce(w, "baseline")
		},
			finding.CodePodSecurity, "baseline"},
		{"foreign claim", func(w *World) { w.Claim = &corev1.PersistentVolumeClaim{ObjectMeta: foreign("App", "ref", "refdemo")} }, finding.CodeClaimNameTaken, "owned by App someone"},
		{"claim being deleted", func(w *World) {
			w.Claim = &corev1.PersistentVolumeClaim{ObjectMeta: ref}
			w.Claim.Labels, w.Claim.DeletionTimestamp = map[string]string{LabelReferenceUID: "earlier"}, deleted
		}, finding.CodeBeingDeleted, "still being deleted"},
		{"volume of another claim", func(w *World) {
			w.Volume = &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "ref-refdemo"}}
			w.Volume.Spec.ClaimRef = &corev1.ObjectReference{Namespace: "ref-refdemo", Name: "x"}
		}, finding.CodeVolumeNameTaken, "ref-refdemo/x"},
		{"volume of unknown origin", func(w *World) {
			w.Volume = &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "ref-refdemo"}}
			w.Volume.Spec.ClaimRef = &corev1.ObjectReference{Namespace: "ref", Name: "refdemo"}
		}, finding.CodeVolumeNameTaken, "unknown origin"},
		{"ThinRuntime with a profile", func(w *World) {
			w.ThinRuntime = &datav1alpha1.ThinRuntime{ObjectMeta: ref, Spec: datav1alpha1.ThinRuntimeSpec{ProfileName: "nfs"}}
		}, finding.CodeRuntimeNameTaken, "profile nfs"},
		{"ThinRuntime of somebody", func(w *World) { w.ThinRuntime = &datav1alpha1.ThinRuntime{ObjectMeta: ref} }, finding.CodeRuntimeNameTaken, "exists already"},
		{"ThinRuntime being deleted", func(w *World) {
			w.ThinRuntime = &datav1alpha1.ThinRuntime{ObjectMeta: ref}
			w.ThinRuntime.DeletionTimestamp = deleted
		}, finding.CodeBeingDeleted, "still being deleted"},
		{"mirror name taken", func(w *World) {
			w.MirrorNames = SourceNames
			holder := &metav1.PartialObjectMetadata{ObjectMeta: foreign("AlluxioRuntime", "ref", "phy-config")}
			holder.Annotations = map[string]string{"meta.helm.sh/release-name": "phy", "meta.helm.sh/release-namespace": "ref"}
			w.Seen[finding.Object{Kind: "ConfigMap", Namespace: "ref", Name: "phy-config"}] = State{Object: holder}
		}, finding.CodeMirrorNameTaken, "owned by AlluxioRuntime someone, of the Helm release ref/phy"},
		{"mount point changed", func(w *World) {
			w.Volume = NewPlan(w).Volume
			w.Dataset.Spec.Mounts[0].MountPoint = "dataset://default/phy/other"
		}, finding.CodeMountPointChanged, `"other"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := referencetest.World(t, "alluxio", "dataset://default/phy")
			test.change(w)
			plan := NewPlan(w)
			i := slices.IndexFunc(plan.Findings, func(f finding.Finding) bool { return f.Code == test.code })
			if i < 0 {
				t.Fatalf("no %s among %v", test.code, plan.Findings)
			}
			found := plan.Findings[i]
			if !strings.Contains(found.Message, test.message) {
				t.Errorf("the message is %q, want %q in it", found.Message, test.message)
			}
			if len(plan.Findings) != 1 {
				t.Errorf("there are other findings: %v", plan.Findings)
			}
			if plan.Ready() == found.Severity.Blocks() {
				t.Errorf("ready is %t with a finding of severity %s", plan.Ready(), found.Severity)
			}
			checkCondition(t, plan, found)
		})
	}
}

// fillInVain sets every field of a reference's spec but those that count.
func fillInVain(w *World) {
	w.Dataset.Spec = datav1alpha1.DatasetSpec{
		Mounts: []datav1alpha1.Mount{{MountPoint: w.Dataset.Spec.Mounts[0].MountPoint, Name: "data", Path: "/data", ReadOnly: true, Shared: true,
			Options: map[string]string{"a": "b"}, EncryptOptions: []datav1alpha1.EncryptOption{encryptOption("a")}}},
		Owner:                &datav1alpha1.User{},
		NodeAffinity:         &datav1alpha1.CacheableNodeAffinity{},
		Tolerations:          []corev1.Toleration{{}},
		Runtimes:             []datav1alpha1.Runtime{{}},
		Placement:            "Exclusive",
		SharedOptions:        map[string]string{"a": "b"},
		SharedEncryptOptions: []datav1alpha1.EncryptOption{encryptOption("a")},
		DataRestoreLocation:  &datav1alpha1.DataRestoreLocation{},
	}
}

// TestEverySpecFieldCountsOrIsNoted: a field that is added to a Dataset's spec must become one or the other.
func TestEverySpecFieldCountsOrIsNoted(t *testing.T) {
	w := referencetest.World(t, "alluxio", "dataset://default/phy")
	fillInVain(w)
	for name, value := range map[string]reflect.Value{"spec": reflect.ValueOf(w.Dataset.Spec), "mount": reflect.ValueOf(w.Dataset.Spec.Mounts[0])} {
		for i := range value.NumField() {
			if field := value.Type().Field(i).Name; value.Field(i).IsZero() && field != "AccessModes" {
				t.Errorf("the %s's field %s neither counts nor is noted", name, field)
			}
		}
	}
}

func mountClaim(fuse *appsv1.DaemonSet) {
	pod := &fuse.Spec.Template.Spec
	pod.Volumes = append(pod.Volumes, corev1.Volume{Name: "cache", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "cache"}}})
	pod.Containers[0].VolumeMounts = append(pod.Containers[0].VolumeMounts, corev1.VolumeMount{Name: "cache", MountPath: "/cache"})
}

// checkCondition: the reference's condition says what blocks it, and it is NotBound then.
func checkCondition(t *testing.T, plan *Plan, f finding.Finding) {
	t.Helper()
	i := slices.IndexFunc(plan.Status.Conditions, func(c datav1alpha1.DatasetCondition) bool { return c.Type == ConditionReferenceReady })
	if i < 0 {
		t.Fatal("no condition ReferenceReady")
	}
	condition := plan.Status.Conditions[i]
	if !f.Severity.Blocks() {
		if condition.Status != corev1.ConditionTrue || plan.Status.Phase != datav1alpha1.BoundPhase {
			t.Errorf("phase %s, condition %+v", plan.Status.Phase, condition)
		}
		return
	}
	if condition.Status != corev1.ConditionFalse || condition.Reason != f.Reason || !strings.Contains(condition.Message, f.Message) ||
		plan.Status.Phase != datav1alpha1.NotBoundPhase {
		t.Errorf("phase %s, condition %+v", plan.Status.Phase, condition)
	}
}

// TestOwnAndFluidsObjectsAreAccepted: what this project or Fluid made for the reference doesn't stand in its way.
func TestOwnAndFluidsObjectsAreAccepted(t *testing.T) {
	w := referencetest.World(t, "alluxio", "dataset://default/phy")
	plan := NewPlan(w)
	w.Claim, w.Volume, w.ThinRuntime = plan.Claim.DeepCopy(), plan.Volume.DeepCopy(), plan.ThinRuntime.DeepCopy()
	if findings := NewPlan(w).Findings; len(findings) > 0 {
		t.Errorf("with its own objects: %v", findings)
	}
	for _, object := range []metav1.Object{w.Claim, w.Volume, w.ThinRuntime} {
		labels := object.GetLabels()
		delete(labels, LabelReferenceUID)
		object.SetLabels(labels)
	}
	if findings := NewPlan(w).Findings; len(findings) > 0 {
		t.Errorf("with Fluid's objects: %v", findings)
	}
}

// TestOwnershipNeedsMarkAndOwner: one of the two isn't enough.
func TestOwnershipNeedsMarkAndOwner(t *testing.T) {
	ref := referencetest.Reference("dataset://default/phy")
	mark := map[string]string{LabelReferenceUID: string(ref.UID)}
	owners := []metav1.OwnerReference{OwnerReference(ref)}
	for _, test := range []struct {
		about string
		meta  metav1.ObjectMeta
		want  bool
	}{
		{"both", metav1.ObjectMeta{Namespace: "ref", Labels: mark, OwnerReferences: owners}, true},
		{"mark only", metav1.ObjectMeta{Namespace: "ref", Labels: mark}, false},
		{"owner only", metav1.ObjectMeta{Namespace: "ref", OwnerReferences: owners}, false},
		{"of an earlier reference", metav1.ObjectMeta{Namespace: "ref", Labels: map[string]string{LabelReferenceUID: "old"}, OwnerReferences: owners}, false},
		{"of the cluster, marked", metav1.ObjectMeta{Labels: mark}, true},
		{"of the cluster, not marked", metav1.ObjectMeta{}, false},
	} {
		if got := Owns(ref, &test.meta); got != test.want {
			t.Errorf("%s: %t", test.about, got)
		}
	}
	if Owns(&datav1alpha1.Dataset{}, &metav1.ObjectMeta{}) {
		t.Error("a reference that doesn't exist yet owns something")
	}
}

// TestMirrorThatLostMarkOrOwnerIsStillOurs: one of the two and this project's hand in it are enough to repair a mirror; none
// of the two, or a mirror that this project hasn't written, isn't.
func TestMirrorThatLostMarkOrOwnerIsStillOurs(t *testing.T) {
	ref := referencetest.Reference("dataset://default/phy")
	written := []metav1.ManagedFieldsEntry{{Manager: "kubectl-label"}, {Manager: FieldManager}}
	for about, test := range map[string]struct {
		change func(*metav1.ObjectMeta)
		want   bool
	}{
		"whole":                           {func(*metav1.ObjectMeta) {}, false},
		"without mark":                    {func(m *metav1.ObjectMeta) { m.Labels = nil }, true},
		"with another's mark":             {func(m *metav1.ObjectMeta) { m.Labels = map[string]string{LabelReferenceUID: "other"} }, true},
		"without owner":                   {func(m *metav1.ObjectMeta) { m.OwnerReferences = nil }, true},
		"without both":                    {func(m *metav1.ObjectMeta) { m.Labels, m.OwnerReferences = nil, nil }, false},
		"without mark, written by others": {func(m *metav1.ObjectMeta) { m.Labels, m.ManagedFields = nil, m.ManagedFields[:1] }, false},
		"without mark, only its status written": {func(m *metav1.ObjectMeta) {
			m.Labels, m.ManagedFields = nil, []metav1.ManagedFieldsEntry{{Manager: FieldManager, Subresource: "status"}}
		}, false},
	} {
		w := sourceWorld(t, "alluxio")
		meta := NewMirror(ref, NewPlan(w).Mirrors[0], &metav1.ObjectMeta{})
		meta.ManagedFields = written
		test.change(&meta)
		if got := HasLostMark(ref, &meta); got != test.want {
			t.Errorf("%s: %t", about, got)
		}
		w.Seen[finding.Object{Kind: "ConfigMap", Namespace: "ref", Name: "phy-config"}] = State{Object: &metav1.PartialObjectMetadata{ObjectMeta: meta}}
		if findings := NewPlan(w).Findings; test.want && len(findings) > 0 {
			t.Errorf("%s: %v", about, findings)
		}
	}
	if HasLostMark(&datav1alpha1.Dataset{}, &metav1.ObjectMeta{ManagedFields: written, Labels: map[string]string{LabelReferenceUID: "x"}}) {
		t.Error("a reference that doesn't exist yet has lost something")
	}
}

// TestSameNamespaceNeedsNoMirrors: in the physical's namespace every name is right already.
func TestSameNamespaceNeedsNoMirrors(t *testing.T) {
	w := referencetest.World(t, "juicefs", "dataset://default/phy")
	w.Dataset.Namespace = "default"
	w.Physical.Status.DatasetRef = []string{"default/refdemo"}
	plan := NewPlan(w)
	if !plan.Ready() || len(plan.Mirrors) != 0 {
		t.Errorf("mirrors %v, findings %v", plan.Mirrors, plan.Findings)
	}
}

// TestAccessModes follows Fluid's rule.
func TestAccessModes(t *testing.T) {
	const rwx, rox = corev1.ReadWriteMany, corev1.ReadOnlyMany
	for _, test := range []struct {
		asked, physical, want []corev1.PersistentVolumeAccessMode
	}{
		{nil, []corev1.PersistentVolumeAccessMode{rwx}, []corev1.PersistentVolumeAccessMode{rox}},
		{[]corev1.PersistentVolumeAccessMode{rwx}, []corev1.PersistentVolumeAccessMode{rwx}, []corev1.PersistentVolumeAccessMode{rwx}},
		{[]corev1.PersistentVolumeAccessMode{rwx}, []corev1.PersistentVolumeAccessMode{rwx, rox}, []corev1.PersistentVolumeAccessMode{rox}},
	} {
		w := referencetest.World(t, "thin", "dataset://default/phy")
		w.Dataset.Spec.AccessModes, w.PhysicalVolume.Spec.AccessModes = test.asked, test.physical
		plan := NewPlan(w)
		if !slices.Equal(plan.Volume.Spec.AccessModes, test.want) || !slices.Equal(plan.Claim.Spec.AccessModes, test.want) {
			t.Errorf("asked %v, physical %v: volume %v, claim %v", test.asked, test.physical, plan.Volume.Spec.AccessModes, plan.Claim.Spec.AccessModes)
		}
	}
}

// TestMirrorDropsHelm: a copied Helm hook annotation would make Helm delete the mirror.
func TestMirrorDropsHelm(t *testing.T) {
	w := referencetest.World(t, "alluxio", "dataset://default/phy")
	mirror := NewPlan(w).Mirrors[0]
	source := w.Metadata(mirror.Original)
	source.Annotations["note"], source.Labels["team"] = "kept", "kept"
	meta := NewMirror(w.Dataset, mirror, source)
	for key := range meta.Annotations {
		if strings.Contains(key, "helm") {
			t.Errorf("it has the annotation %s", key)
		}
	}
	if meta.Labels["app.kubernetes.io/managed-by"] != "" || meta.Labels["team"] != "kept" || meta.Annotations["note"] != "kept" ||
		meta.Labels["fluid.io/dataset-id"] != "ref-refdemo" {
		t.Errorf("labels %v, annotations %v", meta.Labels, meta.Annotations)
	}
	if !Owns(w.Dataset, &meta) {
		t.Error("the reference doesn't own it")
	}
}

// TestConditionKeepsItsTimesWhileNothingChanges, so that a reconcile that changes nothing writes nothing.
func TestConditionKeepsItsTimesWhileNothingChanges(t *testing.T) {
	w := referencetest.World(t, "thin", "dataset://default/phy")
	plan := NewPlan(w)
	noon := metav1.Unix(1_700_000_000, 0)
	StampCondition(&plan.Status, noon)
	w.Dataset.Status = plan.Status
	again := NewPlan(w)
	if got, want := marshal(t, again.Status), marshal(t, plan.Status); got != want {
		t.Errorf("the status changes from\n%s\nto\n%s", want, got)
	}
	w.Physical = nil
	broken := NewPlan(w)
	StampCondition(&broken.Status, metav1.Unix(1_700_000_060, 0))
	if condition := broken.Status.Conditions[0]; condition.LastTransitionTime.Equal(&noon) {
		t.Errorf("the condition's transition has the old time: %+v", condition)
	}
}
