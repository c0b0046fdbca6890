package cluster

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// tool is a program of the cluster that hack/tools builds.
type tool struct {
	name string
	pkg  string // import path, or a directory below hack/tools
	cold string // what to expect of a build with an empty build cache on two cores
}

// clusterTools returns the programs of a control plane, or of a whole node.
func clusterTools(node bool) []tool {
	tools := []tool{
		{"etcd", "go.etcd.io/etcd/server/v3", "a minute"},
		{"kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver", "4 to 8 minutes"},
		{"kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager", "2 minutes"},
		{"kubectl", "k8s.io/kubernetes/cmd/kubectl", "a minute"},
	}
	if !node {
		return tools
	}
	return append(tools,
		tool{"kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler", "half a minute"},
		tool{"kubelet", "k8s.io/kubernetes/cmd/kubelet", "a minute"},
		tool{"coredns", "./coredns", "half a minute"},
		tool{"pause", "./pause", "a few seconds"},
	)
}

// VersionVariable is the environment variable that chooses the version of Kubernetes, as in 1.36: one that hack/tools has a
// module kubernetes-<version> for. Without it, it is the one of hack/tools itself.
const VersionVariable = "KUBECTL_FLUID_KUBERNETES"

// toolchain finds the cluster's programs, building those that are missing.
type toolchain struct {
	common     pinned // hack/tools, of everything
	kubernetes pinned // of the programs of Kubernetes; another module where VersionVariable says so
	assets     string // KUBEBUILDER_ASSETS: programs found there are used instead
	out        io.Writer
}

// pinned is a module that pins the versions of programs.
type pinned struct {
	source  string // its directory
	version string // of Kubernetes, as in v1.37.2
	cache   string // where its built programs are kept
}

func newToolchain(out io.Writer) (*toolchain, error) {
	root, err := SourceRoot()
	if err != nil {
		return nil, err
	}
	t := &toolchain{assets: os.Getenv("KUBEBUILDER_ASSETS"), out: out}
	tools := filepath.Join(root, "hack", "tools")
	if t.common, err = newPinned(tools, "coredns/main.go", "pause/main.go"); err != nil {
		return nil, err
	}
	t.kubernetes = t.common
	chosen := os.Getenv(VersionVariable)
	if chosen == "" || strings.HasPrefix(t.common.version, "v"+chosen+".") {
		return t, nil
	}
	// The version of what KUBEBUILDER_ASSETS has isn't known.
	t.assets = ""
	if t.kubernetes, err = newPinned(filepath.Join(tools, "kubernetes-"+filepath.Base(chosen))); err != nil {
		return nil, fmt.Errorf("%s=%s chooses a version of Kubernetes: %w", VersionVariable, chosen, err)
	}
	return t, nil
}

// newPinned reads a module, and names its cache for its go.mod, its go.sum, and its own programs' files.
func newPinned(source string, files ...string) (pinned, error) {
	p := pinned{source: source}
	sum := sha256.New()
	for _, name := range append([]string{"go.mod", "go.sum"}, files...) {
		data, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return p, fmt.Errorf("read the pinned versions of the cluster's programs: %w", err)
		}
		fmt.Fprintf(sum, "%s %d\n", name, len(data))
		sum.Write(data)
		if name == "go.mod" {
			p.version = requiredVersion(string(data), "k8s.io/kubernetes")
		}
	}
	if p.version == "" {
		return p, fmt.Errorf("%s/go.mod requires no version of k8s.io/kubernetes; the cluster's programs can't be built from it", source)
	}
	cache, err := cacheDir("tools")
	if err != nil {
		return p, err
	}
	key := fmt.Sprintf("%s-%s-%s-%x", p.version, runtime.GOOS, runtime.GOARCH, sum.Sum(nil)[:6])
	p.cache = filepath.Join(cache, key)
	return p, nil
}

// moduleOf returns the module that a tool is built in.
func (t *toolchain) moduleOf(tl tool) pinned {
	if strings.HasPrefix(tl.pkg, "k8s.io/kubernetes/") {
		return t.kubernetes
	}
	return t.common
}

// cacheDir returns kubectl-fluid/<name> in the user's cache directory.
func cacheDir(name string) (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache directory for the cluster's %s: %w; set XDG_CACHE_HOME or HOME", name, err)
	}
	return filepath.Join(base, "kubectl-fluid", name), nil
}

// requiredVersion returns the version at which the go.mod text requires module.
func requiredVersion(gomod, module string) string {
	for line := range strings.Lines(gomod) {
		fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(fields) >= 2 && fields[0] == module && strings.HasPrefix(fields[1], "v") {
			return fields[1]
		}
	}
	return ""
}

// link makes dir a directory of links to tools, one by its plain name each. Hard
// links where possible: the cluster then doesn't mind if the cache is cleared.
func (t *toolchain) link(ctx context.Context, dir string, tools []tool) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("create the directory for the cluster's programs: %w", err)
	}
	for _, tl := range tools {
		path, err := t.find(ctx, tl)
		if err != nil {
			return err
		}
		link := filepath.Join(dir, tl.name)
		if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("replace the link to %s: %w", tl.name, err)
		}
		if os.Link(path, link) == nil {
			continue
		}
		if err := os.Symlink(path, link); err != nil {
			return fmt.Errorf("link to %s: %w", tl.name, err)
		}
	}
	return nil
}

// find returns the path of a tool, which it builds if need be.
func (t *toolchain) find(ctx context.Context, tl tool) (string, error) {
	if t.assets != "" {
		path := filepath.Join(t.assets, tl.name)
		if isExecutable(path) {
			return filepath.Abs(path)
		}
	}
	cache := t.moduleOf(tl).cache
	path := filepath.Join(cache, tl.name)
	if isExecutable(path) {
		return path, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("create the cache of the cluster's programs: %w", err)
	}
	// One build at a time: a second process that needs the same program waits
	// for this one's result instead of compiling Kubernetes twice.
	unlock, err := lockFile(ctx, filepath.Join(cache, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if isExecutable(path) {
		return path, nil
	}
	return path, t.build(ctx, tl, path)
}

func (t *toolchain) build(ctx context.Context, tl tool, path string) error {
	module := t.moduleOf(tl)
	fmt.Fprintf(t.out, "Building %s (first time only, %s with an empty build cache) ...\n", tl.name, tl.cold)
	started := time.Now()
	tmp := path + ".tmp"
	defer os.Remove(tmp)
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-ldflags", module.ldflags(), "-o", tmp, tl.pkg)
	cmd.Dir = module.source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	stop := t.reportEvery(time.Minute, "Still building "+tl.name)
	output, err := cmd.CombinedOutput()
	stop()
	if ctx.Err() != nil {
		return fmt.Errorf("build %s: %w", tl.name, ctx.Err())
	}
	if err != nil {
		return fmt.Errorf("build %s with %q in %s: %w; the build printed:\n%s", tl.name, cmd.Args, module.source, err, lastLines(string(output), 10))
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("put the built %s in place: %w", tl.name, err)
	}
	fmt.Fprintf(t.out, "Built %s in %s.\n", tl.name, since(started))
	return nil
}

// ldflags stamps the version in: without it, clients fail to parse the
// placeholder that the sources hold.
func (p pinned) ldflags() string {
	major, rest, _ := strings.Cut(strings.TrimPrefix(p.version, "v"), ".")
	minor, _, _ := strings.Cut(rest, ".")
	flags := "-s -w"
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		flags += fmt.Sprintf(" -X %[1]s.gitVersion=%[2]s -X %[1]s.gitMajor=%[3]s -X %[1]s.gitMinor=%[4]s", pkg, p.version, major, minor)
	}
	return flags
}

// reportEvery prints what and the time spent until stop is called.
func (t *toolchain) reportEvery(interval time.Duration, what string) (stop func()) {
	started, done, ended := time.Now(), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				fmt.Fprintf(t.out, "%s (%s) ...\n", what, since(started))
			}
		}
	}()
	return func() { close(done); <-ended }
}

func isExecutable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// since returns the time since t as a person would say it.
func since(t time.Time) time.Duration {
	return time.Since(t).Round(100 * time.Millisecond)
}
