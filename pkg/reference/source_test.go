package reference

import (
	"strings"
	"testing"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
)

func TestParseMountPointAcceptsReferences(t *testing.T) {
	for mountPoint, want := range map[string]Source{
		"dataset://default/phy":                        {"default", "phy", ""},
		"dataset://a/b/c":                              {"a", "b", "c"},
		"dataset://a/b/c/d.e/dt=2024-01-01":            {"a", "b", "c/d.e/dt=2024-01-01"},
		"dataset://1-ns/b/数据/é":                        {"1-ns", "b", "数据/é"},
		"dataset://a/b/..hidden/...":                   {"a", "b", "..hidden/..."},
		"dataset://" + name63('n') + "/" + name63('d'): {name63('n'), name63('d'), ""},
	} {
		got, err := ParseMountPoint(mountPoint)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", mountPoint, got, err)
		}
		if got.MountPoint() != mountPoint {
			t.Errorf("%s comes back as %s", mountPoint, got.MountPoint())
		}
	}
}

func name63(letter rune) string { return strings.Repeat(string(letter), 63) }

func TestParseMountPointSaysWhatIsWrong(t *testing.T) {
	for mountPoint, want := range map[string]string{
		"":                                                  "doesn't begin with",
		"Dataset://default/phy":                             "lower case",
		"dataset://":                                        "names no Dataset",
		"dataset://phy":                                     "names no Dataset",
		"dataset:///phy":                                    "not a namespace",
		"dataset://default/":                                "not a Dataset's name",
		"dataset://default/1phy":                            "not a Dataset's name",
		"dataset://Default/phy":                             "not a namespace",
		"dataset://default/Phy":                             "not a Dataset's name",
		"dataset://default/phy/":                            "empty element",
		"dataset://default/phy//x":                          "empty element",
		"dataset://default/phy/x/":                          "empty element",
		"dataset://default/phy/./x":                         `element "."`,
		"dataset://default/phy/x/..":                        `element ".."`,
		"dataset://default/phy/$(id)":                       "character '$'",
		"dataset://default/phy/a;id":                        "character ';'",
		"dataset://default/phy/a b":                         "character ' '",
		"dataset://default/phy/a\n":                         `character '\n'`,
		"dataset://default/phy/a\\b":                        `character '\\'`,
		"dataset://default/phy/\xff":                        "character",
		"dataset://default/" + name63('d') + "d":            "not a Dataset's name",
		"dataset://default/phy/" + strings.Repeat("a", 256): "255",
		"dataset://default/phy/" + strings.Repeat("abcdefg/", 400): "3072",
	} {
		source, err := ParseMountPoint(mountPoint)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q gives %v, %v; want an error about %s", mountPoint, source, err, want)
		}
	}
}

func FuzzParseMountPoint(f *testing.F) {
	for _, seed := range []string{"dataset://default/phy", "dataset://a/b/c//d", "DATASET://a/b", "dataset://a/b/../c", "dataset://a/b/$(x)"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, mountPoint string) {
		source, err := ParseMountPoint(mountPoint)
		if err != nil {
			return
		}
		if source.MountPoint() != mountPoint {
			t.Errorf("%q comes back as %q", mountPoint, source.MountPoint())
		}
		for element := range strings.SplitSeq(source.SubPath, "/") {
			if element == ".." || element == "." || strings.ContainsAny(element, " \t\n;&|<>()$`\\\"'*?[]{}!#~\x00") {
				t.Errorf("%q has the element %q", mountPoint, element)
			}
		}
	})
}

func TestSourceOfWantsExactlyOneMount(t *testing.T) {
	for _, mounts := range [][]string{{"dataset://a/b", "dataset://a/c"}, {"dataset://a/b", "https://example.com"}} {
		dataset := &datav1alpha1.Dataset{}
		for _, mountPoint := range mounts {
			dataset.Spec.Mounts = append(dataset.Spec.Mounts, datav1alpha1.Mount{MountPoint: mountPoint})
		}
		if _, err := SourceOf(dataset); err == nil || !strings.Contains(err.Error(), "exactly one mount") {
			t.Errorf("%q: %v", mounts, err)
		}
	}
}

func TestIsReferenceSeesMisspeltSchemes(t *testing.T) {
	for mountPoint, want := range map[string]bool{
		"dataset://a/b": true, "DataSet://a/b": true, "dataset:/a/b": false, "https://dataset://": false, "s3://dataset": false, "": false,
	} {
		dataset := &datav1alpha1.Dataset{Spec: datav1alpha1.DatasetSpec{Mounts: []datav1alpha1.Mount{{MountPoint: mountPoint}}}}
		if got := IsReference(dataset); got != want {
			t.Errorf("%q: %t", mountPoint, got)
		}
	}
}
