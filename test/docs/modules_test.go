package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// heavy are modules, by what their names begin with, that only making releases and images takes. Whoever vets the product's
// dependencies needn't vet them.
func heavy() []string {
	return []string{
		"github.com/docker/", "github.com/google/go-containerregistry", "github.com/google/licenseclassifier", "github.com/opencontainers/",
		"github.com/spdx/", "helm.sh/", "sigs.k8s.io/krew", "sigs.k8s.io/kustomize/api",
	}
}

// forTestsAlone are the modules that the product's module requires for tests of packages below pkg.
func forTestsAlone() []string {
	return []string{
		"github.com/hanwen/go-fuse/v2",             // a FUSE client for the node plugin to mount for
		"github.com/invopop/jsonschema",            // makes the schemas of docs/schemas from the plugin's own types
		"github.com/santhosh-tekuri/jsonschema/v6", // validates by them what the plugin prints
		"sigs.k8s.io/json",                         // what the API server decodes with, to compare with
	}
}

// requirements returns the modules that a go.mod requires directly, and indirectly, and whether a block of it has both.
func requirements(t *testing.T, file string) (direct, indirect []string, mixed bool) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile(`(?s)\nrequire \(\n(.*?)\n\)`).FindAllStringSubmatch(string(text), -1) {
		inBlock := map[bool]bool{}
		for line := range strings.Lines(block[1]) {
			module := strings.Fields(line)[0]
			isIndirect := strings.HasSuffix(strings.TrimSpace(line), "// indirect")
			inBlock[isIndirect] = true
			if isIndirect {
				indirect = append(indirect, module)
			} else {
				direct = append(direct, module)
			}
		}
		mixed = mixed || len(inBlock) > 1
	}
	return direct, indirect, mixed
}

// TestProductRequiresWhatItsPackagesImport: the product's go.mod has no module for hack or test alone, and none that is heavy.
func TestProductRequiresWhatItsPackagesImport(t *testing.T) {
	direct, indirect, mixed := requirements(t, filepath.Join(root, "go.mod"))
	if len(direct) < 10 || len(indirect) < 10 {
		t.Fatalf("go.mod requires %q, and indirectly %q", direct, indirect)
	}
	if mixed {
		t.Error("go.mod has direct and indirect requirements in one block")
	}
	for _, module := range slices.Concat(direct, indirect) {
		if slices.ContainsFunc(heavy(), func(prefix string) bool { return strings.HasPrefix(module, prefix) }) {
			t.Errorf("go.mod requires %s: use it in a module of its own below hack, and run that", module)
		}
	}
	list := exec.CommandContext(t.Context(), "go", "list", "-f", `{{join .Imports "\n"}}`, "./api/...", "./cmd/...", "./pkg/...")
	list.Dir = root
	output, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	imports := strings.Fields(string(output))
	for _, module := range direct {
		imported := slices.ContainsFunc(imports, func(path string) bool { return path == module || strings.HasPrefix(path, module+"/") })
		if !imported && !slices.Contains(forTestsAlone(), module) {
			t.Errorf("go.mod requires %s, which no package of the product imports", module)
		}
	}
}

// TestMakefileHasAllModulesWithCode: what make lint, make verify and make test do, they do in each module that has packages.
func TestMakefileHasAllModulesWithCode(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	match := regexp.MustCompile(`\nMODULES := (.*)\n`).FindSubmatch(makefile)
	if match == nil {
		t.Fatal("the makefile has no MODULES")
	}
	listed := strings.Fields(string(match[1]))
	list := exec.CommandContext(t.Context(), "git", "ls-files", "*go.mod")
	list.Dir = root
	output, err := list.Output()
	if err != nil {
		t.Skip("this isn't a checkout: ", err)
	}
	for _, file := range strings.Fields(string(output)) {
		module := filepath.Dir(file)
		tested := module == "." || hasTests(t, filepath.Join(root, module))
		if tested != slices.Contains(listed, module) {
			t.Errorf("MODULES in the makefile are %q; %s has tests: %t", listed, module, tested)
		}
	}
}

// hasTests says whether there are tests in a directory or below it.
func hasTests(t *testing.T, directory string) bool {
	t.Helper()
	for _, pattern := range []string{"*_test.go", "*/*_test.go"} {
		files, err := filepath.Glob(filepath.Join(directory, pattern))
		if err != nil {
			t.Fatal(err)
		}
		if len(files) > 0 {
			return true
		}
	}
	return false
}
