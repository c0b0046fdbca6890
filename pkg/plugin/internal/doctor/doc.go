// Package doctor holds the command doctor, which checks an installation.
package doctor
