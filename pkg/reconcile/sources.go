package reconcile

import (
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// Bounds of what sources remembers: of one object and of all, in bytes of text, and how many.
const (
	sourceSize  = 64 << 10
	sourcesSize = 1 << 20
	sourcesMost = 1 << 10
)

// sources remembers the contents of the ConfigMaps that were mirrored last, which many references that are made at once
// have in common. Secrets are never kept. The contents mustn't be changed.
type sources struct {
	mutex    sync.Mutex
	contents map[finding.Object]*unstructured.Unstructured
	// size is that of all contents that were kept, at least.
	size int
}

// get returns the contents of an object in the state that its metadata shows, or nil.
func (s *sources) get(object finding.Object, state metav1.Object) *unstructured.Unstructured {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	content := s.contents[object]
	if content == nil || reference.SourceVersion(content) != reference.SourceVersion(state) {
		return nil
	}
	return content
}

// keep remembers contents unless they are large.
func (s *sources) keep(object finding.Object, content *unstructured.Unstructured) {
	large := size(content.Object)
	if object.Kind != "ConfigMap" || large > sourceSize {
		return
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.contents == nil || s.size+large > sourcesSize || len(s.contents) >= sourcesMost {
		s.contents, s.size = map[finding.Object]*unstructured.Unstructured{}, 0
	}
	s.contents[object], s.size = content, s.size+large
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
