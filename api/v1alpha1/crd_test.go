package v1alpha1

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"sigs.k8s.io/yaml"
)

// readCRD reads a generated CRD.
func readCRD(t *testing.T, plural string) map[string]any {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "config", "crd", "bases", GroupName+"_"+plural+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var crd map[string]any
	if err := yaml.Unmarshal(content, &crd); err != nil {
		t.Fatal(err)
	}
	return crd
}

func version(crd map[string]any) map[string]any {
	return crd["spec"].(map[string]any)["versions"].([]any)[0].(map[string]any)
}

// TestEveryLevelPreservesUnknownFields: Fluid's CRDs know more fields, and newer ones will know more still.
func TestEveryLevelPreservesUnknownFields(t *testing.T) {
	for _, plural := range []string{"datasets", "thinruntimes", "thinruntimeprofiles", "alluxioruntimes"} {
		schema := version(readCRD(t, plural))["schema"].(map[string]any)["openAPIV3Schema"].(map[string]any)
		checkLevel(t, plural, schema)
	}
}

func checkLevel(t *testing.T, path string, schema map[string]any) {
	t.Helper()
	properties, _ := schema["properties"].(map[string]any)
	if properties != nil && schema["x-kubernetes-preserve-unknown-fields"] != true {
		t.Errorf("%s drops fields that it doesn't know", path)
	}
	for name, property := range properties {
		checkLevel(t, path+"."+name, property.(map[string]any))
	}
	for _, nested := range []string{"items", "additionalProperties"} {
		if inner, ok := schema[nested].(map[string]any); ok {
			checkLevel(t, path+"."+nested, inner)
		}
	}
}

// TestCRDsAreFluids: names, categories, sub-resources, columns and required fields are those of Fluid v1.0.8.
func TestCRDsAreFluids(t *testing.T) {
	for _, test := range []struct {
		plural, scope, names, columns string
	}{
		{"datasets", "Namespaced", "map[categories:[fluid] kind:Dataset listKind:DatasetList plural:datasets shortNames:[dataset] singular:dataset]",
			"Ufs Total Size,Cached,Cache Capacity,Cached Percentage,Phase,HCFS URL,TOTAL FILES,CACHE HIT RATIO,Age"},
		{"thinruntimes", "Namespaced", "map[kind:ThinRuntime listKind:ThinRuntimeList plural:thinruntimes singular:thinruntime]",
			"Profile,Ready Fuses,Desired Fuses,Fuse Phase,Mount,Age"},
		{"thinruntimeprofiles", "Cluster", "map[kind:ThinRuntimeProfile listKind:ThinRuntimeProfileList plural:thinruntimeprofiles singular:thinruntimeprofile]",
			"File System,Image,Age"},
		{"alluxioruntimes", "Namespaced", "map[categories:[fluid] kind:AlluxioRuntime listKind:AlluxioRuntimeList plural:alluxioruntimes shortNames:[alluxio] singular:alluxioruntime]",
			"Ready Masters,Desired Masters,Master Phase,Ready Workers,Desired Workers,Worker Phase,Ready Fuses,Desired Fuses,Fuse Phase,API Gateway,Age"},
	} {
		crd := readCRD(t, test.plural)
		spec := crd["spec"].(map[string]any)
		if names := fmt.Sprint(spec["names"]); names != test.names || spec["scope"] != test.scope {
			t.Errorf("%s: scope %s, names %s", test.plural, spec["scope"], names)
		}
		columns := ""
		for _, column := range version(crd)["additionalPrinterColumns"].([]any) {
			columns += "," + column.(map[string]any)["name"].(string)
		}
		if columns[1:] != test.columns {
			t.Errorf("%s: columns %s", test.plural, columns[1:])
		}
		want := "map[status:map[]]"
		if test.plural == "alluxioruntimes" {
			want = "map[scale:map[labelSelectorPath:.status.selector specReplicasPath:.spec.replicas statusReplicasPath:.status.currentWorkerNumberScheduled] status:map[]]"
		}
		if subresources := version(crd)["subresources"]; fmt.Sprint(subresources) != want {
			t.Errorf("%s: sub-resources %v", test.plural, subresources)
		}
	}
	required := func(plural string) string {
		schema := version(readCRD(t, plural))["schema"].(map[string]any)["openAPIV3Schema"].(map[string]any)
		return fmt.Sprint(schema["properties"].(map[string]any)["status"].(map[string]any)["required"])
	}
	if got := required("datasets"); got != "[conditions]" {
		t.Errorf("a Dataset's status requires %s", got)
	}
	if got, want := required("thinruntimes"), "[currentFuseNumberScheduled currentMasterNumberScheduled currentWorkerNumberScheduled "+
		"desiredFuseNumberScheduled desiredMasterNumberScheduled desiredWorkerNumberScheduled fuseNumberReady fusePhase masterNumberReady "+
		"masterPhase valueFile workerNumberReady workerPhase]"; got != want {
		t.Errorf("a ThinRuntime's status requires %s", got)
	}
}
