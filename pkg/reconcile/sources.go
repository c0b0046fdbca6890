package reconcile

import (
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// Bounds of what sources remembers: together at most a megabyte.
const (
	sourcesMost = 16
	sourceSize  = 64 << 10
)

// sources remembers the contents of the ConfigMaps that were mirrored last, which many references that are made at once
// have in common. Secrets are never kept. The contents mustn't be changed.
type sources struct {
	mutex    sync.Mutex
	contents map[reference.Object]*unstructured.Unstructured
}

// get returns the contents of an object in the state that its metadata shows, or nil.
func (s *sources) get(object reference.Object, state metav1.Object) *unstructured.Unstructured {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	content := s.contents[object]
	if content == nil || reference.SourceVersion(content) != reference.SourceVersion(state) {
		return nil
	}
	return content
}

// keep remembers contents unless they are large.
func (s *sources) keep(object reference.Object, content *unstructured.Unstructured) {
	if object.Kind != "ConfigMap" || size(content.Object) > sourceSize {
		return
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.contents == nil || len(s.contents) >= sourcesMost {
		s.contents = map[reference.Object]*unstructured.Unstructured{}
	}
	s.contents[object] = content
}

// size returns how long the texts in a value of JSON are.
func size(value any) int {
	sum := 0
	switch value := value.(type) {
	case string:
		sum = len(value)
	case map[string]any:
		for key, field := range value {
			sum += len(key) + size(field)
		}
	case []any:
		for _, item := range value {
			sum += size(item)
		}
	}
	return sum
}
