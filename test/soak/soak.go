// Package soak makes tests do more of what they repeat when somebody has the time: make soak sets a variable for that.
package soak

import (
	"os"
	"strconv"
	"testing"
)

// Variable is the environment's variable that says how many times as much tests do, a number; without it, once.
const Variable = "KUBECTL_FLUID_SOAK"

// Asked reports whether somebody has the time for all combinations.
func Asked() bool { return os.Getenv(Variable) != "" }

// Times returns how often a test does what it usually does n times, as with random cases.
func Times(t testing.TB, n int) int {
	t.Helper()
	text, set := os.LookupEnv(Variable)
	if !set {
		return n
	}
	factor, err := strconv.Atoi(text)
	if err != nil || factor < 1 {
		t.Fatalf("%s is %q: it must be a number from 1", Variable, text)
	}
	return n * factor
}
