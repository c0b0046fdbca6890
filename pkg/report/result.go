package report

import (
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

// APIVersion is the version of all documents that the plugin prints; Kinds that exist only get new optional fields.
const APIVersion = "kubectl-fluid.dev/v1alpha1"

// TypeMeta begins each document.
type TypeMeta struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
}

// NewTypeMeta returns the beginning of a document of a kind.
func NewTypeMeta(kind string) TypeMeta { return TypeMeta{APIVersion: APIVersion, Kind: kind} }

// State is what a check came to.
type State string

const (
	// Pass means that it was looked at and is fine.
	Pass State = "pass"
	// Warning means that it works, or will without anybody's help.
	Warning State = "warning"
	// Error means that it doesn't work until somebody changes something.
	Error State = "error"
	// Skipped means that nobody looked, because it wasn't asked for or doesn't apply.
	Skipped State = "skipped"
	// Inconclusive means that it couldn't be looked at. It is never a pass.
	Inconclusive State = "inconclusive"
)

// States returns all states, the gravest first.
func States() []State { return []State{Error, Inconclusive, Warning, Pass, Skipped} }

// Result is what one check found about one object.
type Result struct {
	State State `json:"state"`
	// Code is the finding's code, KF and four digits, that "kubectl fluid explain" knows; empty if nothing was found.
	Code finding.Code `json:"code,omitempty"`
	// Severity is the finding's severity in the catalogue.
	Severity finding.Severity `json:"severity,omitempty"`
	// Reason is the finding's name in CamelCase, as conditions and events have it.
	Reason string `json:"reason,omitempty"`
	// Title says what kind of finding it is, in the user's language.
	Title string `json:"title,omitempty"`
	// Object is what was looked at: kind, and namespace/name or name.
	Object string `json:"object"`
	// Message says why the state is what it is, in English: it names fields and repeats what the API server says.
	Message string `json:"message"`
	// Remedy says what to do about it, in the user's language.
	Remedy string `json:"remedy,omitempty"`
	// File is the manifest that the object is from, if it is from one.
	File string `json:"file,omitempty"`
}

// NewPass returns the result of a check that found nothing.
func NewPass(object, message string) Result {
	return Result{State: Pass, Object: object, Message: message}
}

// NewSkipped returns the result of a check that nobody made.
func NewSkipped(object, message string) Result {
	return Result{State: Skipped, Object: object, Message: message}
}

// NewResult returns a finding as the result of a check, as the catalogue explains it in a language.
func NewResult(f finding.Finding, language finding.Language) Result {
	entry, _ := finding.ExplainIn(language, f.Code)
	return Result{State: StateOf(f.Severity), Code: f.Code, Severity: f.Severity, Reason: f.Reason,
		Title: entry.Title, Object: f.Object.String(), Message: f.Message, Remedy: f.In(language).Remedy}
}

// Text returns the message for a person. Messages are English; in Chinese the title before it says what kind of finding it
// is.
func (r Result) Text(language finding.Language) string {
	if language == finding.Chinese && r.Title != "" {
		return r.Title + "：" + r.Message
	}
	return r.Message
}

// Advice returns what to do about a result with the words that introduce it; empty if nothing needs to be done.
func (r Result) Advice(language finding.Language) string {
	switch {
	case r.Remedy == "":
		return ""
	case language == finding.Chinese:
		return "处理方法：" + r.Remedy
	}
	return "what to do: " + r.Remedy
}

// StateOf returns the state that a finding of a severity leads to. What a reference only waits for is a warning: it
// comes, or a later check finds something else. A note is worth knowing and nothing to change.
func StateOf(severity finding.Severity) State {
	switch severity {
	case finding.Error:
		return Error
	case finding.Waiting, finding.Warning:
		return Warning
	case finding.Note:
		return Pass
	}
	return Inconclusive
}

// Group is what was found about one thing: a reference, a pod, a part of the installation.
type Group struct {
	// Name names the thing for a person, "Dataset ref/refdemo" for example.
	Name    string
	Results []Result
}

// Summary counts the results of a report.
type Summary struct {
	// State is the gravest state of a result that was looked at; skipped if there is none.
	State        State `json:"state"`
	Errors       int   `json:"errors"`
	Inconclusive int   `json:"inconclusive"`
	Warnings     int   `json:"warnings"`
	Passed       int   `json:"passed"`
	Skipped      int   `json:"skipped"`
}

// Summarize counts results.
func Summarize(groups ...Group) Summary {
	count := map[State]int{}
	for _, group := range groups {
		for _, result := range group.Results {
			count[result.State]++
		}
	}
	summary := Summary{State: Skipped, Errors: count[Error], Inconclusive: count[Inconclusive], Warnings: count[Warning],
		Passed: count[Pass], Skipped: count[Skipped]}
	for _, state := range States() {
		if count[state] > 0 {
			summary.State = state
			break
		}
	}
	return summary
}
