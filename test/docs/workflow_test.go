package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// workflow is what a workflow of GitHub runs.
type workflow struct {
	Permissions map[string]string
	Jobs        map[string]struct {
		Permissions map[string]string
		Steps       []struct {
			Name, Uses, Run string
			With            map[string]any
		}
	}
}

// targets returns what a step lets make make.
func targets(run string) []string {
	var targets []string
	for _, match := range regexp.MustCompile(`(?m)^\s*make ([a-z -]+)`).FindAllStringSubmatch(run, -1) {
		targets = append(targets, strings.Fields(match[1])...)
	}
	return targets
}

func readWorkflow(t *testing.T, file string) workflow {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var w workflow
	if err := yaml.Unmarshal(text, &w); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return w
}

// TestWorkflowsUsePinnedActionsAndTargetsOfTheMakefile.
func TestWorkflowsUsePinnedActionsAndTargetsOfTheMakefile(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(root, ".github/workflows/*.yaml"))
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		for _, job := range readWorkflow(t, file).Jobs {
			for _, step := range job.Steps {
				for _, target := range targets(step.Run) {
					if !strings.Contains(string(makefile), "\n"+target+":") {
						t.Errorf("%s: step %q makes %s, which the makefile doesn't have", file, step.Name, target)
					}
				}
				if pinned := regexp.MustCompile(`^[^@]+@[0-9a-f]{40}$`); step.Uses != "" && !pinned.MatchString(step.Uses) {
					t.Errorf("%s: step %q uses %s, which isn't pinned to a commit", file, step.Name, step.Uses)
				}
			}
		}
	}
}

// TestPullRequestsAreChecked with what a change needs before somebody runs the tests on clusters, and without rights to write.
func TestPullRequestsAreChecked(t *testing.T) {
	w := readWorkflow(t, filepath.Join(root, ".github/workflows/change.yaml"))
	var made []string
	for _, job := range w.Jobs {
		for _, step := range job.Steps {
			made = append(made, targets(step.Run)...)
		}
	}
	for _, want := range []string{"lint", "verify", "test-short"} {
		if !slices.Contains(made, want) {
			t.Errorf("pull requests aren't checked with make %s, but with %q", want, made)
		}
	}
	if len(w.Permissions) != 1 || w.Permissions["contents"] != "read" {
		t.Errorf("the permissions are %v", w.Permissions)
	}
}

// TestReleaseWorkflowMakesAndSigns: it builds twice and compares, and signs exactly what the checksums name, with the rights
// that signing takes.
func TestReleaseWorkflowMakesAndSigns(t *testing.T) {
	w := readWorkflow(t, filepath.Join(root, ".github/workflows/release.yaml"))
	job := w.Jobs["release"]
	if len(w.Permissions) > 0 || job.Permissions["id-token"] != "write" || job.Permissions["attestations"] != "write" {
		t.Errorf("the permissions are %v, and %v of the job", w.Permissions, job.Permissions)
	}
	releases, signed, compared := 0, false, false
	for _, step := range job.Steps {
		for _, target := range targets(step.Run) {
			if target == "release" {
				releases++
			}
		}
		compared = compared || strings.Contains(step.Run, "cmp dist/checksums.txt")
		signed = signed || strings.HasPrefix(step.Uses, "actions/attest-build-provenance@") && step.With["subject-checksums"] == "dist/checksums.txt"
	}
	if releases != 2 || !compared || !signed {
		t.Errorf("it makes %d releases, compares them: %t, signs: %t", releases, compared, signed)
	}
}
