package plugin

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestManagerIsNotLinked: the program has neither controller-runtime's manager nor the controllers of this project, no
// commands of kubectl and no kustomize, which the user's kubectl has.
func TestManagerIsNotLinked(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "github.com/kubectl-fluid/kubectl-fluid/cmd/kubectl-fluid").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := strings.Fields(string(out))
	if len(packages) < 100 {
		t.Fatalf("the program can't have only %d packages", len(packages))
	}
	for _, path := range packages {
		for _, unwanted := range []string{
			"sigs.k8s.io/controller-runtime", // by its whole name: the packages below it are listed
			"sigs.k8s.io/controller-runtime/pkg/manager", "sigs.k8s.io/controller-runtime/pkg/controller", "sigs.k8s.io/controller-runtime/pkg/builder",
			"sigs.k8s.io/controller-runtime/pkg/cache", "sigs.k8s.io/controller-runtime/pkg/cluster", "sigs.k8s.io/controller-runtime/pkg/webhook",
			"sigs.k8s.io/controller-runtime/pkg/leaderelection", "sigs.k8s.io/controller-runtime/pkg/envtest",
			"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile", "github.com/kubectl-fluid/kubectl-fluid/pkg/certificate", "github.com/kubectl-fluid/kubectl-fluid/pkg/webhook",
		} {
			if path == unwanted {
				t.Errorf("%s is linked", path)
			}
		}
		for _, unwanted := range []string{"k8s.io/kubectl/", "k8s.io/kubernetes/", "sigs.k8s.io/kustomize/", "github.com/kubectl-fluid/kubectl-fluid/test/", "github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/"} {
			if strings.HasPrefix(path, unwanted) {
				t.Errorf("%s is linked", path)
			}
		}
	}
}

// layers are the packages of the commands, the lowest first. A package imports only those of lower layers.
func layers() [][]string {
	return [][]string{
		{"terminal"}, {"command"}, {"output"}, {"cluster"}, {"workload"},
		{"preflight", "rights"},
		{"injection", "doctor", "inspect", "ref"},
	}
}

// TestPackagesKeepTheirLayers: no package of the commands imports one of the same layer or of a higher one, and each is in a
// layer.
func TestPackagesKeepTheirLayers(t *testing.T) {
	const root = "github.com/kubectl-fluid/kubectl-fluid/pkg/plugin"
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	layerOf := map[string]int{root: len(layers())}
	for layer, names := range layers() {
		for _, name := range names {
			layerOf[root+"/internal/"+name] = layer
		}
	}
	for line := range strings.Lines(string(out)) {
		path, imports, _ := strings.Cut(strings.TrimSpace(line), " ")
		layer, known := layerOf[path]
		if !known {
			t.Errorf("%s is in no layer", path)
			continue
		}
		delete(layerOf, path)
		for imported := range strings.FieldsSeq(imports) {
			if strings.HasPrefix(imported, root) && layerNumber(imported) >= layer {
				t.Errorf("%s imports %s, which isn't below it", path, imported)
			}
		}
	}
	for path := range layerOf {
		t.Errorf("%s doesn't exist", path)
	}
}

// layerNumber returns the layer of a package of the commands; the highest for pkg/plugin itself.
func layerNumber(path string) int {
	return slices.IndexFunc(append(layers(), []string{"plugin"}), func(names []string) bool { return slices.Contains(names, filepath.Base(path)) })
}

// filesOf returns the files of a package that aren't tests.
func filesOf(t *testing.T, directory string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(directory, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatal(directory, files, err)
	}
	return slices.DeleteFunc(files, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
}

// TestNoPackageHasState: the commands' packages have no variables but errors to compare with, and do nothing before main.
func TestNoPackageHasState(t *testing.T) {
	directories := []string{".", "../report", "../manifest", "../gotemplate"}
	for _, name := range slices.Concat(layers()...) {
		directories = append(directories, filepath.Join("internal", name))
	}
	for _, directory := range directories {
		for _, name := range filesOf(t, directory) {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, declaration := range file.Decls {
				for _, problem := range packageState(declaration) {
					t.Errorf("%s: %s", name, problem)
				}
			}
		}
	}
}

// packageState returns what of a declaration is state of its package.
func packageState(declaration ast.Decl) []string {
	switch d := declaration.(type) {
	case *ast.FuncDecl:
		if d.Name.Name == "init" && d.Recv == nil {
			return []string{"func init"}
		}
	case *ast.GenDecl:
		var problems []string
		for _, spec := range d.Specs {
			values, ok := spec.(*ast.ValueSpec)
			if !ok || d.Tok != token.VAR {
				continue
			}
			for i, name := range values.Names {
				if name.Name != "_" && !(i < len(values.Values) && isNewError(values.Values[i])) {
					problems = append(problems, "var "+name.Name)
				}
			}
		}
		return problems
	}
	return nil
}

// isNewError reports whether an expression is errors.New(...).
func isNewError(value ast.Expr) bool {
	call, ok := value.(*ast.CallExpr)
	if !ok {
		return false
	}
	function, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	name, ok := function.X.(*ast.Ident)
	return ok && name.Name == "errors" && function.Sel.Name == "New"
}
