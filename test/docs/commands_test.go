// Package docs tests that what the documentation says can be done is what the tests do.
package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-fluid/kubectl-fluid/test/walkthrough"
)

const root = "../.."

// pages returns the pages that are written by hand.
func pages(t *testing.T) []string {
	t.Helper()
	var pages []string
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	if len(pages) < 8 {
		t.Fatalf("there are the pages %q only", pages)
	}
	return pages
}

// blocks returns the code blocks of a page.
func blocks(page string) []string {
	var blocks []string
	for i, part := range strings.Split("\n"+page, "\n```") {
		if i%2 == 1 {
			_, block, _ := strings.Cut(part, "\n")
			blocks = append(blocks, block)
		}
	}
	return blocks
}

// executed returns the commands that tests run on a real cluster.
func executed() []string {
	var commands []string
	e := &walkthrough.Environment{Node: true}
	for _, step := range append(e.Prepare(), walkthrough.Data()) {
		for _, command := range step.Commands {
			commands = append(commands, strings.Join(command, " "))
		}
	}
	before, after := walkthrough.RemoveData()
	return slices.Concat(commands, walkthrough.Install(), walkthrough.Restart(), walkthrough.Remove(), before, after,
		walkthrough.Look(), walkthrough.Consent(), walkthrough.BesideFluid())
}

// TestEveryCommandIsExecuted: a command in a code block, after "$ ", is one that a test runs on a real cluster, or a
// target of the makefile. Commands aren't written otherwise.
func TestEveryCommandIsExecuted(t *testing.T) {
	known := executed()
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range blocks(string(text)) {
			for line := range strings.Lines(block) {
				line = strings.TrimSpace(line)
				command, isCommand := strings.CutPrefix(line, "$ ")
				command, _, _ = strings.Cut(command, "   #")
				command = strings.TrimSpace(command)
				if !isCommand {
					if regexp.MustCompile(`^(kubectl|make|docker|helm|go|git|cd) `).MatchString(line) {
						t.Errorf("%s: the command %q isn't marked with \"$ \"", page, line)
					}
					continue
				}
				found++
				if target, isMake := strings.CutPrefix(command, "make "); isMake {
					if name, _, _ := strings.Cut(target, " "); !strings.Contains(string(makefile), "\n"+name+":") {
						t.Errorf("%s: the makefile has no target %s", page, name)
					}
				} else if !slices.Contains(known, command) {
					t.Errorf("%s: no test runs %q", page, command)
				}
			}
		}
	}
	if found < 30 {
		t.Errorf("only %d commands were found", found)
	}
}

// TestBothReadmesHaveTheSameCommands: what they show is the same in both languages.
func TestBothReadmesHaveTheSameCommands(t *testing.T) {
	var commands [2][]string
	for i, name := range []string{"README.md", "README.zh-CN.md"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range blocks(string(text)) {
			for line := range strings.Lines(block) {
				// What follows is a remark, in the language of the page.
				command, _, _ := strings.Cut(line, "   #")
				commands[i] = append(commands[i], strings.TrimSpace(command))
			}
		}
	}
	if !slices.Equal(commands[0], commands[1]) {
		t.Errorf("README.md shows\n%s\nREADME.zh-CN.md shows\n%s", strings.Join(commands[0], "\n"), strings.Join(commands[1], "\n"))
	}
}

// TestLinksLeadSomewhere follows the links between pages, and to files of the source tree.
func TestLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#]*)(#[^)]*)?\)`)
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range link.FindAllStringSubmatch(string(text), -1) {
			target, anchor := match[1], strings.TrimPrefix(match[2], "#")
			if strings.Contains(target, "://") {
				continue
			}
			file := page
			if target != "" {
				file = filepath.Join(filepath.Dir(page), target)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: %v", page, err)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(t, file), anchor) {
				t.Errorf("%s: %s has no heading #%s", page, file, anchor)
			}
		}
	}
}

// anchors returns the anchors of a page's headings, as GitHub makes them.
func anchors(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var anchors []string
	for line := range strings.Lines(string(text)) {
		if heading := strings.TrimLeft(line, "#"); heading != line {
			heading = strings.ToLower(strings.TrimSpace(heading))
			heading = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(heading, "")
			anchors = append(anchors, strings.ReplaceAll(heading, " ", "-"))
		}
	}
	return anchors
}
