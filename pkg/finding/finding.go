// Package finding holds what plugin, controller and webhook say about objects: a finding names an object, says what is wrong with it
// and what to do. The catalogue has one entry for each kind of finding.
package finding

import (
	"fmt"
	"slices"
)

// Severity says what a finding means for a reference.
type Severity string

const (
	// Error blocks until somebody changes something; admission refuses it.
	Error Severity = "Error"
	// Waiting blocks until something comes that may be on its way.
	Waiting Severity = "Waiting"
	// Inconclusive means that something couldn't be read, so that nothing is known of it: never a pass.
	Inconclusive Severity = "Inconclusive"
	// Warning doesn't block but may surprise.
	Warning Severity = "Warning"
	// Note is worth knowing.
	Note Severity = "Note"
)

// Blocks reports whether a finding of this severity keeps a reference from working.
func (s Severity) Blocks() bool { return s == Error || s == Waiting || s == Inconclusive }

// Finding is one thing that a user should know about a reference or a pod.
type Finding struct {
	// Code is the finding's entry in the catalogue, KF and four digits.
	Code Code
	// Severity is the entry's severity.
	Severity Severity
	// Reason is the entry's name in CamelCase, as conditions and events have it.
	Reason string
	// Object is what the finding is about.
	Object Object
	// Message says what is wrong in this case.
	Message string
	// Remedy says what to do about it.
	Remedy string
	// Command is what to type for it, where that is known; the remedy ends with it.
	Command string
}

// String returns the finding as one line.
func (f Finding) String() string {
	text := fmt.Sprintf("%s: %s: %s", f.Code, f.Object, f.Message)
	if f.Remedy != "" {
		text += " (" + f.Remedy + ")"
	}
	return text
}

// List is several findings, in the order of the checks.
type List []Finding

// Add appends a finding with the catalogue's severity and remedy.
func (f *List) Add(code Code, object Object, format string, args ...any) {
	*f = append(*f, New(code, object, format, args...))
}

// AddCommand is Add with a command that does what the remedy says.
func (f *List) AddCommand(code Code, object Object, command, format string, args ...any) {
	finding := New(code, object, format, args...)
	finding.Command = command
	*f = append(*f, finding.In(English))
}

// New makes a finding with the severity, reason and remedy that the catalogue has for a code. It panics for a
// code that the catalogue doesn't have: a mistake in the program.
func New(code Code, object Object, format string, args ...any) Finding {
	entry, ok := Explain(code)
	if !ok {
		panic("no entry in the catalogue of findings for " + string(code))
	}
	return Finding{Code: code, Severity: entry.Severity, Reason: entry.Reason, Object: object,
		Message: fmt.Sprintf(format, args...), Remedy: entry.Remedy}
}

// First returns the first finding of the gravest blocking severity, or false if nothing blocks.
func (f List) First() (Finding, bool) {
	for _, severity := range []Severity{Error, Inconclusive, Waiting} {
		if i := slices.IndexFunc(f, func(finding Finding) bool { return finding.Severity == severity }); i >= 0 {
			return f[i], true
		}
	}
	return Finding{}, false
}

// Blocked reports whether one of the findings blocks.
func (f List) Blocked() bool {
	return slices.ContainsFunc(f, func(finding Finding) bool { return finding.Severity.Blocks() })
}

// Blocking returns the findings that block.
func (f List) Blocking() List {
	var blocking List
	for _, finding := range f {
		if finding.Severity.Blocks() {
			blocking = append(blocking, finding)
		}
	}
	return blocking
}

// Of returns the findings of one severity.
func (f List) Of(severity Severity) List {
	var found List
	for _, finding := range f {
		if finding.Severity == severity {
			found = append(found, finding)
		}
	}
	return found
}

// ForVolume returns what the findings about a sidecar mean for a reference: a runtime without sidecars leaves the volume.
func (f List) ForVolume() List { return f.recoded(CodeRuntimeNoSidecar, CodeVolumeOnly) }

// ForSidecars returns what a reference's findings mean for pods that want sidecars: that there is only a volume is in
// their way.
func (f List) ForSidecars() List { return f.recoded(CodeVolumeOnly, CodeRuntimeNoSidecar) }

// recoded returns the findings with one code in the place of another.
func (f List) recoded(from, to Code) List {
	recoded := slices.Clone(f)
	for i, finding := range f {
		if finding.Code == from {
			entry, _ := Explain(to)
			finding.Code, finding.Severity, finding.Reason = entry.Code, entry.Severity, entry.Reason
			recoded[i] = finding.In(English)
		}
	}
	return recoded
}

// BlockingSidecar returns the findings that keep pods from having a sidecar. That the physical Dataset doesn't know the
// reference yet isn't one: it will before anybody can delete it.
func (f List) BlockingSidecar() List {
	var blocking List
	for _, finding := range f.ForSidecars() {
		if finding.Severity.Blocks() && finding.Code != CodeNotRecorded {
			blocking = append(blocking, finding)
		}
	}
	return blocking
}
