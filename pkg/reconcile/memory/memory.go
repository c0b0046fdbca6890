// Package memory is what a process remembers from one reconcile to the next.
package memory

import "sync"

// Of remembers a value for each of some keys. The zero Of remembers nothing yet. Methods may be called at the same time;
// none of them may be called from within the function that Update takes.
type Of[K comparable, V any] struct {
	mutex  sync.Mutex
	values map[K]V
}

// Get returns what is remembered for a key, and whether anything is.
func (m *Of[K, V]) Get(key K) (value V, known bool) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	value, known = m.values[key]
	return value, known
}

// Put remembers a value for a key instead of what was remembered for it.
func (m *Of[K, V]) Put(key K, value V) {
	m.Update(key, func(V, bool) (V, bool) { return value, true })
}

// Update remembers for a key what next returns. Next is given what is remembered, and whether anything is; it returns
// false to forget the key. Nobody else reads or writes in between.
func (m *Of[K, V]) Update(key K, next func(value V, known bool) (V, bool)) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	value, known := m.values[key]
	value, keep := next(value, known)
	switch {
	case !keep:
		delete(m.values, key)
	case m.values == nil:
		m.values = map[K]V{key: value}
	default:
		m.values[key] = value
	}
}

// Forget forgets a key.
func (m *Of[K, V]) Forget(key K) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	delete(m.values, key)
}

// Len returns how many keys something is remembered for.
func (m *Of[K, V]) Len() int {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return len(m.values)
}
