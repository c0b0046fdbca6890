package plugin

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference/referencetest"
)

// TestCasesFromManifests: of each case the plugin finds in manifests what is found on a live cluster and what the
// controller says, beside what only the plugin looks at: the names that Fluid would need.
func TestCasesFromManifests(t *testing.T) {
	for _, name := range referencetest.CaseNames(t) {
		t.Run(name, func(t *testing.T) {
			c := referencetest.LoadCase(t, name, "default", "ref")
			directory := t.TempDir()
			c.WriteFiles(t, directory)
			r := run(t.Context(), noCluster(t), fmt.Sprintf("ref check refdemo -n ref -f %s --offline --mirror-names=%s -o json", directory, c.MirrorNames))
			var report struct {
				References []struct {
					Results []referencetest.WantedFinding `json:"results"`
				} `json:"references"`
			}
			if err := json.Unmarshal([]byte(r.out), &report); err != nil || len(report.References) != 1 {
				t.Fatal(err, r.text())
			}
			found := report.References[0].Results
			for _, want := range c.Findings {
				if !slices.Contains(found, want) {
					t.Errorf("it doesn't find %s but %q", want, found)
				}
			}
			for _, f := range found {
				if entry, ok := reference.Explain(f.Code); ok && entry.Severity.Blocks() && !slices.Contains(c.Findings, f) {
					t.Errorf("it also finds %s", f)
				}
			}
		})
	}
}
