package reference_test

import (
	"slices"
	"strings"
	"testing"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	. "github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference/referencetest"
)

// noList stands for a Dataset without the annotation.
const noList = "none"

// sharedWith sets the list of a Dataset's owner.
func sharedWith(dataset *datav1alpha1.Dataset, list string) {
	if list != noList {
		dataset.Annotations = map[string]string{AnnotationSharedWith: list}
	}
}

// TestConsent: the whole rule, for a reference of namespace ref to one of default.
func TestConsent(t *testing.T) {
	for _, test := range []struct {
		list               string
		open, rbac, owners Consent
	}{
		{noList, ConsentGranted, ConsentUnsaid, ConsentWithheld},
		{"", ConsentGranted, ConsentWithheld, ConsentWithheld},
		{" , ,", ConsentGranted, ConsentWithheld, ConsentWithheld},
		{"ref", ConsentGranted, ConsentGranted, ConsentGranted},
		{" other ,\n ref ", ConsentGranted, ConsentGranted, ConsentGranted},
		{"*", ConsentGranted, ConsentGranted, ConsentGranted},
		{"other,*", ConsentGranted, ConsentGranted, ConsentGranted},
		{"other", ConsentGranted, ConsentWithheld, ConsentWithheld},
		{"ref2,re", ConsentGranted, ConsentWithheld, ConsentWithheld},
		{"Ref,re*,ref/x,**", ConsentGranted, ConsentWithheld, ConsentWithheld},
	} {
		for sharing, want := range map[Sharing]Consent{SharingOpen: test.open, SharingRBAC: test.rbac, "": test.rbac, SharingOwner: test.owners} {
			source := Source{Namespace: "default", Name: "phy"}
			physical := referencetest.World(t, "alluxio", "dataset://default/phy").Physical
			sharedWith(physical, test.list)
			if got := ConsentOf(sharing, physical, source, "ref"); got != want {
				t.Errorf("list %q, policy %q: %d, want %d", test.list, sharing, got, want)
			}
			if got := ConsentOf(sharing, physical, source, "default"); got != ConsentGranted {
				t.Errorf("list %q, policy %q: %d in the Dataset's own namespace", test.list, sharing, got)
			}
			if test.list == noList && ConsentOf(sharing, nil, source, "ref") != want {
				t.Errorf("policy %q: a Dataset that doesn't exist is told from one that does", sharing)
			}
		}
	}
}

func TestParseSharing(t *testing.T) {
	for _, name := range []string{"open", "rbac", "owner"} {
		if sharing, err := ParseSharing(name); err != nil || string(sharing) != name {
			t.Errorf("%s: %q, %v", name, sharing, err)
		}
	}
	for _, name := range []string{"", "Open", "all"} {
		if _, err := ParseSharing(name); err == nil || !strings.Contains(err.Error(), "open, rbac or owner") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestPlanWithoutConsentKnowsNothingOfThePhysicalDataset: nothing is made of it, and what is said doesn't tell whether
// there is one.
func TestPlanWithoutConsentKnowsNothingOfThePhysicalDataset(t *testing.T) {
	var findings []finding.List
	for _, change := range []func(*World){
		func(w *World) { w.Physical = nil },
		func(*World) {},
		func(w *World) { sharedWith(w.Physical, "other") },
		func(w *World) { w.Physical.Spec.Mounts[0].MountPoint = "dataset://a/b" },
	} {
		w := referencetest.World(t, "juicefs", "dataset://default/phy")
		w.Sharing = SharingOwner
		change(w)
		plan := NewPlan(w)
		if !plan.NotShared() || plan.Creatable() || plan.Sidecar != nil || plan.Mirrors != nil || plan.Volume != nil || plan.Claim != nil || plan.RuntimeStatus != nil {
			t.Errorf("the plan is %+v", plan)
		}
		if len(plan.BlockingPods()) != 1 || plan.Status.Phase != datav1alpha1.NotBoundPhase || plan.Status.Mounts != nil {
			t.Errorf("findings %v, status %+v", plan.Findings, plan.Status)
		}
		checkCondition(t, plan, plan.Findings[0])
		findings = append(findings, plan.Findings)
	}
	for _, other := range findings[1:] {
		if !slices.Equal(other, findings[0]) {
			t.Errorf("%v differs from %v", other, findings[0])
		}
	}
}

func TestPlanWithConsentIsReady(t *testing.T) {
	for _, test := range []struct {
		sharing Sharing
		list    string
	}{{SharingOpen, "other"}, {SharingRBAC, noList}, {SharingRBAC, "ref"}, {SharingOwner, "*"}} {
		w := referencetest.World(t, "alluxio", "dataset://default/phy")
		w.Sharing = test.sharing
		sharedWith(w.Physical, test.list)
		if plan := NewPlan(w); !plan.Ready() || plan.NotShared() || len(plan.Findings) > 0 {
			t.Errorf("%s, %q: %v", test.sharing, test.list, plan.Findings)
		}
	}
}

func TestEntriesThatCantBeNamespacesAreReported(t *testing.T) {
	w := referencetest.World(t, "alluxio", "dataset://default/phy")
	sharedWith(w.Physical, "ref, Team_B")
	plan := NewPlan(w)
	if !plan.Ready() || len(plan.Findings) != 1 || plan.Findings[0].Code != finding.CodeSharedWithInvalid || !strings.Contains(plan.Findings[0].Message, `["Team_B"]`) {
		t.Errorf("%v", plan.Findings)
	}
	if w.Sharing = SharingOpen; len(NewPlan(w).Findings) > 0 {
		t.Errorf("with the policy open, where lists don't count: %v", NewPlan(w).Findings)
	}
}

// FuzzParseSharedWith: what is read of a list is written as a list that reads the same, and never more than was meant.
func FuzzParseSharedWith(f *testing.F) {
	for _, text := range []string{"", "a", "a, b", "*", "A,b", ",,", "a\x00", "ä", strings.Repeat("a,", 100)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list := ParseSharedWith(text)
		again := ParseSharedWith(list.String())
		if !slices.Equal(again.Namespaces, list.Namespaces) || len(again.Ignored) > 0 {
			t.Errorf("%q is %+v, which reads as %+v", text, list, again)
		}
		for _, namespace := range list.Namespaces {
			if !strings.Contains(text, namespace) {
				t.Errorf("%q has %q", text, namespace)
			}
		}
	})
}
