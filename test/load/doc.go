// Package load measures the controller on a real control plane: how fast many references become Bound, beside how fast
// the same cluster takes the same writes from a client that does nothing else.
package load
