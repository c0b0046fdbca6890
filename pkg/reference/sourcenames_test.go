package reference_test

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	. "github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference/referencetest"
)

func encryptOption(name string) datav1alpha1.EncryptOption {
	return datav1alpha1.EncryptOption{Name: name, ValueFrom: datav1alpha1.EncryptOptionSource{SecretKeyRef: datav1alpha1.SecretKeySelector{Name: "s", Key: "k"}}}
}

// sourceWorld is a World in which mirrors have the names of their sources.
func sourceWorld(t *testing.T, runtime string) *World {
	t.Helper()
	w := referencetest.World(t, runtime, "dataset://default/phy")
	w.MirrorNames = SourceNames
	return w
}

// copyOf is the metadata of a ConfigMap as Fluid copies it for the reference.
func copyOf(w *World, name string) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: "ref", Name: name,
		Labels: map[string]string{datav1alpha1.LabelDatasetID: "ref-" + name}, OwnerReferences: []metav1.OwnerReference{OwnerReference(w.Dataset)}}}
}

// TestRuntimeThatWouldBringACopysNameBlocks: with the sources' names, a Dataset or runtime of the physical's name in the
// reference's namespace will bring what has the names of mirrors, whether it comes before the reference or after.
func TestRuntimeThatWouldBringACopysNameBlocks(t *testing.T) {
	for runtime, kind := range map[string]string{"alluxio": "AlluxioRuntime", "juicefs": "JuiceFSRuntime", "jindo": "JindoRuntime", "thin": "ThinRuntime"} {
		w := sourceWorld(t, runtime)
		want := []finding.Object{{Kind: "Dataset", Namespace: "ref", Name: "phy"}, {Kind: kind, Namespace: "ref", Name: "phy"}}
		if runtime == "jindo" { // whose phy-jindofs-config fits an AlluxioRuntime phy-jindofs too
			want = append([]finding.Object{{Kind: "Dataset", Namespace: "ref", Name: "phy-jindofs"}}, want...)
		}
		plan := NewPlan(w)
		if !slices.Equal(plan.Rivals, want) || len(plan.Findings) > 0 {
			t.Errorf("%s: rivals %v, findings %v", runtime, plan.Rivals, plan.Findings)
		}
		for _, rival := range want {
			w.Seen[rival] = State{Object: rivalOf(rival)}
			if findings := NewPlan(w).Findings; len(findings) != 1 || findings[0].Code != finding.CodeMirrorNameWanted || findings[0].Object != rival {
				t.Errorf("%s with %s: %v", runtime, rival, findings)
			}
			delete(w.Seen, rival)
		}
		w.MirrorNames = UniqueNames
		if plan := NewPlan(w); plan.Rivals != nil || len(plan.Findings) > 0 {
			t.Errorf("%s: with names of their own: %v, %v", runtime, plan.Rivals, plan.Findings)
		}
	}
	w := sourceWorld(t, "alluxio")
	w.Dataset.Name = "phy" // a reference may have its physical's name
	if plan := NewPlan(w); !slices.Equal(plan.Rivals, []finding.Object{{Kind: "AlluxioRuntime", Namespace: "ref", Name: "phy"}}) {
		t.Errorf("a reference of the physical's name is its own rival: %v", plan.Rivals)
	}
}

// TestOnlyDatasetsThatBringACopysNameAreRivals: a Dataset of the physical's name has another runtime, whose ConfigMaps have
// other names; or one of another name has a runtime whose ConfigMaps are called as the copy is.
func TestOnlyDatasetsThatBringACopysNameAreRivals(t *testing.T) {
	for _, test := range []struct {
		physical  string
		neighbour *datav1alpha1.Dataset
		want      bool
	}{
		{"alluxio", neighbour("phy", "https://example.com/", "alluxio"), true},
		{"alluxio", neighbour("phy", "https://example.com/", ""), true}, // nobody knows yet
		{"alluxio", neighbour("phy", "https://example.com/", "thin"), false},
		{"alluxio", neighbour("phy", "dataset://elsewhere/phy", ""), false},
		{"thin", neighbour("phy", "https://example.com/", "thin"), true},
		{"thin", neighbour("phy", "https://example.com/", "alluxio"), false},
		{"jindo", neighbour("phy-jindofs", "https://example.com/", "alluxio"), true},
		{"jindo", neighbour("phy-jindofs", "https://example.com/", "jindo"), false},
	} {
		w := sourceWorld(t, test.physical)
		w.Seen[finding.Object{Kind: "Dataset", Namespace: "ref", Name: test.neighbour.Name}] = State{Object: test.neighbour}
		if got := slices.Equal(codesOf(NewPlan(w).Findings), []finding.Code{finding.CodeMirrorNameWanted}); got != test.want {
			t.Errorf("%s: the Dataset %s of runtimes %+v: %t", test.physical, test.neighbour.Name, test.neighbour.Status.Runtimes, got)
		}
	}
}

// TestCopiesOfFluidAreAcceptedWhileTheyAreRight: with the sources' names, what Fluid provably copied for this reference
// is used; what differs from its source, or was copied for another reference, isn't.
func TestCopiesOfFluidAreAcceptedWhileTheyAreRight(t *testing.T) {
	target := finding.Object{Kind: "ConfigMap", Namespace: "ref", Name: "phy-config"}
	for name, test := range map[string]struct {
		change func(*World, *metav1.PartialObjectMetadata)
		code   finding.Code
	}{
		"Fluid's copy":          {func(*World, *metav1.PartialObjectMetadata) {}, ""},
		"a stale one":           {func(w *World, _ *metav1.PartialObjectMetadata) { w.Outcome.NoteStale(target) }, finding.CodeCopyStale},
		"of another reference":  {func(_ *World, c *metav1.PartialObjectMetadata) { c.OwnerReferences[0].UID = "another" }, finding.CodeMirrorNameTaken},
		"without Fluid's label": {func(_ *World, c *metav1.PartialObjectMetadata) { c.Labels = nil }, finding.CodeMirrorNameTaken},
		"with another's mark":   {func(_ *World, c *metav1.PartialObjectMetadata) { c.Labels[LabelReferenceUID] = "another" }, finding.CodeMirrorNameTaken},
		"where names are their own": {func(w *World, c *metav1.PartialObjectMetadata) {
			w.MirrorNames = UniqueNames
			w.Seen[NewPlan(w).Mirrors[0].Target] = State{Object: c}
		}, finding.CodeMirrorNameTaken},
	} {
		w := sourceWorld(t, "alluxio")
		fluids := copyOf(w, "phy-config")
		w.Seen[target] = State{Object: fluids}
		test.change(w, fluids)
		codes := codesOf(NewPlan(w).Findings)
		if (test.code == "" && codes != nil) || (test.code != "" && !slices.Equal(codes, []finding.Code{test.code})) {
			t.Errorf("%s: %v", name, codes)
		}
	}
}

// TestTwoPhysicalsOfOneNameMeetInOneNamespace: with the sources' names, the second reference finds the first's mirror in
// its place; with names of their own, the mirrors differ.
func TestTwoPhysicalsOfOneNameMeetInOneNamespace(t *testing.T) {
	first, second := sourceWorld(t, "alluxio"), sourceWorld(t, "alluxio")
	second.Dataset.Name, second.Dataset.UID = "another", "another-uid"
	second.Physical.Status.DatasetRef = []string{"ref/another"}
	mirror := NewPlan(first).Mirrors[0]
	meta := NewMirror(first.Dataset, mirror, first.Metadata(mirror.Original))
	second.Seen[mirror.Target] = State{Object: &metav1.PartialObjectMetadata{ObjectMeta: meta}}
	if codes := codesOf(NewPlan(second).Findings); !slices.Equal(codes, []finding.Code{finding.CodeMirrorNameTaken}) {
		t.Errorf("the findings are %v", codes)
	}
	first.MirrorNames, second.MirrorNames = UniqueNames, UniqueNames
	if a, b := NewPlan(first).Mirrors[0].Target, NewPlan(second).Mirrors[0].Target; a == b {
		t.Errorf("both are called %s", a)
	}
}

// TestPodsWaitUntilSomebodyHasLookedAtTheNames: admission doesn't look who has the names of mirrors; where those are the
// sources', it goes by the reference's condition.
func TestPodsWaitUntilSomebodyHasLookedAtTheNames(t *testing.T) {
	w := sourceWorld(t, "alluxio")
	w.Depth = ForAdmission
	plan := NewPlan(w)
	if codes := codesOf(plan.BlockingPods()); !slices.Equal(codes, []finding.Code{finding.CodeNamesUnchecked}) {
		t.Errorf("nothing is known of the names, and the findings are %v", codes)
	}
	for status, want := range map[corev1.ConditionStatus]int{corev1.ConditionTrue: 0, corev1.ConditionFalse: 1} {
		w.Dataset.Status.Conditions = []datav1alpha1.DatasetCondition{{Type: ConditionReferenceReady, Status: status}}
		if findings := NewPlan(w).Findings; len(findings) != want {
			t.Errorf("the controller has said %s, and the findings are %v", status, findings)
		}
	}
	w.Dataset.Status.Conditions = nil
	for obstacle, want := range map[string]int{"": 0, "MirrorNameTaken: KF3004": 1} { // beside Fluid's own controllers
		w.Dataset.Annotations = map[string]string{AnnotationObstacle: obstacle}
		if findings := NewPlan(w).Findings; len(findings) != want {
			t.Errorf("the annotation says %q, and the findings are %v", obstacle, findings)
		}
	}
	w.Dataset.Annotations, w.MirrorNames = nil, UniqueNames
	if findings := NewPlan(w).Findings; len(findings) > 0 {
		t.Errorf("names of their own are never taken, and the findings are %v", findings)
	}
}

func TestReplacedPhysicalIsNoted(t *testing.T) {
	w := referencetest.World(t, "alluxio", "dataset://default/phy")
	w.Volume = NewPlan(w).Volume
	w.Physical.UID = "another"
	if plan := NewPlan(w); !slices.Equal(codesOf(plan.Findings), []finding.Code{finding.CodePhysicalReplaced}) || !plan.Ready() {
		t.Errorf("the findings are %v", plan.Findings)
	}
	delete(w.Volume.Annotations, AnnotationPhysicalUID)
	if findings := NewPlan(w).Findings; len(findings) > 0 {
		t.Errorf("of a volume that doesn't say what it was made for: %v", findings)
	}
}

func TestRefusedWritesAreFindings(t *testing.T) {
	w := referencetest.World(t, "alluxio", "dataset://default/phy")
	w.Outcome.NoteRefused(finding.Object{Kind: "PersistentVolumeClaim", Namespace: "ref", Name: "refdemo"}, "exceeded quota")
	plan := NewPlan(w)
	if !slices.Equal(codesOf(plan.Findings), []finding.Code{finding.CodeWriteRefused}) || plan.Ready() || !plan.Creatable() {
		t.Errorf("the findings are %v", plan.Findings)
	}
}

func TestPodSecurityLevelsThatKubernetesDoesNotKnowAreRestricted(t *testing.T) {
	for level, want := range map[string]int{"privileged": 0, "baseline": 1, "restricted": 1, "Privileged": 1, "": 1} {
		w := referencetest.World(t, "alluxio", "dataset://default/phy")
		enforce(w, level)
		if findings := NewPlan(w).Findings; len(findings) != want {
			t.Errorf("level %q: %v", level, findings)
		}
	}
}

// rivalOf returns an object that brings ConfigMaps, of a Dataset's or a runtime's kind.
func rivalOf(object finding.Object) metav1.Object {
	meta := metav1.ObjectMeta{Namespace: object.Namespace, Name: object.Name}
	switch object.Kind {
	case "Dataset":
		return &datav1alpha1.Dataset{ObjectMeta: meta}
	case "ThinRuntime":
		return &datav1alpha1.ThinRuntime{ObjectMeta: meta, Spec: datav1alpha1.ThinRuntimeSpec{ProfileName: "nfs"}}
	}
	return &metav1.PartialObjectMetadata{ObjectMeta: meta}
}

// enforce gives the reference's namespace a Pod Security level.
func enforce(w *World, level string) {
	w.Seen[finding.Object{Kind: "Namespace", Name: w.Dataset.Namespace}] = State{Object: &metav1.PartialObjectMetadata{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"pod-security.kubernetes.io/enforce": level, LabelPrivileges: PrivilegesAllowed}}}}
}
