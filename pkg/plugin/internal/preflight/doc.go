// Package preflight finds out everything that is known about a reference before it is created or used.
package preflight
