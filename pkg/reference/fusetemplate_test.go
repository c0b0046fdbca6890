package reference_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference/referencetest"
)

// TestFuseTemplateNamesMirrorsOnly: of each runtime, the template that Fluid's webhook reads names what the reference's
// namespace has, has a name by which that webhook finds it, and never gets a pod.
func TestFuseTemplateNamesMirrorsOnly(t *testing.T) {
	for _, runtime := range referencetest.Runtimes() {
		t.Run(runtime, func(t *testing.T) {
			w := referencetest.World(t, runtime, "dataset://default/phy")
			plan := reference.NewPlan(w)
			daemonSet, err := reference.NewFuseTemplate(w.Dataset, plan.Sidecar)
			if err != nil {
				t.Fatal(err)
			}
			if daemonSet.Name != "refdemo-fuse" || !reference.Owns(w.Dataset, daemonSet) {
				t.Errorf("it is %s, labels %v", daemonSet.Name, daemonSet.Labels)
			}
			again := referencetest.World(t, runtime, "dataset://default/phy")
			again.Fuse = daemonSet
			again.Fuse.Namespace, again.Fuse.Name = "default", w.Fuse.Name
			for _, mirror := range reference.NewPlan(again).Mirrors {
				named := false
				for _, own := range plan.Mirrors {
					named = named || own.Target.Name == mirror.Original.Name
				}
				if !named {
					t.Errorf("it names %s, which is no mirror", mirror.Original)
				}
			}
			for key, value := range daemonSet.Spec.Selector.MatchLabels {
				if daemonSet.Spec.Template.Labels[key] != value || w.Fuse.Spec.Selector.MatchLabels[key] == value {
					t.Errorf("it selects %s=%s", key, value)
				}
			}
			if nodes := daemonSet.Spec.Template.Spec.NodeSelector; nodes["fluid.io/fuse-balloon"] != "true" || len(nodes) < 2 {
				t.Errorf("its pods fit on nodes with %v", nodes)
			}
		})
	}
}

// TestTemplateVersionTellsEdits: another template and another generation have another version.
func TestTemplateVersionTellsEdits(t *testing.T) {
	w := referencetest.World(t, "thin", "dataset://default/phy")
	daemonSet, err := reference.NewFuseTemplate(w.Dataset, reference.NewPlan(w).Sidecar)
	if err != nil {
		t.Fatal(err)
	}
	version := func(generation int64) string {
		text, err := reference.TemplateVersion(daemonSet, generation)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	first := version(1)
	if daemonSet.Annotations[reference.AnnotationTemplate] != first {
		t.Errorf("a new one is annotated %v", daemonSet.Annotations)
	}
	if version(2) == first {
		t.Error("another generation has the same version")
	}
	daemonSet.Spec.Template.Spec.Containers[0].Image = "example.com/other"
	if version(1) == first {
		t.Error("another template has the same version")
	}
}

// TestOnlyFluidsOwnCopyIsTakenOver: of what has the name, only what is exactly as Fluid makes it.
func TestOnlyFluidsOwnCopyIsTakenOver(t *testing.T) {
	w := referencetest.World(t, "alluxio", "dataset://default/phy")
	copied := w.Fuse.DeepCopy()
	copied.ObjectMeta = metav1.ObjectMeta{Namespace: "ref", Name: "refdemo-fuse", Labels: map[string]string{"fluid.io/dataset-id": "ref-refdemo"},
		OwnerReferences: []metav1.OwnerReference{reference.OwnerReference(w.Dataset)}}
	copied.Spec.Template.Spec.NodeSelector = map[string]string{"fluid.io/fuse-balloon": "true"}
	if !reference.CopiedByFluid(w.Dataset, copied) {
		t.Error("Fluid's copy isn't known")
	}
	for name, change := range map[string]func(){
		"another owner":      func() { copied.OwnerReferences[0].UID = "other" },
		"more owners":        func() { copied.OwnerReferences = append(copied.OwnerReferences, metav1.OwnerReference{UID: "other"}) },
		"more labels":        func() { copied.Labels["app"] = "mine" },
		"of another Dataset": func() { copied.Labels["fluid.io/dataset-id"] = "ref-other" },
		"with pods":          func() { copied.Spec.Template.Spec.NodeSelector = nil },
	} {
		whole := copied.DeepCopy()
		if change(); reference.CopiedByFluid(w.Dataset, copied) {
			t.Errorf("one with %s counts as Fluid's copy", name)
		}
		copied = whole
	}
}
