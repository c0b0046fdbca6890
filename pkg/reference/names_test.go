package reference

import (
	"strings"
	"testing"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
)

func TestMirrorNamesDifferInEachPart(t *testing.T) {
	ref := types.NamespacedName{Namespace: "ref", Name: "refdemo"}
	source := finding.Object{Kind: "ConfigMap", Namespace: "default", Name: "phy-config"}
	name := mirrorName(UniqueNames, ref, source)
	if !strings.HasPrefix(name, "refdemo-phy-config-") {
		t.Errorf("the name is %s", name)
	}
	for _, other := range []string{
		mirrorName(UniqueNames, types.NamespacedName{Namespace: "ref2", Name: "refdemo"}, source),
		mirrorName(UniqueNames, types.NamespacedName{Namespace: "ref", Name: "refdemo2"}, source),
		mirrorName(UniqueNames, ref, finding.Object{Kind: "Secret", Namespace: "default", Name: "phy-config"}),
		mirrorName(UniqueNames, ref, finding.Object{Kind: "ConfigMap", Namespace: "default2", Name: "phy-config"}),
		mirrorName(UniqueNames, types.NamespacedName{Namespace: "ref", Name: "refdemo-phy"}, finding.Object{Kind: "ConfigMap", Namespace: "default", Name: "config"}),
	} {
		if other == name {
			t.Errorf("%s is the name of two mirrors", name)
		}
	}
	if got := mirrorName(SourceNames, ref, source); got != "phy-config" {
		t.Errorf("under source names it is %s", got)
	}
}

func TestMirrorNamesAreValidHoweverLong(t *testing.T) {
	for _, length := range []int{4, 60, 62, 63, 64, 180, 189, 190, 240, 252, 253} {
		for _, last := range []string{"a", ".a", "-a"} {
			source := strings.Repeat("s", length-len(last)) + last
			name := mirrorName(UniqueNames, types.NamespacedName{Namespace: "n", Name: name63('r')}, finding.Object{Kind: "ConfigMap", Namespace: "d", Name: source})
			if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
				t.Errorf("source name of %d characters: %s: %s", length, name, problems)
			}
		}
	}
}

// TestLabelsAtTheLengthLimit: Fluid's rule compares the whole key with 63.
func TestLabelsAtTheLengthLimit(t *testing.T) {
	for _, test := range []struct {
		total   int
		uid     types.UID
		wantUID bool
	}{
		{62, "u", false}, {63, "u", true}, {64, "u", true}, {64, "", false},
	} {
		namespace := strings.Repeat("n", test.total-len("fluid.io/s-")-len("-name"))
		label := StorageLabel(&metav1.ObjectMeta{Namespace: namespace, Name: "name", UID: test.uid})
		if byUID := label == "fluid.io/s-u"; byUID != test.wantUID {
			t.Errorf("%d characters, UID %q: %s", test.total, test.uid, label)
		}
	}
}

func TestDatasetsOfFuse(t *testing.T) {
	for name, want := range map[string]string{
		"phy-fuse": "phy", "phy-jindofs-fuse": "phy-jindofs,phy", "phy-client": "phy", "-fuse": "", "other": "",
	} {
		if got := strings.Join(DatasetsOfFuse(name), ","); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
