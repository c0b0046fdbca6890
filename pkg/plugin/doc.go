// Package plugin holds the commands of kubectl fluid.
//
// A command is made of flags, which become options (plain data), which are validated without a cluster and then run.
// Streams, clock and the connection to the cluster come from outside, in an Environment; there are no package-level
// variables. What a command decides, it decides in package reference, as the controller and the webhook do.
package plugin
