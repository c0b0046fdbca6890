package output

import (
	"fmt"

	"github.com/aymanbagabas/go-udiff"
	"sigs.k8s.io/yaml"
)

// DiffYAML returns the unified diff of two JSON documents as YAML; empty if they say the same.
func DiffYAML(beforeName, afterName string, before, after []byte) (string, error) {
	old, err := yaml.JSONToYAML(before)
	if err != nil {
		return "", fmt.Errorf("writing YAML: %w", err)
	}
	now, err := yaml.JSONToYAML(after)
	if err != nil {
		return "", fmt.Errorf("writing YAML: %w", err)
	}
	return udiff.Unified(beforeName, afterName, string(old), string(now)), nil
}
