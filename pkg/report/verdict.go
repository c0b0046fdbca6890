package report

import "fmt"

// FailOn says from which state on results fail a check.
type FailOn string

const (
	// FailOnError is the default.
	FailOnError FailOn = "error"
	// FailOnWarning fails on warnings too.
	FailOnWarning FailOn = "warning"
	// FailOnNever only reports.
	FailOnNever FailOn = "never"
)

// ParseFailOn reads the value of a flag.
func ParseFailOn(text string) (FailOn, error) {
	switch failOn := FailOn(text); failOn {
	case FailOnError, FailOnWarning, FailOnNever:
		return failOn, nil
	}
	return "", fmt.Errorf("%q is not a state to fail on: it must be %s, %s or %s", text, FailOnError, FailOnWarning, FailOnNever)
}

// Policy says what a check's results mean for whoever asked for it. The zero value fails on errors.
type Policy struct {
	FailOn FailOn
	// Strict also fails on what couldn't be looked at.
	Strict bool
}

// Verdict is what a policy makes of results.
type Verdict int

const (
	// Fine means that nothing is at or above the state to fail on.
	Fine Verdict = iota
	// Failed means that something is.
	Failed
	// Unknown means that nothing is, but something couldn't be looked at and the policy is strict.
	Unknown
)

// Judge returns the verdict on a summary.
func (p Policy) Judge(summary Summary) Verdict {
	switch {
	case summary.Errors > 0 && p.Fails(Error), summary.Warnings > 0 && p.Fails(Warning):
		return Failed
	case p.Strict && summary.Inconclusive > 0:
		return Unknown
	}
	return Fine
}

// Fails reports whether a result of a state is at or above the state to fail on.
func (p Policy) Fails(state State) bool {
	switch p.FailOn {
	case FailOnNever:
		return false
	case FailOnWarning:
		return state == Error || state == Warning
	}
	return state == Error
}
