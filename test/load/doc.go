// Package load tests and measures the controller on a real control plane under load. It measures how fast many references
// become Bound, beside how fast the same cluster takes the same writes from a client that does nothing else, and what an
// admission costs. It tests that no pod is refused while replicas die, and what happens beside other webhooks.
package load
