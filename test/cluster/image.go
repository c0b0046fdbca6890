package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"sigs.k8s.io/yaml"
)

// Image describes a container image that is put together from Debian packages
// and files, without a container engine.
type Image struct {
	// Name is the full reference that the image gets, as in docker.io/library/nginx:latest.
	Name string `json:"name"`
	// Archive is where the image is if it is built already, as an archive that
	// says its name: nothing else is needed then.
	Archive string `json:"-"`
	// Packages are Debian packages: the image has their files, without
	// documentation, and the shared libraries that any of its programs needs.
	// Their maintainer scripts are not run. With busybox-static, the image has
	// links to busybox for all its applets that no other package provides; with
	// ca-certificates, it has the usual bundle of them.
	Packages []string `json:"packages,omitempty"`
	// Maven is a project whose result the image has.
	Maven *Maven `json:"maven,omitempty"`
	// Files are added after the packages, by their absolute path in the image.
	Files map[string]File `json:"files,omitempty"`
	// Links are symbolic links: absolute path in the image to target.
	Links map[string]string `json:"links,omitempty"`
	// Entrypoint, Cmd and Env are as in a Dockerfile; Env in the form NAME=value.
	Entrypoint []string `json:"entrypoint,omitempty"`
	Cmd        []string `json:"cmd,omitempty"`
	Env        []string `json:"env,omitempty"`
}

// File is a file of an image.
type File struct {
	// Source is the path of the file on this machine. In an image.yaml it is
	// relative to the directory of that file.
	Source string `json:"source,omitempty"`
	// Content is the file's content where there is no Source.
	Content string `json:"content,omitempty"`
	// Executable makes the mode 0755 instead of 0644.
	Executable bool `json:"executable,omitempty"`
}

// ExampleImage returns the image of examples/images/<name> in the source tree.
func ExampleImage(name string) (Image, error) {
	root, err := SourceRoot()
	if err != nil {
		return Image{}, err
	}
	return LoadImage(filepath.Join(root, "examples", "images", name))
}

// LoadImage reads the image that image.yaml in a directory describes.
func LoadImage(dir string) (Image, error) {
	path := filepath.Join(dir, "image.yaml")
	data, err := os.ReadFile(path)
	if err != nil {
		return Image{}, fmt.Errorf("read the description of an image: %w", err)
	}
	var image Image
	if err := yaml.UnmarshalStrict(data, &image); err != nil {
		return Image{}, fmt.Errorf("read the description of an image from %s: %w", path, err)
	}
	for name, file := range image.Files {
		if file.Source != "" && !filepath.IsAbs(file.Source) {
			file.Source = filepath.Join(dir, file.Source)
			image.Files[name] = file
		}
	}
	if image.Maven != nil && !filepath.IsAbs(image.Maven.Project) {
		image.Maven.Project = filepath.Join(dir, image.Maven.Project)
	}
	return image, nil
}

// EnsureImages builds images that are not in the cache yet. Start does this too; on its own it takes a first build, which may
// download for minutes, out of a test with a timeout. It needs what a node needs.
func EnsureImages(ctx context.Context, out io.Writer, images ...Image) error {
	if err := nodeSupported(); err != nil {
		return err
	}
	for _, image := range images {
		if _, err := buildImage(ctx, image, "", out); err != nil {
			return fmt.Errorf("build the image %s: %w", image.Name, err)
		}
	}
	return nil
}

// imageArchive returns the path of a docker-archive of the image, which it
// builds unless the cache has one of the same contents and package versions.
// An image of files alone is quickly built and, where they are programs of this
// project, often another: it goes to the directory own instead of the cache.
func imageArchive(ctx context.Context, image Image, own string, out io.Writer) (string, error) {
	if image.Archive != "" {
		return image.Archive, nil
	}
	archive, err := buildImage(ctx, image, own, out)
	if err != nil {
		return "", fmt.Errorf("build the image %s: %w", image.Name, err)
	}
	return archive, nil
}

func buildImage(ctx context.Context, image Image, own string, out io.Writer) (string, error) {
	files, err := image.readFiles()
	if err != nil {
		return "", err
	}
	debs, err := resolvePackages(ctx, image.Packages)
	if err != nil {
		return "", err
	}
	keyed, err := image.keyedFiles(files)
	if err != nil {
		return "", err
	}
	key, err := image.key(keyed, debs)
	if err != nil {
		return "", err
	}
	cache := own
	if len(image.Packages) > 0 {
		if cache, err = cacheDir("images"); err != nil {
			return "", err
		}
	}
	if err = os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("create the cache of images: %w", err)
	}
	archive := filepath.Join(cache, key+".tar")
	if _, err = os.Stat(archive); !errors.Is(err, fs.ErrNotExist) {
		return archive, err
	}
	unlock, err := lockFile(ctx, filepath.Join(cache, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err = os.Stat(archive); !errors.Is(err, fs.ErrNotExist) {
		return archive, err
	}
	fmt.Fprintf(out, "Building the image %s ...\n", image.Name)
	started := time.Now()
	work, err := os.MkdirTemp(cache, "build-")
	if err != nil {
		return "", fmt.Errorf("create a working directory: %w", err)
	}
	defer os.RemoveAll(work)
	root, err := image.rootfs(ctx, work, files, len(debs) > 0)
	if err != nil {
		return "", err
	}
	if err := root.addMaven(ctx, work, image.Maven, out); err != nil {
		return "", err
	}
	tmp := filepath.Join(work, "image.tar")
	if err := writeArchive(tmp, image, root); err != nil {
		return "", err
	}
	if err := os.Rename(tmp, archive); err != nil {
		return "", fmt.Errorf("put the built image in place: %w", err)
	}
	fmt.Fprintf(out, "Built the image %s in %s.\n", image.Name, since(started))
	return archive, nil
}

// readFiles returns the contents of the image's Files.
func (i Image) readFiles() (map[string][]byte, error) {
	files := make(map[string][]byte, len(i.Files))
	for name, file := range i.Files {
		if !filepath.IsAbs(name) {
			return nil, fmt.Errorf("the file %q has no absolute path in the image", name)
		}
		if file.Source == "" {
			files[name] = []byte(file.Content)
			continue
		}
		data, err := os.ReadFile(file.Source)
		if err != nil {
			return nil, fmt.Errorf("read the file %s of the image: %w", name, err)
		}
		files[name] = data
	}
	return files, nil
}

// keyedFiles returns all files that the image depends on: files, which readFiles returned, and the Maven project's.
func (i Image) keyedFiles(files map[string][]byte) (map[string][]byte, error) {
	if i.Maven == nil {
		return files, nil
	}
	project, err := i.Maven.files()
	if err != nil {
		return nil, err
	}
	keyed := maps.Clone(files)
	for name, data := range project {
		keyed["maven/"+name] = data
	}
	return keyed, nil
}

// key identifies the image by all that goes into it.
func (i Image) key(files map[string][]byte, debs []string) (string, error) {
	// The version of how images are put together; change it with rootfs.go.
	const builder = "1"
	description := i
	if i.Maven != nil {
		description.Maven = &Maven{Target: i.Maven.Target}
	}
	description.Files = make(map[string]File, len(i.Files))
	for name, file := range i.Files {
		// By content, not by where it is on this machine.
		description.Files[name] = File{Executable: file.Executable}
	}
	// Maps are encoded sorted by their keys, and bytes in base64.
	data, err := json.Marshal([]any{builder, runtime.GOARCH, description, files, debs})
	if err != nil {
		return "", fmt.Errorf("encode the description of the image: %w", err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(data))[:24], nil
}
