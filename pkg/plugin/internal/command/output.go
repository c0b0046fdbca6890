package command

import (
	"fmt"
	"io"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
)

// Output is where a command's output goes. It keeps the first error of writing and writes nothing after it, so that a
// command may write without looking, and be asked once at its end.
type Output struct {
	io.Writer
	err error
}

// Write writes unless that has failed before.
func (o *Output) Write(text []byte) (int, error) {
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.Writer.Write(text)
	o.err = err
	return n, err
}

// Err returns the first error of writing; nil if everything was written.
func (o *Output) Err() error { return o.err }

// Printf writes to the output, whose first error Main asks for.
func (e Environment) Printf(format string, args ...any) { _, _ = fmt.Fprintf(e.Out, format, args...) }

// Sayf tells a person something that isn't the output, on stderr. Nobody can be told that this failed.
func (e Environment) Sayf(format string, args ...any) { _, _ = fmt.Fprintf(e.ErrOut, format, args...) }

// Note tells a person something about the cluster that the output depends on; an empty note isn't told.
func (e Environment) Note(note string) {
	if note != "" {
		e.Sayf("Note: %s\n", terminal.Line(note))
	}
}
