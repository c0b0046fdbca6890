package walkthrough

import (
	"os"
	"strings"
	"testing"
)

// TestReadmeShowsTheWalkThrough: what the README lets a user type is what the demo and the end-to-end tests type.
func TestReadmeShowsTheWalkThrough(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	e := &Environment{Node: true}
	rest := string(readme)
	for _, step := range append(e.Prepare(), Data()) {
		for _, text := range append([]string{"**" + step.Title + "**"}, lines(step.Commands)...) {
			_, after, found := strings.Cut(rest, text+"\n")
			if !found {
				t.Fatalf("the README doesn't have, or not in this order: %s", text)
			}
			rest = after
		}
	}
}

func lines(commands [][]string) []string {
	var lines []string
	for _, command := range commands {
		lines = append(lines, "$ "+strings.Join(command, " "))
	}
	return lines
}
