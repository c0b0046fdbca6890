package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// Exit codes of all commands; they don't depend on the output format.
const (
	ExitOK           = 0
	ExitFailed       = 1   // it couldn't be done
	ExitUsage        = 2   // the command line is wrong
	ExitFindings     = 3   // there are findings at or above --fail-on
	ExitTimeout      = 4   // what was waited for didn't come in time
	ExitInconclusive = 5   // something couldn't be looked at, and --strict was given
	ExitInterrupted  = 130 // the user ended it
)

// ExitError is an error with the exit code it leads to.
type ExitError struct {
	Code int
	// Err is what the user reads; nil if the output has said everything.
	Err error
}

// Error returns what the user reads, or the exit code if there is nothing to read.
func (e *ExitError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit code %d", e.Code)
	}
	return e.Err.Error()
}

// Unwrap returns the error beneath; nil if there is none.
func (e *ExitError) Unwrap() error { return e.Err }

// usageError says that the command line is wrong, of which command, and what is allowed.
type usageError struct {
	command string
	err     error
}

func (e *usageError) Error() string {
	return fmt.Sprintf("%v\nSee '%s --help' for help and examples.", e.err, e.command)
}

func (e *usageError) Unwrap() error { return e.err }

// Usagef returns the error that a command's line is wrong, which leads to ExitUsage.
func Usagef(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{command: cmd.CommandPath(), err: fmt.Errorf(format, args...)}
}

// ExitCode maps a command's error to the exit code.
func ExitCode(ctx context.Context, err error) int {
	if err == nil {
		return ExitOK
	}
	if exit, ok := errors.AsType[*ExitError](err); ok {
		return exit.Code
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		return ExitUsage
	}
	if ctx.Err() != nil {
		return ExitInterrupted
	}
	return ExitFailed
}

// Message returns what the user reads of an error; empty if the output has said everything.
func Message(ctx context.Context, err error) string {
	if exit, ok := errors.AsType[*ExitError](err); ok && exit.Err == nil {
		return ""
	}
	if ExitCode(ctx, err) == ExitInterrupted {
		return "interrupted"
	}
	return err.Error()
}
