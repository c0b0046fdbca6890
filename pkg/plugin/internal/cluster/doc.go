// Package cluster is what commands read and write: the API server, manifests, or the API server as it will be once the
// manifests have been applied.
package cluster
