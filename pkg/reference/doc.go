// Package reference is the model of reference Datasets: what dataset://namespace/name means, which objects a reference
// needs, and everything that stands in its way.
//
// The data flows one way: an observer (package observe, or a test) fills a World, NewPlan turns it into a Plan, and
// somebody else prints the Plan, applies it, or injects its Sidecar. Nothing in this package talks to a cluster, reads a
// clock or draws a random number, so the plugin, the controller and the webhook cannot disagree.
package reference
