package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Options says what cluster Start starts.
type Options struct {
	// StateDir is an absolute path; everything the cluster writes lies below it.
	// Keep it short where Node is set: sockets lie below it.
	StateDir string
	// Node also starts a kube-scheduler, containerd, a kubelet and a cluster DNS,
	// so that pods run. It needs Linux and root; see ErrNodeUnsupported.
	Node bool
	// MountRoot is the directory on the node whose mounts containers share in both directions; it is made, and goes
	// with the cluster. Without it, or where it exists already, which may be another cluster's, it is one below StateDir.
	MountRoot string
	// Images are built and imported into the node before Start returns.
	Images []Image
	// Out gets progress for a person; nil means none.
	Out io.Writer
	// APIServerArgs are appended to the arguments of kube-apiserver.
	APIServerArgs []string
}

// Cluster is a running Kubernetes cluster on this machine.
type Cluster struct {
	dir     string
	journal *journal
	out     io.Writer
	running []*process // those started by this process
}

// Start starts a cluster and returns once it can be used: the API server is
// ready, a pod can be created in the default namespace and, with a node, the
// node is Ready and has the images. What an earlier cluster left in the state
// directory, running or not, is taken down first. When it fails or ctx ends,
// what was started is taken down again; only the logs stay.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	if o.Out == nil {
		o.Out = io.Discard
	}
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("start a cluster in %q: %w", o.StateDir, err)
	}
	if err := os.MkdirAll(o.StateDir, 0o755); err != nil {
		return nil, fmt.Errorf("start a cluster: create the state directory: %w", err)
	}
	dir, err := realDir(o.StateDir)
	if err != nil {
		return nil, fmt.Errorf("start a cluster: %w", err)
	}
	o.StateDir = dir
	unlock, err := lockFile(ctx, filepath.Join(o.StateDir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("start a cluster in %s: %w", o.StateDir, err)
	}
	defer unlock()
	c, err := start(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("start a cluster in %s: %w", o.StateDir, err)
	}
	return c, nil
}

func start(ctx context.Context, o Options) (*Cluster, error) {
	if err := teardown(ctx, o.StateDir, o.Out); err != nil {
		return nil, fmt.Errorf("take down the earlier cluster: %w", err)
	}
	c := &Cluster{dir: o.StateDir, journal: newJournal(o.StateDir), out: o.Out}
	err := c.prepare(ctx, o)
	started := time.Now()
	if err == nil && o.Node {
		err = c.prepareNode(ctx)
	}
	if err == nil {
		fmt.Fprintln(o.Out, "Starting etcd, kube-apiserver and kube-controller-manager ...")
		err = c.startControlPlane(ctx, o.APIServerArgs)
	}
	if err == nil && o.Node {
		fmt.Fprintln(o.Out, "Starting a node: containerd, kubelet, kube-scheduler and a cluster DNS ...")
		err = c.startNode(ctx, o.MountRoot, o.Images)
	}
	if err == nil {
		err = c.journal.update(func(r *record) { r.Ready = true })
	}
	if err != nil {
		// Not with ctx: it may be why Start ends.
		teardownCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		return nil, errors.Join(err, teardown(teardownCtx, o.StateDir, o.Out))
	}
	fmt.Fprintf(o.Out, "The cluster was ready after %s.\n", since(started))
	return c, nil
}

func (o Options) validate() error {
	if !filepath.IsAbs(o.StateDir) || filepath.Clean(o.StateDir) == "/" {
		return errors.New("the state directory must be an absolute path other than /")
	}
	if !o.Node {
		if len(o.Images) > 0 {
			return errors.New("images need a node: set Options.Node")
		}
		return nil
	}
	// The kernel allows 107 bytes for the path of a socket.
	const maxStateDir = 64
	if len(o.StateDir) > maxStateDir {
		return fmt.Errorf("the path has %d characters, more than the %d that leave room for the paths of sockets below it; choose a shorter one", len(o.StateDir), maxStateDir)
	}
	return nodeSupported()
}

// EnsureBinaries builds the programs of a control plane, or of a whole node, that
// are not in the cache yet, nor in the directory that KUBEBUILDER_ASSETS names. Start does this too; on its own it takes a first
// build of about ten minutes out of a test with a timeout.
func EnsureBinaries(ctx context.Context, out io.Writer, node bool) error {
	chain, err := newToolchain(out)
	if err != nil {
		return err
	}
	for _, tl := range clusterTools(node) {
		if _, err := chain.find(ctx, tl); err != nil {
			return err
		}
	}
	return nil
}

// prepare gets the programs and lays out the state directory.
func (c *Cluster) prepare(ctx context.Context, o Options) error {
	if err := os.MkdirAll(c.path("logs"), 0o755); err != nil {
		return fmt.Errorf("create the directory for logs: %w", err)
	}
	for _, log := range c.Logs() {
		if err := os.Remove(log); err != nil {
			return fmt.Errorf("remove a log of an earlier cluster: %w", err)
		}
	}
	chain, err := newToolchain(o.Out)
	if err != nil {
		return err
	}
	if err := chain.link(ctx, c.BinDir(), clusterTools(o.Node)); err != nil {
		return err
	}
	return c.journal.update(func(r *record) { r.Node = o.Node })
}

// Open returns the cluster that Start started in a state directory earlier,
// possibly in another process. It fails if one of its components has ended.
func Open(stateDir string) (*Cluster, error) {
	var j *journal
	dir, err := realDir(stateDir)
	if err == nil {
		j, err = readJournal(dir)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("open the cluster in %s: none was started there: %w", stateDir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open the cluster in %s: %w", stateDir, err)
	}
	rec := j.get()
	if !rec.Ready {
		return nil, fmt.Errorf("open the cluster in %s: its start is not complete; wait for it, or start it again", stateDir)
	}
	for _, p := range rec.Processes {
		if !p.alive() {
			return nil, fmt.Errorf("open the cluster in %s: %s has ended; start the cluster again; %s", stateDir, p.Name, quoteLog(p.Log))
		}
	}
	return &Cluster{dir: dir, journal: j, out: io.Discard}, nil
}

// Stop takes the cluster down completely: afterwards no process, mount, network
// interface or address of it is left. Only the logs stay in the state directory.
// It does nothing if the cluster is stopped already. After a Ctrl-C, call it with
// a context that the Ctrl-C doesn't end.
func (c *Cluster) Stop(ctx context.Context) error {
	return Teardown(ctx, c.dir)
}

// Kubeconfig returns the path of a kubeconfig of the cluster's administrator.
func (c *Cluster) Kubeconfig() string { return c.path("kubeconfig") }

// RESTConfig returns a client configuration of the cluster's administrator,
// without client-side rate limiting.
func (c *Cluster) RESTConfig() (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig())
	if err != nil {
		return nil, fmt.Errorf("read the kubeconfig of the cluster: %w", err)
	}
	config.QPS = -1
	return config, nil
}

// BinDir returns the directory with kubectl and the other programs of the cluster.
func (c *Cluster) BinDir() string { return c.path("bin") }

// MountRoot returns the directory on the node whose mounts containers share in
// both directions: FUSE mounts of sidecars lie below it. Only with a node.
func (c *Cluster) MountRoot() string {
	if root := c.journal.get().MountRoot; root != "" {
		return root
	}
	return c.path("runtime-mnt")
}

// KubeletDirectory returns kubelet's --root-dir. Only with a node.
func (c *Cluster) KubeletDirectory() string { return c.path("node", "kubelet") }

// Logs returns the paths of the components' logs.
func (c *Cluster) Logs() []string {
	logs, _ := filepath.Glob(c.path("logs", "*.log")) // The pattern is well-formed.
	return logs
}

// realDir returns a state directory's path without symbolic links: the form in
// which the kernel names the mounts below it.
func realDir(stateDir string) (string, error) {
	if !filepath.IsAbs(stateDir) {
		return "", fmt.Errorf("the state directory %q is not an absolute path", stateDir)
	}
	dir, err := filepath.EvalSymlinks(stateDir)
	if err != nil {
		return "", fmt.Errorf("find the state directory: %w", err)
	}
	return dir, nil
}

func (c *Cluster) path(elements ...string) string {
	return filepath.Join(append([]string{c.dir}, elements...)...)
}
