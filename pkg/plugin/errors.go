package plugin

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/observe"
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

// exitError is an error with the exit code it leads to.
type exitError struct {
	code int
	// err is what the user reads; nil if the output has said everything.
	err error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usageError says that the command line is wrong, of which command, and what is allowed.
type usageError struct {
	command string
	err     error
}

func (e *usageError) Error() string {
	return fmt.Sprintf("%v\nSee '%s --help' for help and examples.", e.err, e.command)
}

func (e *usageError) Unwrap() error { return e.err }

func usagef(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{command: cmd.CommandPath(), err: fmt.Errorf(format, args...)}
}

// exitCode maps a command's error to the exit code.
func exitCode(ctx context.Context, err error) int {
	if err == nil {
		return ExitOK
	}
	if exit, ok := errors.AsType[*exitError](err); ok {
		return exit.code
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		return ExitUsage
	}
	if ctx.Err() != nil {
		return ExitInterrupted
	}
	return ExitFailed
}

// message returns what the user reads of an error; empty if the output has said everything.
func message(ctx context.Context, err error) string {
	if exit, ok := errors.AsType[*exitError](err); ok && exit.err == nil {
		return ""
	}
	if exitCode(ctx, err) == ExitInterrupted {
		return "interrupted"
	}
	return err.Error()
}

// explainAPI adds to an error of the API server what the user can do about it. doing says what was tried, on which
// object.
func explainAPI(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case observe.KindUnknown(err):
		return fmt.Errorf("%s: the cluster doesn't know Fluid's kinds: the CustomResourceDefinition datasets.data.fluid.io isn't installed; "+
			"install Fluid, or kubectl fluid's own: kubectl apply --server-side --field-manager=kubectl-fluid -k config/crd", doing)
	case isRefusal(err):
		return fmt.Errorf("%s: %w", doing, err)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("%s: %w; ask a cluster administrator for this right, or see what you may do: kubectl auth can-i --list", doing, err)
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("%s: the API server doesn't accept your credentials: %w; log in again, or choose others with --context or --user", doing, err)
	}
	if _, ok := errors.AsType[*url.Error](err); ok && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: the API server can't be reached: %w; check --kubeconfig, --context and --server", doing, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// ownRefusal begins what the API server says of a refusal by this project's webhook for Datasets, anyRefusal what it says
// of one by any webhook.
const (
	anyRefusal = "denied the request: "
	ownRefusal = `admission webhook "reference.kubectl-fluid.dev" ` + anyRefusal
)

// isRefusal reports whether a webhook refused a request: no right would change that.
func isRefusal(err error) bool { return err != nil && strings.Contains(err.Error(), anyRefusal) }

// refusalOf returns why this project's webhook refused a Dataset, or false if it didn't.
func refusalOf(err error) (string, bool) {
	if err == nil {
		return "", false
	}
	_, reason, refused := strings.Cut(err.Error(), ownRefusal)
	return reason, refused
}
