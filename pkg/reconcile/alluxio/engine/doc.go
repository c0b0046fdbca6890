// Package engine says for a Dataset with an AlluxioRuntime which objects it needs, what to do next, and what the statuses say.
// It is pure, without a client or a clock: package alluxio observes, does what was decided, and keeps the statuses.
//
// The objects have the names and labels that Fluid v1.0.8 gives them, so that references, pods and people find what they know.
// Where they differ, differences_test.go lists how and why. Nothing runs in a pod by exec: Alluxio's mounts are made by Jobs.
package engine
