package cluster

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// versions returns the versions of Kubernetes that hack/tools has modules for, beside its own.
func versions(t *testing.T) []string {
	t.Helper()
	directories, err := filepath.Glob("../../hack/tools/kubernetes-*")
	if err != nil || len(directories) == 0 {
		t.Fatalf("there are no modules of other versions: %v", err)
	}
	for i, directory := range directories {
		directories[i] = strings.TrimPrefix(filepath.Base(directory), "kubernetes-")
	}
	return directories
}

func TestVersionOfKubernetesCanBeChosen(t *testing.T) {
	t.Setenv(VersionVariable, "")
	usual, err := newToolchain(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range append(versions(t), strings.Join(strings.Split(strings.TrimPrefix(usual.common.version, "v"), ".")[:2], ".")) {
		t.Setenv(VersionVariable, version)
		chosen, err := newToolchain(io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		for _, tl := range clusterTools(true) {
			module := chosen.moduleOf(tl)
			if strings.HasPrefix(tl.name, "kube") {
				if !strings.HasPrefix(module.version, "v"+version+".") || !strings.Contains(module.ldflags(), "gitVersion="+module.version+" ") {
					t.Errorf("%s of Kubernetes %s is built from %+v", tl.name, version, module)
				}
			} else if module != usual.common {
				t.Errorf("%s with Kubernetes %s is built from %+v", tl.name, version, module)
			}
		}
	}
}

func TestUnknownVersionOfKubernetesIsRefused(t *testing.T) {
	for _, version := range []string{"1.2", "1.37.2", "../kubernetes-1.35", "."} {
		t.Setenv(VersionVariable, version)
		if _, err := newToolchain(io.Discard); err == nil || !strings.Contains(err.Error(), VersionVariable) {
			t.Errorf("%s: %v", version, err)
		}
	}
}

// TestMakefileTestsAllPinnedVersions: make test-matrix has the versions of hack/tools.
func TestMakefileTestsAllPinnedVersions(t *testing.T) {
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(makefile), "KUBERNETES_VERSIONS ?= ")
	line, _, _ := strings.Cut(after, "\n")
	t.Setenv(VersionVariable, "")
	usual, err := newToolchain(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	want := append(versions(t), strings.Join(strings.Split(strings.TrimPrefix(usual.common.version, "v"), ".")[:2], "."))
	if !slices.Equal(strings.Fields(line), want) {
		t.Errorf("it has %q, and hack/tools %q", line, want)
	}
}
