package plugin

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

// Terminal says what the output goes to.
type Terminal struct {
	// Width is the number of columns; 0 if the output isn't a terminal, or nobody knows.
	Width int
	// TTY says that the output is a terminal.
	TTY bool
}

// screen is where text for people goes.
type screen struct {
	io.Writer
	// width is the number of columns to fit into; 0 for any.
	width int
	// color says that words may be coloured; they mean the same without.
	color bool
	// language is the user's.
	language finding.Language
}

// say writes text, whose lines are wrapped where the terminal ends.
func (s screen) say(format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if s.width > 0 {
		var wrapped strings.Builder
		for line := range strings.Lines(text) {
			content, end := strings.CutSuffix(line, "\n")
			wrapped.WriteString(strings.Join(wrap(content, s.width), "\n"))
			if end {
				wrapped.WriteByte('\n')
			}
		}
		text = wrapped.String()
	}
	_, err := io.WriteString(s, text)
	return err
}

// newScreen returns where a command's text goes. Colour is for terminals only, and not for those that can't show it, or
// whose user doesn't want it (no-color.org).
func newScreen(env Environment, language finding.Language) screen {
	color := env.Terminal.TTY && env.Getenv("NO_COLOR") == "" && env.Getenv("TERM") != "dumb" && env.Getenv("TERM") != ""
	return screen{Writer: env.Out, width: env.Terminal.Width, color: color, language: language}
}

// plain returns where text goes that isn't the output: without colour, of any width.
func plain(out io.Writer, language finding.Language) screen {
	return screen{Writer: out, language: language}
}

// languageFlag is the flag --lang of all commands.
const languageFlag = "lang"

// languageOf returns the language of --lang, or of the locale: the first of LC_ALL, LC_MESSAGES and LANG that is set, as
// in POSIX. Locales of other languages get English.
func languageOf(cmd *cobra.Command, env Environment) (finding.Language, error) {
	if chosen := cmd.Flags().Lookup(languageFlag); chosen != nil && chosen.Changed {
		language, ok := finding.ParseLanguage(chosen.Value.String())
		if !ok {
			return "", usagef(cmd, "unknown --%s %q: there are en and zh", languageFlag, chosen.Value)
		}
		return language, nil
	}
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if locale := env.Getenv(name); locale != "" {
			if language, ok := finding.ParseLanguage(locale); ok {
				return language, nil
			}
			break
		}
	}
	return finding.English, nil
}
