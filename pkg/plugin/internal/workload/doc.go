// Package workload says what pods, and the workloads that make them, have to do with Datasets: the claims they use and
// the sidecars they have.
package workload
