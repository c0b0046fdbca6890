// Package output prints what a command found in the format of -o, and says what the results of checks mean for the exit
// code.
package output
