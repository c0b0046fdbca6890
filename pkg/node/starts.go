//go:build linux

package node

import "time"

// starts says how long to wait before a client is started. Kubelet waits itself before it starts a container again that
// ended by itself, but not if RestartAllContainers applied, as it does where a whole container was killed (Kubernetes
// 1.37). So what is delayed here is a container that was started, didn't say that it ends, and whose client never served.
type starts struct {
	abrupt int
	open   bool
}

// The delays of the first such starts; more wait as long as the last. The whole is less than a sidecar's hook waits.
func delays() []time.Duration {
	return []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, 60 * time.Second}
}

// started notes a start and returns its delay.
func (s *starts) started() time.Duration {
	if !s.open {
		s.abrupt, s.open = 0, true
		return 0
	}
	s.abrupt++
	return delays()[min(s.abrupt, len(delays()))-1]
}

// orderly notes that the container's end is one that kubelet delays, or that its client served.
func (s *starts) orderly() { s.open = false }
