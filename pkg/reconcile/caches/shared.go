package caches

import (
	"encoding/json"
	"hash/maphash"
	"reflect"
	"sync"
)

// sharedMost is how many values a generation of shared has: some for each of ten thousand references.
const sharedMost = 1 << 15

// The package unique of the standard library doesn't do for this: it forgets a value once nobody has its handle, and the API's
// types have strings, not handles. After each garbage collection an equal string would be another one.

// shared returns for equal values the same one, so that thousands of cached objects hold it only once. The values must
// never be changed. It forgets what it hasn't seen for a while: then equal values merely aren't the same.
type shared[T any] struct {
	mutex    sync.Mutex
	seed     maphash.Seed
	now, old map[uint64]T
}

// of returns the value that is shared by all equal ones; zero values as they are.
func (s *shared[T]) of(value T) T {
	if reflect.ValueOf(value).IsZero() {
		return value
	}
	text, err := json.Marshal(value) // sorts maps
	if err != nil {
		return value
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.now == nil {
		s.seed, s.now = maphash.MakeSeed(), map[uint64]T{}
	}
	hash := maphash.Bytes(s.seed, text)
	known, ok := s.now[hash]
	if !ok {
		known, ok = s.old[hash]
		if !ok || !reflect.DeepEqual(known, value) {
			known = value
		}
		if len(s.now) >= sharedMost {
			s.now, s.old = map[uint64]T{}, s.now
		}
		s.now[hash] = known
	}
	if !reflect.DeepEqual(known, value) {
		return value
	}
	return known
}
