// Package terminal writes text for people: tables, wrapped lines, colours, and no escape sequences of the cluster.
package terminal
