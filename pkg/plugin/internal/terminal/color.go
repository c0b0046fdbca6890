package terminal

import (
	"strings"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// colorOf returns the escape sequence of the colour of a word that says how things are; empty for other words. The word
// itself says it all.
func colorOf(word string) string {
	const red, green, yellow, magenta = "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[35m"
	switch word {
	case string(report.Error):
		return red
	case string(report.Pass):
		return green
	case string(report.Warning):
		return yellow
	case string(report.Inconclusive):
		return magenta
	}
	return ""
}

// colorFirst colours the first word of a line.
func colorFirst(text string) string {
	word, rest, _ := strings.Cut(text, " ")
	color := colorOf(word)
	if color == "" {
		return text
	}
	if rest != "" {
		rest = " " + rest
	}
	return color + word + "\x1b[0m" + rest
}
