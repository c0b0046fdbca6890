// Package inject makes a pod that uses Datasets run their FUSE clients as native sidecars.
//
// The engine is pure: ReadPod takes from a pod's JSON what matters, Patch turns that and the sidecars into a JSON patch.
// The patch is written by hand, on paths that the engine owns, with add and replace only: a pod is never decoded into a
// typed Pod and encoded again, so fields that this build's Kubernetes doesn't know survive.
//
// The admission handlers around it read informer caches and write nothing.
package inject
