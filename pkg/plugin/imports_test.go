package plugin

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
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

// TestNoPackageHasState: the commands' packages have no variables but errors to compare with, and do nothing before main.
func TestNoPackageHasState(t *testing.T) {
	for _, directory := range []string{".", "../report", "../manifest", "../gotemplate"} {
		files, err := filepath.Glob(filepath.Join(directory, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatal(files, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
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
