// Package manifest changes objects in YAML text and leaves the rest of the text as it is: comments, order, blank lines
// and the way that values are written.
package manifest
