// Package docs tests that what the documentation says can be done is what the tests do.
package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-fluid/kubectl-fluid/test/walkthrough"
)

const root = "../.."

// pages returns the pages that are written by hand.
func pages(t *testing.T) []string {
	t.Helper()
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	if len(pages) < 8 {
		t.Fatalf("there are the pages %q only", pages)
	}
	return pages
}

// fence is what begins and ends a code block, also one within a list.
func fence() *regexp.Regexp { return regexp.MustCompile("\n *```") }

// blocks returns the code blocks of a page.
func blocks(page string) []string {
	var blocks []string
	for i, part := range fence().Split("\n"+page, -1) {
		if i%2 == 1 {
			_, block, _ := strings.Cut(part, "\n")
			blocks = append(blocks, block)
		}
	}
	return blocks
}

// executed returns the commands that tests run on a real cluster.
func executed() []string {
	var commands []string
	e := &walkthrough.Environment{Node: true}
	for _, step := range append(e.Prepare(), walkthrough.Data()) {
		for _, command := range step.Commands {
			commands = append(commands, strings.Join(command, " "))
		}
	}
	before, after := walkthrough.RemoveData()
	first, second, third := walkthrough.MoveFromFluid()
	give, take := walkthrough.AllowPrivileges()
	commands = append(commands, first, second, third, give, take)
	return slices.Concat(commands, walkthrough.Install(), walkthrough.InstallFromSource(), walkthrough.Restart(), walkthrough.Remove(), before, after,
		walkthrough.Look(), walkthrough.Consent(), walkthrough.BesideFluid(), walkthrough.Helm())
}

// executedBy names the test that runs a command which isn't about a cluster that is there already.
func executedBy() map[string]string {
	return map[string]string{
		"make demo":      "test/demo/demo_test.go TestDemo",
		"make demo-down": "test/demo/demo_test.go TestDemo",
		"make install":   "hack/release/make_test.go TestTargetsOfTheMakefile",
		"make manifests": "hack/release/make_test.go TestTargetsOfTheMakefile",
		"make manifests IMAGE=registry.example.com/fluid/controller:v1": "hack/release/make_test.go TestTargetsOfTheMakefile",
		"make push IMAGE=registry.example.com/fluid/controller:v1":      "hack/release/make_test.go TestTargetsOfTheMakefile",
		"make image":                   "hack/release/make_test.go TestTargetsOfTheMakefile", // make push needs it
		"make release":                 "hack/release/make_test.go TestTargetsOfTheMakefile",
		"make release VERSION=v0.1.0":  "hack/release/make_test.go TestTargetsOfTheMakefile",
		"make release VERSION=v1.2.3":  "hack/release/make_test.go TestTargetsOfTheMakefile",
		"make release VERSION=VERSION": "hack/release/make_test.go TestTargetsOfTheMakefile",
		"make release VERSION=v1.2.3 RELEASEFLAGS=-base-url=https://files.example.com":                         "hack/release/make_test.go TestTargetsOfTheMakefile",
		"kubectl krew install --manifest=krew-manifest.yaml":                                                   "hack/release/make_test.go TestTargetsOfTheMakefile",
		"kubectl krew install --manifest=krew-manifest.yaml --archive=kubectl-fluid_v1.2.3_linux_amd64.tar.gz": "hack/release/make_test.go TestTargetsOfTheMakefile",
		"kubectl krew index add team https://git.example.com/index.git":                                        "hack/release/make_test.go TestTargetsOfTheMakefile",
		"kubectl krew install team/fluid":                                                                      "hack/release/make_test.go TestTargetsOfTheMakefile",
		"kubectl fluid completion install":                                                                     "pkg/plugin/completion_test.go TestRealCompletion",
		"ctr -n k8s.io images import controller.oci.tar":                                                       "test/installation/lifecycle_test.go TestInstallation", // whose node gets its images so
	}
}

// notExecuted are commands that no test can run, and why.
func notExecuted() map[string]string {
	return map[string]string{
		"make test":        "it runs the tests",
		"make test-matrix": "it runs test/e2e on other versions of Kubernetes",
		"docker login":     "it takes an account",
		"gh attestation verify FILE --repo kubectl-fluid/kubectl-fluid": "it takes a published release",
	}
}

// command returns what a user types, with a name for each placeholder.
func command(text string) string {
	text, _, _ = strings.Cut(text, "   #")
	return strings.TrimSpace(strings.NewReplacer(
		"NAMESPACE/DATASET", "default/phy", "NAMESPACE", "ref", "POD", "nginx -n ref", "CODE", "KF3008", "NAME", "refdemo", "VERSION=…", "VERSION=VERSION").Replace(text))
}

// TestEveryCommandIsExecuted: a command in a code block, after "$ ", and one in the text is one that a test runs. Commands
// in code blocks aren't written otherwise.
func TestEveryCommandIsExecuted(t *testing.T) {
	known := executed()
	unmarked := regexp.MustCompile(`^(kubectl|make|docker|helm|go|git|cd) `)
	found := 0
	check := func(page, text string) {
		found++
		if c := command(text); !slices.Contains(known, c) && executedBy()[c] == "" && notExecuted()[c] == "" {
			t.Errorf("%s: no test runs %q", page, c)
		}
	}
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range blocks(string(text)) {
			for line := range strings.Lines(block) {
				line = strings.TrimSpace(line)
				if typed, isCommand := strings.CutPrefix(line, "$ "); isCommand {
					check(page, typed)
				} else if unmarked.MatchString(line) {
					t.Errorf("%s: the command %q isn't marked with \"$ \"", page, line)
				}
			}
		}
		if filepath.Base(page) == "CONTRIBUTING.md" {
			continue // It is for who runs the tests.
		}
		for _, c := range inText(string(text)) {
			check(page, c)
		}
	}
	if found < 70 {
		t.Errorf("only %d commands were found", found)
	}
}

// inText returns the commands in the text of a page: code that begins as a command does and goes on. What names only a
// command, without all of its arguments, isn't one.
func inText(page string) []string {
	var commands []string
	for i, part := range fence().Split("\n"+page, -1) {
		if i%2 == 1 {
			continue
		}
		for _, match := range regexp.MustCompile("`((?:kubectl|make|docker|helm|go|git|gh|ctr) [^`]+)`").FindAllStringSubmatch(part, -1) {
			if words := strings.Fields(match[1]); !slices.Contains(names(), strings.Join(words, " ")) {
				commands = append(commands, match[1])
			}
		}
	}
	return commands
}

// names are names of commands, which stand for all uses of them.
func names() []string {
	return []string{"kubectl fluid", "kubectl describe pod", "kubectl fluid ref check", "kubectl fluid doctor", "kubectl fluid ref create", "kubectl fluid inspect sidecar", "make help"}
}

// TestNamedTestsExist: the tests that are said to run commands are there, and make test runs all packages of tests.
func TestNamedTestsExist(t *testing.T) {
	for c, named := range executedBy() {
		file, test, _ := strings.Cut(named, " ")
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil || !strings.Contains(string(text), "\nfunc "+test+"(t *testing.T) {") {
			t.Errorf("%q is said to be run by %s, which isn't there: %v", c, named, err)
		}
	}
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	_, recipe, _ := strings.Cut(string(makefile), "\ntest: ")
	recipe, _, _ = strings.Cut(recipe, "\n\n")
	packages, err := filepath.Glob(filepath.Join(root, "test/*/*_test.go"))
	if err != nil || len(packages) == 0 {
		t.Fatalf("there are no packages of tests: %v", err)
	}
	for _, file := range packages {
		if name := filepath.Base(filepath.Dir(file)); !regexp.MustCompile(`\./test/` + name + `\b`).MatchString(recipe) {
			t.Errorf("make test doesn't run test/%s", name)
		}
	}
}

// TestBothReadmesHaveTheSameCommands: what they show is the same in both languages.
func TestBothReadmesHaveTheSameCommands(t *testing.T) {
	var commands [2][]string
	for i, name := range []string{"README.md", "README.zh-CN.md"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range blocks(string(text)) {
			for line := range strings.Lines(block) {
				// What follows is a remark, in the language of the page.
				command, _, _ := strings.Cut(line, "   #")
				commands[i] = append(commands[i], strings.TrimSpace(command))
			}
		}
	}
	if !slices.Equal(commands[0], commands[1]) {
		t.Errorf("README.md shows\n%s\nREADME.zh-CN.md shows\n%s", strings.Join(commands[0], "\n"), strings.Join(commands[1], "\n"))
	}
}

// TestLinksLeadSomewhere follows the links between pages, and to files of the source tree.
func TestLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#]*)(#[^)]*)?\)`)
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range link.FindAllStringSubmatch(string(text), -1) {
			target, anchor := match[1], strings.TrimPrefix(match[2], "#")
			if strings.Contains(target, "://") {
				continue
			}
			file := page
			if target != "" {
				file = filepath.Join(filepath.Dir(page), target)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: %v", page, err)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(t, file), anchor) {
				t.Errorf("%s: %s has no heading #%s", page, file, anchor)
			}
		}
	}
}

// anchors returns the anchors of a page's headings, as GitHub makes them.
func anchors(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var anchors []string
	for line := range strings.Lines(string(text)) {
		if heading := strings.TrimLeft(line, "#"); heading != line {
			heading = strings.ToLower(strings.TrimSpace(heading))
			heading = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(heading, "")
			anchors = append(anchors, strings.ReplaceAll(heading, " ", "-"))
		}
	}
	return anchors
}
