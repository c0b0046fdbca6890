package plugin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference/referencetest"
)

// TestCasesFromManifests: of each case the plugin finds in manifests what is found on a live cluster and what the
// controller says, beside what only the plugin looks at: the names that Fluid would need.
func TestCasesFromManifests(t *testing.T) {
	for _, name := range referencetest.CaseNames(t) {
		t.Run(name, func(t *testing.T) {
			c := referencetest.LoadCase(t, name, "default", "ref")
			found := findingsIn(t, checkFiles(t, c))
			for _, want := range c.Findings {
				if !slices.Contains(found, want) {
					t.Errorf("it doesn't find %s but %q", want, found)
				}
			}
			for _, f := range found {
				if entry, ok := finding.Explain(f.Code); ok && entry.Severity.Blocks() && !slices.Contains(c.Findings, f) {
					t.Errorf("it also finds %s", f)
				}
			}
		})
	}
}

// checkFiles checks the reference of a case in files, without a cluster.
func checkFiles(t *testing.T, c *referencetest.Case) result {
	t.Helper()
	directory := t.TempDir()
	c.WriteFiles(t, directory)
	return run(t.Context(), noCluster(t), fmt.Sprintf("ref check refdemo -n %s -f %s --offline --mirror-names=%s -o json", c.ReferenceNamespace, directory, c.MirrorNames))
}

// findingsIn returns what a check found: results with a code, in their order.
func findingsIn(t *testing.T, r result) []referencetest.WantedFinding {
	t.Helper()
	var report struct {
		References []struct {
			Results []referencetest.WantedFinding `json:"results"`
		} `json:"references"`
	}
	if err := json.Unmarshal([]byte(r.out), &report); err != nil || len(report.References) != 1 {
		t.Fatal(err, r.text())
	}
	return slices.DeleteFunc(report.References[0].Results, func(f referencetest.WantedFinding) bool { return f.Code == "" })
}

// TestRealCases: of each case the plugin finds on a real API server what it finds in the files, with the same exit code.
// Package reconcile shows that the controller's conditions say the same.
func TestRealCases(t *testing.T) {
	r := newRealCluster(t)
	all, err := client.New(r.config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range referencetest.CaseNames(t) {
		t.Run(name, func(t *testing.T) {
			c := referencetest.LoadCase(t, name, "phy-"+name, "ref-"+name)
			configuration := own(string(c.MirrorNames))
			configuration.SetAnnotations(map[string]string{reference.AnnotationMirrorNames: string(c.MirrorNames), reference.AnnotationSharing: string(cmp.Or(c.Sharing, reference.SharingRBAC))})
			createCase(t, all, c, configuration)
			live := r.mustNotWrite(t, "ref check refdemo -n "+c.ReferenceNamespace+" -o json", checkFiles(t, c).code)
			if got, want := findingsIn(t, live), findingsIn(t, checkFiles(t, c)); !slices.Equal(got, want) {
				t.Errorf("live it finds\n%q, in files\n%q", got, want)
			}
		})
	}
}

// createCase creates a case, and an object that goes with the test; volumes go too, which no namespace takes with it.
func createCase(t *testing.T, all client.Client, c *referencetest.Case, beside client.Object) {
	t.Helper()
	if err := errors.Join(c.Create(t.Context(), all), all.Create(t.Context(), beside)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, object := range c.Objects {
			if object.GetKind() == "PersistentVolume" {
				if err := client.IgnoreNotFound(all.Delete(context.Background(), object)); err != nil {
					t.Error(err)
				}
			}
		}
		if err := all.Delete(context.Background(), beside); err != nil {
			t.Error(err)
		}
	})
}
