//go:build linux

// Command node is the node plugin: it makes FUSE file systems for pods, so that no FUSE client needs a privilege.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/node"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/volume"
)

// Set by the linker: -X main.version=v1.2.3 -X main.commit=<hash> -X main.date=<RFC 3339>.
var (
	version = "v0.0.0-dev"
	commit  = "unknown"
	date    = "unknown"
)

func main() {
	c := node.Config{Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	flag.StringVar(&c.KubeletDirectory, "kubelet-directory", "/var/lib/kubelet", "kubelet's --root-dir on this node: k0s has /var/lib/k0s/kubelet, MicroK8s /var/snap/microk8s/common/var/lib/kubelet")
	flag.StringVar(&c.HiddenDirectory, "hidden-directory", "/hidden", "empty directory in which file systems are mounted that only the node plugin sees")
	flag.StringVar(&c.Program, "program", "/"+volume.Program, "the program that is delivered into sidecars")
	flag.StringVar(&c.NodeName, "node-name", os.Getenv("NODE_NAME"), "name of this node")
	flag.Parse()
	if err := run(c); err != nil {
		c.Log.Error("The node plugin can't go on", "error", err)
		os.Exit(1)
	}
}

func run(c node.Config) (err error) {
	if flag.NArg() > 0 {
		return fmt.Errorf("arguments %q aren't known", flag.Args())
	}
	if c.NodeName == "" {
		return errors.New("--node-name is empty; the DaemonSet sets the environment's NODE_NAME for it")
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT)
	defer stop()
	c.Log.Info("Starting the node plugin", "version", version, "commit", commit, "date", date, "node", c.NodeName)
	p, err := node.New(c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	return node.Serve(ctx, p, version)
}
