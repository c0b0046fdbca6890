// Command crd completes the CRDs that controller-gen wrote: the schemas of Kubernetes' own types, which pods have too,
// preserve unknown fields as those of this project's types do, and leave their descriptions to Kubernetes.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"
)

func main() {
	if err := run("config/crd/bases"); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(directory string) error {
	files, err := filepath.Glob(filepath.Join(directory, "*.yaml"))
	if err != nil || len(files) == 0 {
		return errors.Join(err, fmt.Errorf("there are no CRDs in %s", directory))
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		crd := map[string]any{}
		if err = yaml.Unmarshal(text, &crd); err != nil {
			return fmt.Errorf("reading %s: %w", file, err)
		}
		complete(crd, false)
		if text, err = yaml.Marshal(crd); err != nil {
			return fmt.Errorf("writing %s: %w", file, err)
		}
		if err := os.WriteFile(file, append([]byte("---\n"), text...), 0o644); err != nil {
			return err
		}
	}
	return nil
}

const preserve = "x-kubernetes-preserve-unknown-fields"

// complete walks a tree. What is below a schema that doesn't preserve unknown fields is Kubernetes'.
func complete(node any, kubernetes bool) {
	switch node := node.(type) {
	case []any:
		for _, item := range node {
			complete(item, kubernetes)
		}
	case map[string]any:
		properties, isObject := node["properties"].(map[string]any)
		if isObject && node[preserve] != true {
			kubernetes = true
			node[preserve] = true
		}
		if kubernetes {
			delete(node, "description")
		}
		for name, child := range node {
			if name != "properties" {
				complete(child, kubernetes)
			}
		}
		for _, property := range properties { // one of which may be called description
			complete(property, kubernetes)
		}
	}
}
