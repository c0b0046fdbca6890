// Command demo starts a real one-node cluster, walks through the documented example, and leaves the cluster running.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/kubectl-fluid/kubectl-fluid/test/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/test/walkthrough"
)

func main() {
	state := flag.String("state", "/var/tmp/kubectl-fluid-demo", "directory of everything that the cluster writes; a short path, since sockets lie below it")
	down := flag.Bool("down", false, "stop the cluster and leave nothing behind")
	prepare := flag.Bool("prepare", false, "only install and build what the tests need, which takes minutes the first time")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *state, *down, *prepare); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, state string, down, prepare bool) error {
	state, err := filepath.Abs(state)
	if err != nil {
		return fmt.Errorf("finding the state directory: %w", err)
	}
	if prepare {
		root := os.Geteuid() == 0
		if _, err = exec.LookPath("busybox"); err != nil && root {
			// The sidecar's scripts are tested with the shell that most FUSE images have, too.
			if err = cluster.EnsurePackages(ctx, os.Stdout, "busybox"); err != nil {
				return err
			}
		}
		if err = cluster.EnsureBinaries(ctx, os.Stdout, root); err != nil || !root {
			return err
		}
		if err = ensureImages(ctx); !errors.Is(err, cluster.ErrNodeUnsupported) {
			return err
		}
		return nil
	}
	if down {
		return cluster.Teardown(ctx, state)
	}
	e, err := walkthrough.Start(ctx, walkthrough.Options{StateDir: state, Out: os.Stdout})
	if err != nil {
		return err
	}
	for _, step := range e.Prepare() {
		if _, err := e.Run(ctx, step); err != nil {
			return explain(e, err)
		}
	}
	fmt.Printf("\nThe cluster goes on running. Use it:\n  export KUBECONFIG=%s\n  export PATH=%s:$PATH\nStop it:\n  make demo-down\n",
		e.Cluster.Kubeconfig(), e.Cluster.BinDir())
	if !e.Node {
		return nil
	}
	if _, err := e.Run(ctx, walkthrough.Data()); err != nil {
		return explain(e, err)
	}
	return nil
}

// ensureImages builds the images of the examples, and one of the end-to-end tests.
func ensureImages(ctx context.Context) error {
	var images []cluster.Image
	for _, name := range []string{"nginx", "rclone-fuse", "alluxio"} {
		image, err := cluster.ExampleImage(name)
		if err != nil {
			return err
		}
		images = append(images, image)
	}
	root, err := cluster.SourceRoot()
	if err != nil {
		return err
	}
	image, err := cluster.LoadImage(filepath.Join(root, "test", "e2e", "testdata", "squashfuse"))
	if err != nil {
		return err
	}
	return cluster.EnsureImages(ctx, os.Stdout, append(images, image)...)
}

// explain says where to look after a step has failed.
func explain(e *walkthrough.Environment, err error) error {
	return fmt.Errorf("%w\nThe cluster goes on running for a look at it: export KUBECONFIG=%s; its logs:\n  %s\nStop it: make demo-down",
		err, e.Cluster.Kubeconfig(), strings.Join(e.Cluster.Logs(), "\n  "))
}
