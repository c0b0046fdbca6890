// Package walkthrough sets up a real cluster with this project's controller and walks through the documented example:
// the Dataset phy in default, the reference refdemo and the pod nginx in ref. The demo shows it, the end-to-end tests
// check it.
package walkthrough

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/inject"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/volume"
	"github.com/kubectl-fluid/kubectl-fluid/test/cluster"
)

//go:embed no-registry.yaml
var noRegistry string

// Environment is a running cluster with CRDs, webhooks and the controller, and with the programs of this project.
type Environment struct {
	Cluster *cluster.Cluster
	// Node says whether pods run.
	Node bool

	// Privileges is the --sidecar-privileges of the controller that is installed next; empty for its default.
	Privileges inject.Privileges

	source    string // the root of this source tree
	directory string // of commands
	out       io.Writer
}

// Options say what an Environment is like.
type Options struct {
	// StateDir is the directory of everything that the cluster writes; a short path.
	StateDir string
	// Out is told what is done.
	Out io.Writer
	// Images are those that the node has beside the example's and the controller's.
	Images []cluster.Image
	// Privileges is the controller's --sidecar-privileges; empty for its default.
	Privileges inject.Privileges
}

// Start sets everything up: packages (if it may), the cluster, the plugin, and the controller as a Deployment. Without a
// node (see cluster.ErrNodeUnsupported) there is only the control plane, Out says why, and the controller is a process
// beside it.
func Start(ctx context.Context, o Options) (*Environment, error) {
	source, err := cluster.SourceRoot()
	if err != nil {
		return nil, err
	}
	e := &Environment{source: source, directory: source, out: o.Out, Node: true, Privileges: o.Privileges}
	err = e.startNode(ctx, o.StateDir, o.Images)
	if errors.Is(err, cluster.ErrNodeUnsupported) {
		fmt.Fprintf(o.Out, "%v.\nGoing on with the control plane alone: pods are created and injected, but don't run.\n", err)
		e.Node = false
		// The webhook's Service is an ExternalName then, which the API server resolves without endpoints only.
		e.Cluster, err = cluster.Start(ctx, cluster.Options{StateDir: o.StateDir, Out: o.Out, APIServerArgs: []string{"--enable-aggregator-routing=false"}})
	}
	if err != nil {
		return nil, err
	}
	install := e.installProcess
	if e.Node {
		install = e.installDeployment
	}
	err = e.build(ctx, "kubectl-fluid")
	if err == nil {
		err = install(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, e.Cluster.Stop(context.WithoutCancel(ctx)))
	}
	return e, nil
}

// startNode starts a cluster with a node that has the images of the example and of the controller.
func (e *Environment) startNode(ctx context.Context, stateDir string, images []cluster.Image) error {
	for _, name := range []string{"nginx", "rclone-fuse"} {
		example, err := cluster.ExampleImage(name)
		if err != nil {
			return err
		}
		images = append(images, example)
	}
	directory, err := os.MkdirTemp("", "image")
	if err != nil {
		return fmt.Errorf("building the controller's image: %w", err)
	}
	defer os.RemoveAll(directory)
	fmt.Fprintln(e.out, "Building the controller's image ...")
	if err = Release(ctx, directory, "-version", developed, "-image", controllerImage, "-platforms", runtime.GOOS+"/"+runtime.GOARCH, "image"); err != nil {
		return err
	}
	images = append(images, cluster.Image{Name: controllerImage, Archive: filepath.Join(directory, "controller.oci.tar")})
	e.Cluster, err = cluster.Start(ctx, cluster.Options{StateDir: stateDir, Node: true, MountRoot: mountRoot, Images: images, Out: e.out, APIServerArgs: []string{
		// For no-registry.yaml, on by default from Kubernetes 1.36.
		"--feature-gates=MutatingAdmissionPolicy=true", "--runtime-config=admissionregistration.k8s.io/v1beta1=true",
	}})
	return err
}

const (
	// controllerImage is the full name of what config calls kubectl-fluid/controller:latest.
	controllerImage = "docker.io/kubectl-fluid/controller:latest"
	// mountRoot is where the controller of config lets FUSE clients mount.
	mountRoot = "/runtime-mnt"
)

// developed is the version that programs are built as: make release builds none of that name.
const developed = "v0.0.0-dev"

// build builds a program of this project into the cluster's directory of programs.
func (e *Environment) build(ctx context.Context, program string) error {
	fmt.Fprintf(e.out, "Building %s ...\n", program)
	return goBuild(ctx, e.source, "-trimpath", "-ldflags", "-s -w -X main.version="+developed, "-o", e.Cluster.BinDir()+"/", "./cmd/"+program)
}

// Release runs the program of hack/release, which make release, make image and make manifests run, with arguments. What it
// makes is dated 1970, and goes to a directory.
func Release(ctx context.Context, directory string, args ...string) error {
	source, err := cluster.SourceRoot()
	if err != nil {
		return err
	}
	programs, err := os.MkdirTemp("", "release")
	if err != nil {
		return fmt.Errorf("building hack/release: %w", err)
	}
	defer os.RemoveAll(programs)
	program := filepath.Join(programs, "release")
	if err := goBuild(ctx, filepath.Join(source, "hack", "release"), "-o", program, "."); err != nil {
		return err
	}
	command := exec.CommandContext(ctx, program, append([]string{"-directory", directory}, args...)...)
	command.Dir, command.Env = source, append(os.Environ(), "SOURCE_DATE_EPOCH=0")
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("hack/release %s: %w\n%s", strings.Join(args, " "), err, output)
	}
	return nil
}

// goBuild runs go build in a directory.
func goBuild(ctx context.Context, directory string, args ...string) error {
	command := exec.CommandContext(ctx, "go", append([]string{"build", "-buildvcs=false"}, args...)...)
	command.Dir, command.Env = directory, append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s in %s: %w\n%s", strings.Join(args, " "), directory, err, output)
	}
	return nil
}

// installDeployment applies the kustomizations of a cluster without Fluid, as a user would, and waits for the controller.
func (e *Environment) installDeployment(ctx context.Context) error {
	if _, err := e.Output(ctx, noRegistry, "kubectl", "apply", "--server-side", "-f", "-"); err != nil {
		return err
	}
	directory, err := os.MkdirTemp("", "kustomization")
	if err != nil {
		return fmt.Errorf("installing the controller: %w", err)
	}
	defer os.RemoveAll(directory)
	kustomization, err := e.Kustomization("default", directory)
	if err != nil {
		return err
	}
	for _, command := range InstallFromSource() {
		if strings.HasPrefix(command, "kubectl rollout") {
			fmt.Fprintln(e.out, "Waiting for the controller ...")
		}
		command = strings.ReplaceAll(command, "config/default", kustomization)
		if _, err = e.Output(ctx, "", "kubectl", strings.Fields(command)[1:]...); err != nil {
			return err
		}
	}
	_, err = e.Output(ctx, "", "kubectl", "rollout", "status", "daemonset/kubectl-fluid-node", "-n", volume.Namespace, "--timeout=120s")
	return err
}

// Kustomization returns the directory of a kustomization of config/<name>, which has the Deployment and the node plugin, for
// this cluster: it writes an overlay into directory, since the cluster's kubelet has a directory of its own, and the node
// its mounts elsewhere where several clusters are on one machine.
func (e *Environment) Kustomization(name, directory string) (string, error) {
	base := filepath.Join("config", name)
	resolved, err := filepath.EvalSymlinks(directory)
	if err == nil {
		base, err = filepath.Rel(resolved, filepath.Join(e.source, base))
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(directory, "kustomization.yaml"), []byte(e.overlay(base)), 0o600)
	}
	if err != nil {
		return "", fmt.Errorf("writing a kustomization for this cluster: %w", err)
	}
	return directory, nil
}

// overlay is a kustomization of another one for this cluster's paths.
func (e *Environment) overlay(base string) string {
	var out strings.Builder
	kubelet := e.Cluster.KubeletDirectory()
	fmt.Fprintf(&out, `resources:
- %s
patches:
- target: {kind: DaemonSet, name: kubectl-fluid-node}
  patch: |
    - {op: replace, path: /spec/template/spec/containers/0/args/0, value: --kubelet-directory=%s}
`, base, kubelet)
	for i, path := range []string{"plugins/" + volume.Driver, "plugins_registry", "pods"} {
		fmt.Fprintf(&out, "    - {op: replace, path: /spec/template/spec/containers/0/volumeMounts/%d/mountPath, value: %s/%s}\n", i, kubelet, path)
		fmt.Fprintf(&out, "    - {op: replace, path: /spec/template/spec/volumes/%d/hostPath/path, value: %s/%s}\n", i, kubelet, path)
	}
	var arguments []string
	if e.Cluster.MountRoot() != mountRoot {
		arguments = append(arguments, "--mount-root="+e.Cluster.MountRoot())
	}
	arguments = append(arguments, e.privilegesArgument()...)
	if len(arguments) > 0 {
		out.WriteString("- target: {kind: Deployment, name: kubectl-fluid-controller}\n  patch: |\n")
	}
	for _, argument := range arguments {
		fmt.Fprintf(&out, "    - {op: add, path: /spec/template/spec/containers/0/args/-, value: %s}\n", argument)
	}
	if e.Privileges != "" {
		fmt.Fprintf(&out, `- target: {kind: MutatingWebhookConfiguration, name: kubectl-fluid-sidecar-injector$}
  patch: |
    - {op: replace, path: /metadata/annotations/%s, value: %s}
`, strings.ReplaceAll(inject.LabelPrivileges, "/", "~1"), e.Privileges)
	}
	return out.String()
}

// privilegesArgument is the controller's argument about privileged sidecars, if there is to be one.
func (e *Environment) privilegesArgument() []string {
	if e.Privileges == "" {
		return nil
	}
	return []string{"--sidecar-privileges=" + string(e.Privileges)}
}

// installProcess applies the manifests for a controller beside the API server and starts it.
func (e *Environment) installProcess(ctx context.Context) error {
	ports, err := cluster.FreePorts(2)
	if err != nil {
		return err
	}
	manifests, err := e.render(ctx, "host", "port: 443\n", "port: "+ports[0]+"\n")
	if err != nil {
		return err
	}
	if err = e.apply(ctx, manifests); err != nil {
		return err
	}
	if err = e.build(ctx, "controller"); err != nil {
		return err
	}
	kubeconfig, err := e.Cluster.ServiceAccountKubeconfig(ctx, "kubectl-fluid-system", "kubectl-fluid-controller")
	if err != nil {
		return err
	}
	fmt.Fprintln(e.out, "Starting the controller ...")
	err = e.Cluster.Run("controller", append(e.privilegesArgument(),
		"--kubeconfig="+kubeconfig, "--namespace=kubectl-fluid-system",
		"--webhook-port="+ports[0], "--metrics-bind-address=0",
		"--health-probe-bind-address=127.0.0.1:"+ports[1],
		"--mount-root="+e.Cluster.MountRoot())...)
	if err != nil {
		return err
	}
	return cluster.AwaitReady(ctx, "http://127.0.0.1:"+ports[1]+"/readyz")
}

// Manifests renders config/<name>, which has the Deployment, for this cluster.
func (e *Environment) Manifests(ctx context.Context, name string) (string, error) {
	directory, err := os.MkdirTemp("", "kustomization")
	if err != nil {
		return "", fmt.Errorf("rendering config/%s: %w", name, err)
	}
	defer os.RemoveAll(directory)
	kustomization, err := e.Kustomization(name, directory)
	if err != nil {
		return "", err
	}
	return e.Output(ctx, "", "kubectl", "kustomize", kustomization)
}

// CRDs renders config/crd.
func (e *Environment) CRDs(ctx context.Context) (string, error) {
	return e.Output(ctx, "", "kubectl", "kustomize", filepath.Join(e.source, "config", "crd"))
}

// render renders the manifests of config/<name> with a text of them replaced.
func (e *Environment) render(ctx context.Context, name, old, new string) (string, error) {
	manifests, err := e.Output(ctx, "", "kubectl", "kustomize", filepath.Join(e.source, "config", name))
	if err == nil && !strings.Contains(manifests, old) {
		err = fmt.Errorf("config/%s doesn't have %q any more", name, old)
	}
	return strings.ReplaceAll(manifests, old, new), err
}

// apply applies manifests and waits until the API server serves their CRDs.
func (e *Environment) apply(ctx context.Context, manifests string) error {
	if _, err := e.Output(ctx, manifests, "kubectl", "apply", "--server-side", "-f", "-"); err != nil {
		return err
	}
	_, err := e.Output(ctx, "", "kubectl", "wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
	return err
}

// Env returns the environment in which kubectl and kubectl fluid work on the cluster.
func (e *Environment) Env() []string {
	return append(os.Environ(),
		"KUBECONFIG="+e.Cluster.Kubeconfig(),
		"PATH="+e.Cluster.BinDir()+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// command makes a command that finds kubectl and its plugin in the cluster's directory of programs.
func (e *Environment) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	if path := filepath.Join(e.Cluster.BinDir(), name); fileExists(path) {
		name = path
	}
	command := exec.CommandContext(ctx, name, args...)
	command.Env, command.Dir = e.Env(), e.directory
	return command
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Output runs a command and returns what it prints to stdout. The error has what it printed to stderr.
func (e *Environment) Output(ctx context.Context, stdin string, name string, args ...string) (string, error) {
	command := e.command(ctx, name, args...)
	var stdout, stderr bytes.Buffer
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := command.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}

// In returns the same cluster for commands in another directory than the source tree's root.
func (e *Environment) In(directory string) *Environment {
	elsewhere := *e
	elsewhere.directory = directory
	return &elsewhere
}

// Show prints a command as a user would type it, runs it, and prints and returns what it prints.
func (e *Environment) Show(ctx context.Context, words ...string) (string, error) {
	fmt.Fprintf(e.out, "\n$ %s\n", strings.Join(words, " "))
	command := e.command(ctx, words[0], words[1:]...)
	var stdout bytes.Buffer
	command.Stdout, command.Stderr = io.MultiWriter(e.out, &stdout), e.out
	if err := command.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s: %w", strings.Join(words, " "), err)
	}
	return stdout.String(), nil
}
