// Package reconcile makes true in a cluster what other packages decide: a reference's Plan, the list of references that
// a physical Dataset knows, and the objects of a ThinRuntime.
//
// Everything is driven by events; a reconcile that changes nothing writes nothing. Objects are never PUT: what this
// package owns of an object is patched, so that fields which this build doesn't know survive.
package reconcile
