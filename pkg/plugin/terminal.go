package plugin

import (
	"io"
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
}

// newScreen returns where a command's text goes. Colour is for terminals only, and not for those that can't show it, or
// whose user doesn't want it (no-color.org).
func newScreen(env Environment) screen {
	color := env.Terminal.TTY && env.Getenv("NO_COLOR") == "" && env.Getenv("TERM") != "dumb" && env.Getenv("TERM") != ""
	return screen{Writer: env.Out, width: env.Terminal.Width, color: color}
}

// plain returns where text goes that isn't the output: without colour, of any width.
func plain(out io.Writer) screen { return screen{Writer: out} }
