// Package inject makes a pod that uses Datasets run their FUSE clients as sidecars.
//
// The engine is pure: ReadPod takes from a pod's JSON what matters, Compile makes sidecars ready, and Patch turns both
// into a JSON patch. Template does that for objects with a pod template, and lists of them.
//
// The patch is written by hand, on paths that the engine owns, with add and replace only: a pod is never decoded into a
// typed Pod and encoded again, so fields that this build's Kubernetes doesn't know survive.
//
// The admission handlers around it read informer caches and write nothing.
package inject
