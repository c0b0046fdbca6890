//go:build linux

// Command fluid-fuse is what the node plugin delivers into FUSE sidecars.
package main

import (
	"os"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/program"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/volume"
)

// Set by the linker: -X main.version=v1.2.3 -X main.commit=<hash> -X main.date=<RFC 3339>.
var (
	version = "v0.0.0-dev"
	commit  = "unknown"
	date    = "unknown"
)

func main() {
	p := program.Program{
		Broker: volume.MountPath, TerminationLog: volume.TerminationMessagePath, Stderr: os.Stderr,
		Version: version + " " + commit + " " + date,
	}
	os.Exit(p.Main(os.Args))
}
