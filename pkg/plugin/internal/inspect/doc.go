// Package inspect holds the commands inspect sidecar and inspect dataset.
package inspect
