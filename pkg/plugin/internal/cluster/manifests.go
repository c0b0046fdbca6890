package cluster

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
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
)

// ManifestFlags say which manifests to read, and whether there is a cluster beside them.
type ManifestFlags struct {
	Filenames []string
	// kustomization is a directory that kubectl kustomize builds; empty for none.
	kustomization string
	recursive     bool
	Offline       bool
}

// Add gives a command the flags.
func (f *ManifestFlags) Add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVarP(&f.Filenames, "filename", "f", nil, "Files or directories of manifests, or - for stdin: their objects count as if they had been applied.")
	flags.StringVarP(&f.kustomization, "kustomize", "k", "", "A directory with a kustomization, which is built as kubectl kustomize does it; what is remote in it isn't fetched.")
	_ = cmd.MarkFlagDirname("kustomize")
	flags.BoolVarP(&f.recursive, "recursive", "R", false, "Read the directories below those of -f too.")
	flags.BoolVar(&f.Offline, "offline", false, "Ask no cluster: what the manifests don't have doesn't exist.")
}

// Given reports whether there are manifests to read.
func (f *ManifestFlags) Given() bool { return len(f.Filenames) > 0 || f.kustomization != "" }

// Validate returns an error of usage if the flags contradict each other, or name what isn't read.
func (f *ManifestFlags) Validate(cmd *cobra.Command) error {
	switch {
	case f.Offline && !f.Given():
		return command.Usagef(cmd, "--offline needs manifests: -f FILE or -k DIRECTORY")
	case f.recursive && len(f.Filenames) == 0:
		return command.Usagef(cmd, "--recursive needs manifests: -f DIRECTORY")
	case strings.Contains(f.kustomization, "://"):
		return command.Usagef(cmd, "-k %s: only directories are read; nothing but the API server is asked over the network: kubectl kustomize %s | %s -f -",
			f.kustomization, f.kustomization, cmd.CommandPath())
	}
	stdin := 0
	for _, name := range f.Filenames {
		if strings.Contains(name, "://") {
			return command.Usagef(cmd, "-f %s: only files are read; nothing but the API server is asked over the network: curl -L %s | %s -f -", name, name, cmd.CommandPath())
		}
		if name == "-" {
			stdin++
		}
	}
	if stdin > 1 {
		return command.Usagef(cmd, "-f - can be given only once")
	}
	return nil
}

// manifestObject is an object of a manifest.
type manifestObject struct {
	*unstructured.Unstructured
	// File is where it is from.
	File string
}

// ManifestText is the text of one file.
type ManifestText struct {
	// Name is that of the file, as a person is told.
	Name string
	Data []byte
}

// Texts reads the manifests in the order of the flags, a kustomization last.
func (f *ManifestFlags) Texts(ctx context.Context, env command.Environment) ([]ManifestText, error) {
	var texts []ManifestText
	for _, name := range f.Filenames {
		files, err := f.files(name)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			text, err := readManifest(ctx, env.In, file)
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
		texts = append(texts, ManifestText{f.kustomization, data})
	}
	return texts, nil
}

func readManifest(ctx context.Context, stdin io.Reader, file string) (ManifestText, error) {
	if file == "-" {
		data, err := command.Await(ctx, func() ([]byte, error) { return io.ReadAll(stdin) })
		return ManifestText{"stdin", data}, err
	}
	data, err := os.ReadFile(file)
	return ManifestText{file, data}, err
}

// objectsOf returns the objects of manifests in their order. Those without a namespace are in namespace, unless their kind
// has none.
func objectsOf(texts []ManifestText, namespace string) ([]manifestObject, error) {
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
func (f *ManifestFlags) files(name string) ([]string, error) {
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
func (t ManifestText) objects() ([]manifestObject, error) {
	var objects []manifestObject
	for i, document := range manifest.Split(t.Data) {
		content, err := manifest.JSON(document)
		if err == nil && content == nil {
			continue
		}
		var found []manifestObject
		if err == nil {
			found, err = decodeManifest(content, t.Name)
		}
		if err != nil {
			return nil, fmt.Errorf("reading manifests: %s, document %d: %w", t.Name, i+1, err)
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
	mapping, err := NewMapper().RESTMapping(kind.GroupKind(), kind.Version)
	return err == nil && mapping.Scope.Name() == meta.RESTScopeNameRoot
}
