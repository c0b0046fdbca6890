// Package manifests renders what is applied to a cluster from the kustomizations in config: plain manifests, and a Helm
// chart that is made of the same.
package manifests

import (
	"fmt"
	"path/filepath"
	"strings"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// developmentImage is the image in config, of the controller and the node plugin.
const developmentImage = "image: kubectl-fluid/controller:latest\n"

// Render renders a kustomization below config, as kubectl kustomize does, with the image replaced by its full
// name.
func Render(source, kustomization, image string) (string, error) {
	directory := filepath.Join(source, "config", kustomization)
	rendered, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), directory)
	if err != nil {
		return "", fmt.Errorf("rendering %s: %w", directory, err)
	}
	data, err := rendered.AsYaml()
	if err != nil {
		return "", fmt.Errorf("rendering %s: %w", directory, err)
	}
	text := string(data)
	if n := strings.Count(text, "kubectl-fluid/controller:"); n != strings.Count(text, developmentImage) {
		return "", fmt.Errorf("rendering %s: the image is there %d times, and not always as %q", directory, n, developmentImage)
	}
	return strings.ReplaceAll(text, developmentImage, "image: "+image+"\n"), nil
}
