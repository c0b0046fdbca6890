// Command kubectl-fluid is the kubectl plugin "kubectl fluid".
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/term"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin"
)

// Set by the linker: -X main.version=v1.2.3 -X main.commit=<hash> -X main.date=<RFC 3339>.
var (
	version = "v0.0.0-dev"
	commit  = "unknown"
	date    = "unknown"
)

func main() {
	// The libraries' logs aren't for users; without this they say so, with a stack, when a command takes long.
	log.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// From the first signal on, a second one ends the program at once.
	context.AfterFunc(ctx, stop)
	terminal := plugin.Terminal{TTY: term.IsTerminal(int(os.Stdout.Fd()))}
	if terminal.TTY {
		// Without a width nothing is wrapped.
		terminal.Width, _, _ = term.GetSize(int(os.Stdout.Fd()))
	}
	code := plugin.Main(ctx, plugin.Environment{
		IOStreams:   genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr},
		Now:         time.Now,
		Getenv:      os.Getenv,
		Terminal:    terminal,
		Interactive: term.IsTerminal(int(os.Stdin.Fd())),
		Build:       plugin.Build{Version: version, Commit: commit, Date: date},
	}, plugin.Arguments(os.Args))
	stop()
	os.Exit(code)
}
