package plugin

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	testcluster "github.com/kubectl-fluid/kubectl-fluid/test/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/test/harness"
)

// shared is the control plane of all tests; starting one takes seconds.
var shared struct {
	once sync.Once
	dir  string
	c    *testcluster.Cluster
	err  error
}

// startCluster returns a control plane with Fluid's CustomResourceDefinitions.
func startCluster(t *testing.T) *testcluster.Cluster {
	t.Helper()
	if testing.Short() {
		t.Skip("needs an API server")
	}
	shared.once.Do(func() {
		if shared.dir, shared.err = os.MkdirTemp("", "plugin"); shared.err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		if shared.c, shared.err = testcluster.Start(ctx, testcluster.Options{StateDir: shared.dir}); shared.err == nil {
			shared.err = installDefinitions(ctx, shared.c)
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.c
}

func stopCluster() error {
	if shared.c == nil {
		return nil
	}
	if err := shared.c.Stop(context.Background()); err != nil {
		return err
	}
	return os.RemoveAll(shared.dir)
}

// installDefinitions creates Fluid's CustomResourceDefinitions.
func installDefinitions(ctx context.Context, c *testcluster.Cluster) error {
	config, err := c.RESTConfig()
	if err != nil {
		return err
	}
	admin, err := client.New(config, client.Options{})
	if err != nil {
		return err
	}
	return harness.InstallCRDs(ctx, admin)
}

// listAll lists the objects of a kind in all namespaces.
func listAll(ctx context.Context, config *rest.Config, kind schema.GroupVersionKind) ([]unstructured.Unstructured, error) {
	scheme, err := cluster.NewScheme()
	if err != nil {
		return nil, err
	}
	c, err := client.New(config, client.Options{Scheme: scheme, Mapper: cluster.NewMapper()})
	if err != nil {
		return nil, err
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind)
	err = c.List(ctx, list)
	return list.Items, err
}
