package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestReleaseWorkflowMakesAndSigns: what the workflow runs are targets of the makefile, it uses pinned actions, builds
// twice and compares, and signs exactly what the checksums name, with the rights that signing takes.
func TestReleaseWorkflowMakesAndSigns(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, ".github/workflows/release.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var workflow struct {
		Permissions map[string]string
		Jobs        map[string]struct {
			Permissions map[string]string
			Steps       []struct {
				Name, Uses, Run string
				With            map[string]any
			}
		}
	}
	if err := yaml.Unmarshal(text, &workflow); err != nil {
		t.Fatal(err)
	}
	job := workflow.Jobs["release"]
	if len(workflow.Permissions) > 0 || job.Permissions["id-token"] != "write" || job.Permissions["attestations"] != "write" {
		t.Errorf("the permissions are %v, and %v of the job", workflow.Permissions, job.Permissions)
	}
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	releases, signed, compared := 0, false, false
	for _, step := range job.Steps {
		for _, match := range regexp.MustCompile(`(?m)^\s*make ([a-z -]+)`).FindAllStringSubmatch(step.Run, -1) {
			for _, target := range strings.Fields(match[1]) {
				if !strings.Contains(string(makefile), "\n"+target+":") {
					t.Errorf("step %q makes %s, which the makefile doesn't have", step.Name, target)
				}
				if target == "release" {
					releases++
				}
			}
		}
		if pinned := regexp.MustCompile(`^[^@]+@[0-9a-f]{40}$`); step.Uses != "" && !pinned.MatchString(step.Uses) {
			t.Errorf("step %q uses %s, which isn't pinned to a commit", step.Name, step.Uses)
		}
		compared = compared || strings.Contains(step.Run, "cmp dist/checksums.txt")
		signed = signed || strings.HasPrefix(step.Uses, "actions/attest-build-provenance@") && step.With["subject-checksums"] == "dist/checksums.txt"
	}
	if releases != 2 || !compared || !signed {
		t.Errorf("it makes %d releases, compares them: %t, signs: %t", releases, compared, signed)
	}
}
