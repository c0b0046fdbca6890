package engine

import (
	"strings"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

// code is the finding of a kind of trouble.
func (k Kind) code() finding.Code {
	switch k {
	case TroubleName:
		return finding.CodeRuntimeNameInUse
	case TroubleRefused:
		return finding.CodeRuntimeRefused
	case TroublePods:
		return finding.CodeRuntimePods
	case TroubleMount:
		return finding.CodeMountFailed
	}
	return finding.CodeRuntimeInvalid
}

// MessageOf says what is wrong, each with its code and what to do.
func MessageOf(troubles []Trouble) string {
	var texts []string
	for _, trouble := range troubles {
		text := string(trouble.Kind.code()) + ": " + trouble.Object + ": " + trouble.Text
		if entry, ok := finding.Explain(trouble.Kind.code()); ok {
			text += " (" + entry.Remedy + ")"
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, "; ")
}
