// Package alluxio serves Datasets with an AlluxioRuntime in clusters without Fluid's alluxioruntime-controller. Package engine
// says, without a client or a clock, which objects they need and what to do next; the Reconciler makes it true and keeps the
// statuses.
package alluxio
