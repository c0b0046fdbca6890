package plugin

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/test/cluster"
)

// shared is the control plane of all tests; starting one takes seconds.
var shared struct {
	once sync.Once
	dir  string
	c    *cluster.Cluster
	err  error
}

// startCluster returns a control plane with Fluid's CustomResourceDefinitions.
func startCluster(t *testing.T) *cluster.Cluster {
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
		if shared.c, shared.err = cluster.Start(ctx, cluster.Options{StateDir: shared.dir}); shared.err == nil {
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

// installDefinitions applies config/crd/bases and waits until the API server serves Datasets.
func installDefinitions(ctx context.Context, c *cluster.Cluster) error {
	config, err := c.RESTConfig()
	if err != nil {
		return err
	}
	admin, err := client.New(config, client.Options{})
	if err != nil {
		return err
	}
	files, err := filepath.Glob("../../config/crd/bases/*.yaml")
	if err != nil {
		return err
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		definition := &unstructured.Unstructured{}
		if err := utilyaml.Unmarshal(data, &definition.Object); err != nil {
			return err
		}
		if err := admin.Create(ctx, definition); err != nil {
			return err
		}
	}
	for {
		_, err := listAll(ctx, config, schema.GroupVersionKind{Group: "data.fluid.io", Version: "v1alpha1", Kind: "DatasetList"})
		if err == nil || !apierrors.IsNotFound(err) || ctx.Err() != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// listAll lists the objects of a kind in all namespaces.
func listAll(ctx context.Context, config *rest.Config, kind schema.GroupVersionKind) ([]unstructured.Unstructured, error) {
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	c, err := client.New(config, client.Options{Scheme: scheme, Mapper: newMapper()})
	if err != nil {
		return nil, err
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind)
	err = c.List(ctx, list)
	return list.Items, err
}
