package reconcile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

// TestContentsAreRememberedInTheirStateOnly: few of them, small ones, and never those of Secrets.
func TestContentsAreRememberedInTheirStateOnly(t *testing.T) {
	content := func(kind, version, text string) (finding.Object, *sources) {
		object := newUnstructured("v1", kind, "default", "source")
		object.SetResourceVersion(version)
		object.Object["data"] = map[string]any{"key": text}
		named, s := finding.Object{Kind: kind, Namespace: "default", Name: "source"}, &sources{}
		s.keep(named, object)
		return named, s
	}
	state := newUnstructured("v1", "ConfigMap", "default", "source")
	state.SetResourceVersion("7")
	named, s := content("ConfigMap", "7", "value")
	if found := s.get(named, state); found == nil || found.Object["data"].(map[string]any)["key"] != "value" {
		t.Errorf("it found %v", found)
	}
	for i := range 10 * sourcesMost {
		s.keep(finding.Object{Kind: "ConfigMap", Name: fmt.Sprint(i)}, state)
	}
	if len(s.contents) > sourcesMost {
		t.Errorf("it remembers %d contents", len(s.contents))
	}
	large := state.DeepCopy()
	large.Object["data"] = map[string]any{"key": strings.Repeat("x", sourceSize/2)}
	kept := 0
	for i := range 100 {
		s.keep(finding.Object{Kind: "ConfigMap", Name: fmt.Sprint("large-", i)}, large)
		kept = max(kept, len(s.contents)*sourceSize/2)
	}
	if kept > sourcesSize || kept < sourcesSize/2 {
		t.Errorf("it remembers %d bytes", kept)
	}
	for what, arguments := range map[string][3]string{
		"another state": {"ConfigMap", "8", "value"},
		"a Secret":      {"Secret", "7", "value"},
		"a large one":   {"ConfigMap", "7", strings.Repeat("x", sourceSize)},
	} {
		if named, s := content(arguments[0], arguments[1], arguments[2]); s.get(named, state) != nil {
			t.Errorf("it found %s", what)
		}
	}
}
