package report

import (
	"fmt"
	"strings"
	"unicode"
)

// Dangerous reports characters that do something to a terminal: control characters, which begin escape sequences, and
// those that change the direction or the line of the text after them.
func Dangerous(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

// SafeJSON returns JSON that says the same without dangerous characters. encoding/json leaves some as they are.
func SafeJSON(data []byte) []byte { return replaceDangerous(data, `\u%04x`) }

// safeXML does for XML what SafeJSON does for JSON.
func safeXML(data []byte) []byte { return replaceDangerous(data, "&#x%x;") }

// replaceDangerous writes dangerous characters as the format has it. Lines end only where the encoding puts them.
func replaceDangerous(data []byte, format string) []byte {
	var safe strings.Builder
	for _, r := range string(data) {
		if r != '\n' && Dangerous(r) {
			fmt.Fprintf(&safe, format, r)
		} else {
			safe.WriteRune(r)
		}
	}
	return []byte(safe.String())
}
