package command

import (
	"context"
	"time"

	apiversion "k8s.io/apimachinery/pkg/version"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
)

// Connection is the way to a cluster.
type Connection interface {
	// Namespace returns the namespace that the flags or the kubeconfig's context name.
	Namespace() (string, error)
	// Client returns a client that reads and writes directly, without a cache.
	Client() (client.WithWatch, error)
	// ServerVersion returns the version of the API server.
	ServerVersion(ctx context.Context) (*apiversion.Info, error)
}

// Kubeconfig is where a Connection learns which cluster to talk to and as whom.
type Kubeconfig interface {
	// Namespace returns the namespace that the flags or the kubeconfig's context name.
	Namespace() (string, error)
	// RESTConfig returns the way to the API server.
	RESTConfig() (*rest.Config, error)
}

// Environment is everything that the commands get from outside their command line.
type Environment struct {
	genericiooptions.IOStreams
	// Now is the clock.
	Now func() time.Time
	// Build says which build this is.
	Build Build
	// Connect makes the connection that the connection flags and kubeconfig ask for; nil means a real one.
	Connect func(Kubeconfig) Connection
	// Kustomize builds the kustomization in a directory; nil means with the kubectl in the PATH.
	Kustomize func(ctx context.Context, directory string) ([]byte, error)
	// Getenv reads the environment; nil means that it's empty.
	Getenv func(string) string
	// Terminal says what Out is, if it's a terminal.
	Terminal terminal.Terminal
	// Interactive says that In is a terminal: somebody is there to answer a question.
	Interactive bool

	// Connection is set once the flags exist; commands use it.
	Connection Connection
}
