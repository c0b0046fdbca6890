// Package ref holds the commands ref.
package ref
