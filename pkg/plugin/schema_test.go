package plugin

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/invopop/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/doctor"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/inspect"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/output"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/ref"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/rights"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
	"github.com/kubectl-fluid/kubectl-fluid/test/golden"
)

// documents are the kinds that the plugin prints.
func documents() map[string]any {
	return map[string]any{
		"ReferenceReport":      ref.ReferenceReport{},
		"ReferenceDescription": ref.DescriptionReport{},
		"ReferenceDiff":        ref.DiffReport{},
		"ReferenceTree":        ref.TreeReport{},
		"ConsentReport":        ref.ConsentReport{},
		"SidecarReport":        inspect.SidecarReport{},
		"DatasetReport":        inspect.DatasetReport{},
		"DoctorReport":         doctor.Report{},
		"CommandRights":        rights.Report{},
		"FindingKind":          findingKind{},
		"FindingKindList":      findingList{},
		"Version":              command.VersionReport{},
	}
}

const schemaDirectory = "../../docs/schemas"

func schemaName(kind string) string { return strings.ToLower(kind) + "-v1alpha1.json" }

// schemaOf generates the schema of a kind from its Go type, with the comments on it.
func schemaOf(t *testing.T, kind string, document any) []byte {
	t.Helper()
	reflector := jsonschema.Reflector{ExpandedStruct: true, AllowAdditionalProperties: true, Mapper: func(kind reflect.Type) *jsonschema.Schema {
		if kind == reflect.TypeFor[metav1.Time]() {
			return &jsonschema.Schema{Type: "string", Format: "date-time"}
		}
		return nil
	}}
	for _, directory := range []string{"pkg/report", "pkg/finding", "pkg/reference"} {
		// The two are joined: the directory is this one's as seen from the package's path.
		if err := reflector.AddGoComments("github.com/kubectl-fluid/kubectl-fluid/"+directory, "../../"+directory); err != nil {
			t.Fatal(err)
		}
	}
	schema := reflector.Reflect(document)
	schema.ID = jsonschema.ID("https://kubectl-fluid.dev/schemas/" + schemaName(kind))
	schema.Title = kind
	for name, value := range map[string]string{"apiVersion": report.APIVersion, "kind": kind} {
		property, ok := schema.Properties.Get(name)
		if !ok {
			t.Fatalf("%s has no %s", kind, name)
		}
		property.Const = value
	}
	data, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(data, '\n')
}

// TestSchemasAreUpToDate: docs/schemas has the schema of each kind, as its Go type has it, and no other.
func TestSchemasAreUpToDate(t *testing.T) {
	var names []string
	for kind, document := range documents() {
		want := schemaOf(t, kind, document)
		path := filepath.Join(schemaDirectory, schemaName(kind))
		names = append(names, schemaName(kind))
		if golden.Updating() {
			if err := os.MkdirAll(schemaDirectory, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if have, err := os.ReadFile(path); err != nil || !bytes.Equal(have, want) {
			t.Errorf("%s isn't up to date (-update writes it): %v\n%s", path, err, want)
		}
	}
	entries, err := os.ReadDir(schemaDirectory)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !slices.Contains(names, entry.Name()) {
			t.Errorf("%s is the schema of nothing", entry.Name())
		}
	}
}

// validate checks a document of ours against its published schema; documents of Kubernetes are left to Kubernetes.
func validate(t *testing.T, data string) {
	t.Helper()
	document, err := validator.UnmarshalJSON(strings.NewReader(data))
	if err != nil {
		t.Fatalf("not one JSON document: %v\n%s", err, data)
	}
	fields, _ := document.(map[string]any)
	kind, _ := fields["kind"].(string)
	if _, ours := documents()[kind]; !ours {
		if fields["apiVersion"] == report.APIVersion || kind == "" {
			t.Errorf("the kind %q isn't documented:\n%s", kind, data)
		}
		return
	}
	schema, err := validator.NewCompiler().Compile(filepath.Join(schemaDirectory, schemaName(kind)))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(document); err != nil {
		t.Errorf("%v\n%s", err, data)
	}
}

// TestDocumentsFollowTheirSchemas runs each command that has it with -o json, and none prints a kind without a schema.
func TestDocumentsFollowTheirSchemas(t *testing.T) {
	for _, s := range shownCommands() {
		if !slices.Contains(s.formats(t), output.FormatJSON) {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			if r := s.run(t, Environment{Connect: s.connect(t)}, output.FormatJSON); r.code != ExitFindings || r.out != "" {
				validate(t, r.out)
			}
		})
	}
}
