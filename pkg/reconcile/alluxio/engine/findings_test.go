package engine

import (
	"strings"
	"testing"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

// TestEveryTroubleIsAFinding: with its code, what is wrong, and what to do.
func TestEveryTroubleIsAFinding(t *testing.T) {
	for kind, code := range map[Kind]finding.Code{
		TroubleInput: finding.CodeRuntimeInvalid, TroubleName: finding.CodeRuntimeNameInUse, TroubleRefused: finding.CodeRuntimeRefused,
		TroublePods: finding.CodeRuntimePods, TroubleMount: finding.CodeMountFailed,
	} {
		entry, ok := finding.Explain(code)
		message := MessageOf([]Trouble{{kind, "Dataset a/b", "it is so"}, {kind, "Dataset a/b", "and so"}})
		one := string(code) + ": Dataset a/b: it is so (" + entry.Remedy + "); "
		if !ok || entry.Severity != finding.Error || !strings.HasPrefix(message, one+string(code)) {
			t.Errorf("%s: %q", code, message)
		}
	}
}
