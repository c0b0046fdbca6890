package terminal

import (
	"fmt"
	"io"
	"strings"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

// Terminal says what the output goes to.
type Terminal struct {
	// Width is the number of columns; 0 if the output isn't a terminal, or nobody knows.
	Width int
	// TTY says that the output is a terminal.
	TTY bool
}

// Screen is where text for people goes.
type Screen struct {
	io.Writer
	// Width is the number of columns to fit into; 0 for any.
	Width int
	// Color says that words may be coloured; they mean the same without.
	Color bool
	// Language is the user's.
	Language finding.Language
}

// Say writes text, whose lines are wrapped where the terminal ends. Who made the Screen asks its Writer at the end
// whether everything was written, as of Print.
func (s Screen) Say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if s.Width > 0 {
		var wrapped strings.Builder
		for line := range strings.Lines(text) {
			content, end := strings.CutSuffix(line, "\n")
			wrapped.WriteString(strings.Join(wrap(content, s.Width), "\n"))
			if end {
				wrapped.WriteByte('\n')
			}
		}
		text = wrapped.String()
	}
	s.Print(text)
}

// Print writes text as it is.
func (s Screen) Print(text string) { _, _ = io.WriteString(s, text) }

// Plain returns where text goes that isn't the output: without colour, of any width.
func Plain(out io.Writer, language finding.Language) Screen {
	return Screen{Writer: out, Language: language}
}
