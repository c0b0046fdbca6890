package terminal

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// Counted returns a number with the name of what is counted, which gets an s unless there is one.
func Counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// Line makes a text of the cluster fit for one line of a terminal: control characters (escape sequences begin with
// one), line ends and characters that reorder text are shown as Go writes them, \x1b for example.
func Line(text string) string { return neutralise(text, false) }

// Multiline is line for texts that may have several lines.
func Multiline(text string) string { return neutralise(text, true) }

func neutralise(text string, keepNewlines bool) string {
	if utf8.ValidString(text) && !strings.ContainsFunc(text, report.Dangerous) {
		return text
	}
	var safe strings.Builder
	for _, r := range text {
		switch {
		case r == '\n' && keepNewlines, !report.Dangerous(r):
			safe.WriteRune(r)
		default:
			safe.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return safe.String()
}

// OrNone returns a text, and <none> instead of an empty one, as kubectl prints it.
func OrNone(text string) string {
	if text == "" {
		return "<none>"
	}
	return text
}
