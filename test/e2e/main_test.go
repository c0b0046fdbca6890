// Package e2e tests everything together on a real cluster, with pods on a real node where the machine allows it.
package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/client-go/discovery"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/inject"
	"github.com/kubectl-fluid/kubectl-fluid/test/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/test/walkthrough"
)

// suite is what all tests share: one cluster.
type suite struct {
	*walkthrough.Environment
	client client.Client
	// dryRun only asks the API server what it would do.
	dryRun client.Client
	// selfHealing says whether the cluster has the restart rule RestartAllContainers: Kubernetes 1.36 and newer.
	selfHealing bool
	// partsHeal says whether kubelet mounts a part of a volume anew (subPath) whose file system is dead: Kubernetes 1.37
	// and newer. Before, it can't start the container again.
	partsHeal bool
}

// shared is set by TestMain and only read by tests.
var shared *suite

func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() {
		fmt.Println("end-to-end tests are left out with -short")
		os.Exit(0)
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	log.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	state, err := os.MkdirTemp("", "e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	images, err := images()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	environment, err := walkthrough.Start(ctx, walkthrough.Options{StateDir: state, Out: os.Stdout, Images: images, Privileges: inject.PrivilegesAllowed})
	if err != nil {
		fmt.Fprintf(os.Stderr, "starting the cluster: %v\n", err)
		return 1
	}
	down := func() {
		if stopErr := environment.Cluster.Stop(context.WithoutCancel(ctx)); stopErr != nil {
			fmt.Fprintf(os.Stderr, "stopping the cluster: %v\n", stopErr)
		}
	}
	// A test binary that is interrupted ends without its deferred functions.
	defer context.AfterFunc(ctx, func() {
		down()
		os.Exit(130)
	})()
	shared, err = newSuite(environment)
	if err == nil {
		err = shared.createPhysical(ctx)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "preparing the cluster: %v\n", err)
		shared.showLogs()
		down()
		return 1
	}
	code := m.Run()
	if err := shared.leftOnNode(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if code != 0 {
		shared.showLogs()
	}
	down()
	if code == 0 {
		os.RemoveAll(state)
	}
	return code
}

// images are those of the tests' own FUSE clients.
func images() ([]cluster.Image, error) {
	var images []cluster.Image
	for _, name := range []string{"squashfuse", "tenant"} {
		image, err := cluster.LoadImage(filepath.Join("testdata", name))
		if err != nil {
			return nil, err
		}
		images = append(images, image)
	}
	return images, nil
}

func newSuite(environment *walkthrough.Environment) (*suite, error) {
	config, err := environment.Cluster.RESTConfig()
	if err != nil {
		return nil, err
	}
	scheme := runtime.NewScheme()
	if err = clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, err
	}
	if err = datav1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, err
	}
	server, err := serverVersion(config)
	if err != nil {
		return nil, err
	}
	fmt.Printf("The cluster has Kubernetes %s.\n", server)
	return &suite{environment, c, client.NewDryRunClient(c), server.AtLeast(version.MajorMinor(1, 36)), server.AtLeast(version.MajorMinor(1, 37))}, nil
}

func serverVersion(config *rest.Config) (*version.Version, error) {
	discoverer, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, err
	}
	info, err := discoverer.ServerVersion()
	if err != nil {
		return nil, err
	}
	return version.ParseGeneric(info.GitVersion)
}

// createPhysical runs the walk-through's first step: the physical Dataset default/phy, which all tests refer to.
func (s *suite) createPhysical(ctx context.Context) error {
	_, err := s.Run(ctx, s.Prepare()[0])
	return err
}

// showLogs prints the end of the controller's log, and where the logs of the cluster are; they stay when it goes.
func (s *suite) showLogs() {
	fmt.Printf("the cluster's logs:\n%s\n", strings.Join(s.Cluster.Logs(), "\n"))
	var text string
	if s.Node {
		text, _ = s.Output(context.Background(), "", "kubectl", "logs", "-n", "kubectl-fluid-system", "-l", "app.kubernetes.io/name=kubectl-fluid-controller", "--tail=60")
	}
	for _, file := range s.Cluster.Logs() {
		if filepath.Base(file) == "controller.log" {
			content, _ := os.ReadFile(file)
			lines := strings.Split(string(content), "\n")
			text += strings.Join(lines[max(0, len(lines)-60):], "\n")
		}
	}
	fmt.Printf("the end of the controller's log:\n%s\n", text)
}

// kubectl runs kubectl and returns what it prints.
func kubectl(t *testing.T, line string, more ...string) string {
	t.Helper()
	output, err := shared.Output(t.Context(), "", "kubectl", append(strings.Fields(line), more...)...)
	if err != nil {
		t.Fatal(err)
	}
	return output
}

// kubectlError runs kubectl, which must fail, and returns the error with what it prints.
func kubectlError(t *testing.T, stdin, line string) string {
	t.Helper()
	output, err := shared.Output(t.Context(), stdin, "kubectl", strings.Fields(line)...)
	if err == nil {
		t.Fatalf("kubectl %s went well, with %s, and printed %s", line, stdin, output)
	}
	return err.Error()
}

// newNamespace makes a namespace for one test, whose sidecars are privileged.
func newNamespace(t *testing.T, prefix string) string {
	t.Helper()
	return newLabelledNamespace(t, prefix, map[string]string{inject.LabelPrivileges: string(inject.PrivilegesAllowed)})
}

// newLabelledNamespace makes a namespace for one test.
func newLabelledNamespace(t *testing.T, prefix string, labels map[string]string) string {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: prefix + "-", Labels: labels}}
	if err := shared.client.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	return namespace.Name
}

// get reads an object, or fails.
func get[T client.Object](t *testing.T, namespace, name string, object T) T {
	t.Helper()
	if err := shared.client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, object); err != nil {
		t.Fatal(err)
	}
	return object
}
