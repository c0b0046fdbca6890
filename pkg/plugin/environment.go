package plugin

import (
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
)

type (
	// Environment is everything that the commands get from outside their command line.
	Environment = command.Environment
	// Build says which build of the plugin this is; the linker sets it in package main.
	Build = command.Build
	// Terminal says what the output goes to.
	Terminal = terminal.Terminal
	// Kubeconfig is where a Connection learns which cluster to talk to and as whom.
	Kubeconfig = command.Kubeconfig
	// Connection is the way to a cluster.
	Connection = command.Connection
)

// Exit codes of all commands; they don't depend on the output format.
const (
	ExitOK           = command.ExitOK
	ExitFailed       = command.ExitFailed
	ExitUsage        = command.ExitUsage
	ExitFindings     = command.ExitFindings
	ExitTimeout      = command.ExitTimeout
	ExitInconclusive = command.ExitInconclusive
	ExitInterrupted  = command.ExitInterrupted
)
