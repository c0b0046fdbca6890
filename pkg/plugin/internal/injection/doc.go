// Package injection holds the command inject, which gives manifests their sidecars.
package injection
