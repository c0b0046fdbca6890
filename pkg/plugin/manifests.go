package plugin

import (
	"context"
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
	// kustomization is a directory that kubectl kustomize builds; empty for none.
	kustomization string
	recursive     bool
	offline       bool
}

func (f *manifestFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVarP(&f.filenames, "filename", "f", nil, "Files or directories of manifests, or - for stdin: their objects count as if they had been applied.")
	flags.StringVarP(&f.kustomization, "kustomize", "k", "", "A directory with a kustomization, which is built as kubectl kustomize does it; what is remote in it isn't fetched.")
	_ = cmd.MarkFlagDirname("kustomize")
	flags.BoolVarP(&f.recursive, "recursive", "R", false, "Read the directories below those of -f too.")
	flags.BoolVar(&f.offline, "offline", false, "Ask no cluster: what the manifests don't have doesn't exist.")
}

// given reports whether there are manifests to read.
func (f *manifestFlags) given() bool { return len(f.filenames) > 0 || f.kustomization != "" }

func (f *manifestFlags) validate(cmd *cobra.Command) error {
	switch {
	case f.offline && !f.given():
		return usagef(cmd, "--offline needs manifests: -f FILE or -k DIRECTORY")
	case f.recursive && len(f.filenames) == 0:
		return usagef(cmd, "--recursive needs manifests: -f DIRECTORY")
	case strings.Contains(f.kustomization, "://"):
		return usagef(cmd, "-k %s: only directories are read; nothing but the API server is asked over the network: kubectl kustomize %s | %s -f -",
			f.kustomization, f.kustomization, cmd.CommandPath())
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

// manifestText is the text of one file.
type manifestText struct {
	// name is that of the file, as a person is told.
	name string
	data []byte
}

// texts reads the manifests in the order of the flags, a kustomization last.
func (f *manifestFlags) texts(ctx context.Context, env Environment) ([]manifestText, error) {
	var texts []manifestText
	for _, name := range f.filenames {
		files, err := f.files(name)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			text, err := readManifest(env.In, file)
			if err != nil {
				return nil, fmt.Errorf("reading manifests: %w", err)
			}
			texts = append(texts, text)
		}
	}
	if f.kustomization != "" {
		data, err := env.Kustomize(ctx, f.kustomization)
		if err != nil {
			return nil, fmt.Errorf("building the kustomization %s: %w", f.kustomization, err)
		}
		texts = append(texts, manifestText{f.kustomization, data})
	}
	return texts, nil
}

func readManifest(stdin io.Reader, file string) (manifestText, error) {
	if file == "-" {
		data, err := io.ReadAll(stdin)
		return manifestText{"stdin", data}, err
	}
	data, err := os.ReadFile(file)
	return manifestText{file, data}, err
}

// objectsOf returns the objects of manifests in their order. Those without a namespace are in namespace, unless their kind
// has none.
func objectsOf(texts []manifestText, namespace string) ([]manifestObject, error) {
	var objects []manifestObject
	for _, text := range texts {
		found, err := text.objects()
		if err != nil {
			return nil, err
		}
		objects = append(objects, found...)
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
			return fmt.Errorf("%s is a kustomization: give it with -k %s instead of -f", filepath.Dir(path), filepath.Dir(path))
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

// objects returns the objects of a file, those of Lists too.
func (t manifestText) objects() ([]manifestObject, error) {
	var objects []manifestObject
	for i, document := range manifest.Split(t.data) {
		content, err := manifest.JSON(document)
		if err == nil && content == nil {
			continue
		}
		var found []manifestObject
		if err == nil {
			found, err = decodeManifest(content, t.name)
		}
		if err != nil {
			return nil, fmt.Errorf("reading manifests: %s, document %d: %w", t.name, i+1, err)
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
