package cluster

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
