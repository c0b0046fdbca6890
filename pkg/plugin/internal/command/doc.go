// Package command holds what every command of kubectl fluid gets from outside (the Environment) and gives back (errors
// with exit codes), how arguments are checked, and which build this is.
package command
