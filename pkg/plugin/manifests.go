package plugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/manifest"
)

// manifestFlags say which manifests to read, and whether there is a cluster beside them.
type manifestFlags struct {
	filenames []string
	recursive bool
	offline   bool
}

func (f *manifestFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVarP(&f.filenames, "filename", "f", nil, "Files or directories of manifests, or - for stdin: their objects count as if they had been applied.")
	flags.BoolVarP(&f.recursive, "recursive", "R", false, "Read the directories below those of -f too.")
	flags.BoolVar(&f.offline, "offline", false, "Ask no cluster: what the manifests of -f don't have doesn't exist.")
}

func (f *manifestFlags) validate(cmd *cobra.Command) error {
	if len(f.filenames) == 0 && (f.offline || f.recursive) {
		return usagef(cmd, "--offline and --recursive need manifests: -f FILE")
	}
	stdin := 0
	for _, name := range f.filenames {
		if strings.Contains(name, "://") {
			return usagef(cmd, "-f %s: only files are read; nothing but the API server is asked over the network: curl -L %s | %s -f -", name, name, cmd.CommandPath())
		}
		if name == "-" {
			stdin++
		}
	}
	if stdin > 1 {
		return usagef(cmd, "-f - can be given only once")
	}
	return nil
}

// manifestObject is an object of a manifest.
type manifestObject struct {
	*unstructured.Unstructured
	// file is where it is from.
	file string
}

// read reads the manifests in the order of the flags. Objects without a namespace are in namespace, unless their kind
// has none.
func (f *manifestFlags) read(stdin io.Reader, namespace string) ([]manifestObject, error) {
	var objects []manifestObject
	for _, name := range f.filenames {
		files, err := f.files(name)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			found, err := readManifests(stdin, file)
			if err != nil {
				return nil, err
			}
			objects = append(objects, found...)
		}
	}
	for _, object := range objects {
		switch root := clusterScoped(object.GroupVersionKind()); {
		case root:
			object.SetNamespace("")
		case object.GetNamespace() == "":
			object.SetNamespace(namespace)
		}
	}
	return objects, nil
}

// files returns the files of one -f: itself, or what kubectl would take from a directory.
func (f *manifestFlags) files(name string) ([]string, error) {
	if name == "-" {
		return []string{name}, nil
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("reading manifests: %w", err)
	}
	if !info.IsDir() {
		return []string{name}, nil
	}
	var files []string
	err = filepath.WalkDir(name, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != name && !f.recursive:
			return fs.SkipDir
		case entry.IsDir():
		case slices.Contains([]string{"kustomization.yaml", "kustomization.yml", "Kustomization"}, entry.Name()):
			return fmt.Errorf("%s is a kustomization: kubectl kustomize %s builds it, and -f - reads the result", filepath.Dir(path), filepath.Dir(path))
		case slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path)):
			files = append(files, path)
		}
		return nil
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s has no file that ends in .yaml, .yml or .json", name)
	}
	if err != nil {
		return nil, fmt.Errorf("reading manifests: %w", err)
	}
	return files, nil
}

// readManifests reads the objects of one file, those of Lists too.
func readManifests(stdin io.Reader, file string) ([]manifestObject, error) {
	var data []byte
	var err error
	if file == "-" {
		data, err = io.ReadAll(stdin)
	} else {
		data, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, fmt.Errorf("reading manifests: %w", err)
	}
	shown := file
	if file == "-" {
		shown = "stdin"
	}
	var objects []manifestObject
	for i, document := range manifest.Split(data) {
		content, err := manifest.JSON(document)
		if err == nil && content == nil {
			continue
		}
		var found []manifestObject
		if err == nil {
			found, err = decodeManifest(content, shown)
		}
		if err != nil {
			return nil, fmt.Errorf("reading manifests: %s, document %d: %w", shown, i+1, err)
		}
		objects = append(objects, found...)
	}
	return objects, nil
}

func decodeManifest(content []byte, file string) ([]manifestObject, error) {
	object := &unstructured.Unstructured{}
	if err := json.Unmarshal(content, &object.Object); err != nil {
		return nil, errors.New("it isn't an object")
	}
	if object.GetKind() == "" || object.GetAPIVersion() == "" {
		return nil, errors.New("it isn't an object of Kubernetes: it has no apiVersion and kind")
	}
	items, isList := object.Object["items"].([]any)
	if !isList || !strings.HasSuffix(object.GetKind(), "List") {
		if object.GetName() == "" && object.GetGenerateName() == "" {
			return nil, fmt.Errorf("the %s has no name", object.GetKind())
		}
		return []manifestObject{{object, file}}, nil
	}
	var objects []manifestObject
	for i, item := range items {
		data, err := json.Marshal(item)
		if err != nil {
			return nil, err
		}
		found, err := decodeManifest(data, file)
		if err != nil {
			return nil, fmt.Errorf("item %d: %w", i+1, err)
		}
		objects = append(objects, found...)
	}
	return objects, nil
}

// clusterScoped reports whether a kind has no namespace. Kinds that aren't known here have one: nothing asks for them.
func clusterScoped(kind schema.GroupVersionKind) bool {
	mapping, err := newMapper().RESTMapping(kind.GroupKind(), kind.Version)
	return err == nil && mapping.Scope.Name() == meta.RESTScopeNameRoot
}
