// Package harness has what tests on real API servers share: waiting, and the project's CustomResourceDefinitions.
package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// interval is how often a condition is looked at.
const interval = 20 * time.Millisecond

// Await waits until check returns nil, and returns its last error if it doesn't in time.
func Await(within time.Duration, check func() error) error {
	for end := time.Now().Add(within); ; time.Sleep(interval) {
		err := check()
		if err == nil {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("not within %s: %w", within, err)
		}
	}
}

// Eventually is Await for a test, which fails with the last error.
func Eventually(t testing.TB, within time.Duration, check func() error) {
	t.Helper()
	if err := Await(within, check); err != nil {
		t.Fatal(err)
	}
}

// Root returns the directory of the project: the nearest one above the tests' that has its configuration.
func Root() (string, error) {
	directory, err := os.Getwd()
	for err == nil {
		if _, missing := os.Stat(filepath.Join(directory, "config", "crd", "bases")); missing == nil {
			return directory, nil
		}
		if directory == filepath.Dir(directory) {
			return "", errors.New("the tests aren't run within the project: no directory above has config/crd/bases")
		}
		directory = filepath.Dir(directory)
	}
	return "", err
}

// InstallCRDs creates the CustomResourceDefinitions that an installation has (config/crd), and those in more files, and
// returns when the API server serves them.
func InstallCRDs(ctx context.Context, c client.Client, more ...string) error {
	root, err := Root()
	if err != nil {
		return err
	}
	files, err := installedCRDs(filepath.Join(root, "config", "crd"))
	if err != nil {
		return err
	}
	var lists []schema.GroupVersionKind
	for _, file := range append(files, more...) {
		list, err := installCRD(ctx, c, file)
		if err != nil {
			return fmt.Errorf("creating the CRD in %s: %w", file, err)
		}
		lists = append(lists, list)
	}
	return Await(30*time.Second, func() error {
		for _, kind := range lists {
			list := &unstructured.UnstructuredList{}
			list.SetGroupVersionKind(kind)
			if err := c.List(ctx, list); err != nil {
				return err
			}
		}
		return nil
	})
}

// installedCRDs are the files that a kustomization names.
func installedCRDs(directory string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(directory, "kustomization.yaml"))
	if err != nil {
		return nil, err
	}
	var kustomization struct{ Resources []string }
	if err := yaml.Unmarshal(text, &kustomization); err != nil || len(kustomization.Resources) == 0 {
		return nil, errors.Join(err, fmt.Errorf("the kustomization in %s has no resources", directory))
	}
	for i, file := range kustomization.Resources {
		kustomization.Resources[i] = filepath.Join(directory, file)
	}
	return kustomization.Resources, nil
}

// installCRD creates the CustomResourceDefinition in a file and returns the kind of its lists in its first version.
func installCRD(ctx context.Context, c client.Client, file string) (schema.GroupVersionKind, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return schema.GroupVersionKind{}, err
	}
	crd := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(text, crd); err != nil {
		return schema.GroupVersionKind{}, err
	}
	var read struct {
		Spec struct {
			Group    string
			Names    struct{ ListKind string }
			Versions []struct{ Name string }
		}
	}
	if err := yaml.Unmarshal(text, &read); err != nil || len(read.Spec.Versions) == 0 {
		return schema.GroupVersionKind{}, errors.Join(err, errors.New("it has no versions"))
	}
	kind := schema.GroupVersionKind{Group: read.Spec.Group, Version: read.Spec.Versions[0].Name, Kind: read.Spec.Names.ListKind}
	return kind, c.Create(ctx, crd)
}
