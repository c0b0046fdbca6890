package plugin

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// line makes a text of the cluster fit for one line of a terminal: control characters (escape sequences begin with
// one), line ends and characters that reorder text are shown as Go writes them, \x1b for example.
func line(text string) string { return neutralise(text, false) }

// multiline is line for texts that may have several lines.
func multiline(text string) string { return neutralise(text, true) }

func neutralise(text string, keepNewlines bool) string {
	if utf8.ValidString(text) && !strings.ContainsFunc(text, dangerous) {
		return text
	}
	var safe strings.Builder
	for _, r := range text {
		switch {
		case r == '\n' && keepNewlines, !dangerous(r):
			safe.WriteRune(r)
		default:
			safe.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		}
	}
	return safe.String()
}

// dangerous reports control characters and those that change the direction of the text after them.
func dangerous(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}
