package plugin

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/invopop/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// documents are the kinds that the plugin prints.
func documents() map[string]any {
	return map[string]any{
		"ReferenceReport": referenceReport{},
		"SidecarReport":   sidecarReport{},
		"DatasetReport":   datasetReport{},
		"FindingKind":     findingKind{},
		"FindingKindList": findingList{},
		"Version":         versionReport{},
	}
}

const schemaDirectory = "../../docs/schemas"

func schemaName(kind string) string { return strings.ToLower(kind) + "-v1alpha1.json" }

// schemaOf generates the schema of a kind from its Go type, with the comments on it.
func schemaOf(t *testing.T, kind string, document any) []byte {
	t.Helper()
	reflector := jsonschema.Reflector{ExpandedStruct: true, AllowAdditionalProperties: true}
	for _, directory := range []string{"pkg/report", "pkg/reference"} {
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
		if *update {
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

// TestDocumentsFollowTheirSchemas runs commands with -o json.
func TestDocumentsFollowTheirSchemas(t *testing.T) {
	files := []string{"alluxio.yaml", "thin.yaml", "collision.yaml", "references.yaml", "pods.yaml"}
	for _, command := range []string{
		"version", "explain", "explain KF3004", "ref list -A", "ref check -n ref", "ref check --from default/phy -n ref --mirror-names=source",
		"ref create new -n ref --from default/phy --dry-run=client", "inspect sidecar native -n ref", "inspect sidecar not-injected -n ref",
	} {
		t.Run(command, func(t *testing.T) {
			validate(t, run(t.Context(), connectTo(fakeClient(t, files...)), command+" -o json").out)
		})
	}
}
