package cluster

import (
	"context"
	"fmt"
	"slices"
	"syscall"
)

// Run starts a program that belongs with the cluster: it outlives this process, has its log beside the others', and
// ends with the cluster. The program is looked for in BinDir and then in PATH.
func (c *Cluster) Run(name string, args ...string) error {
	p, err := c.startProcess(name, args...)
	if err != nil {
		return err
	}
	c.running = append(c.running, p)
	return nil
}

// KillAndStart kills a program of the cluster that this process started, such as kubelet, and starts it again as it was.
func (c *Cluster) KillAndStart(ctx context.Context, name string) error {
	i := slices.IndexFunc(c.running, func(p *process) bool { return p.record.Name == name })
	if i < 0 {
		return fmt.Errorf("restart %s: this process hasn't started it", name)
	}
	old := c.running[i]
	if err := syscall.Kill(old.record.PID, syscall.SIGKILL); err != nil {
		return fmt.Errorf("restart %s: %w", name, err)
	}
	select {
	case <-old.exited:
	case <-ctx.Done():
		return fmt.Errorf("restart %s: %w", name, ctx.Err())
	}
	p, err := c.startProcess(name, old.args...)
	if err == nil {
		c.running[i] = p
	}
	return err
}
