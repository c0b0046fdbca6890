// Package alluxio serves Datasets with an AlluxioRuntime in clusters without Fluid's alluxioruntime-controller. Desired says,
// without a client or a clock, which objects they need; the Reconciler makes them true and keeps the statuses.
//
// The objects have the names and labels that Fluid v1.0.8 gives them, so that references, pods and people find what they know.
// Where they differ, differences_test.go lists how and why. Nothing runs in a pod by exec: Alluxio's mounts are made by Jobs.
package alluxio
