package terminal

import (
	"bytes"
	"strings"
	"testing"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

func TestTable(t *testing.T) {
	table := NewTable("NAME", "UP-TO.DATE", "MESSAGE")
	table.Add("a", "1", "x")
	table.Add("数据集", "22", "")
	table.Add("  indented", "a\tb\nc", "\x1b[31mred\x1b[0m \u202eevil")
	var out bytes.Buffer
	if err := table.Print(Plain(&out, finding.English)); err != nil {
		t.Fatal(err)
	}
	want := "NAME         UP-TO.DATE   MESSAGE\n" +
		"a            1            x\n" +
		"数据集       22\n" +
		`  indented   a\tb\nc      \x1b[31mred\x1b[0m \u202eevil` + "\n"
	if out.String() != want {
		t.Errorf("got:\n%s\nwant:\n%s", out.String(), want)
	}
}

func TestTableWithoutHeader(t *testing.T) {
	table := NewTable()
	table.Add("a", "b")
	var out bytes.Buffer
	if err := table.Print(Plain(&out, finding.English)); err != nil || out.String() != "a   b\n" {
		t.Errorf("%v: %q", err, out.String())
	}
}

func TestNeutralise(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "",
		"plain text, 数据, é":      "plain text, 数据, é",
		"a\nb":                   `a\nb`,
		"\r\x00\x7f\u0085\u009b": `\r\x00\x7f\u0085\u009b`,
		"\u2066a\u2069":          `\u2066a\u2069`,
		"bad \xff utf-8":         "bad \ufffd utf-8",
	} {
		if got := Line(text); got != want {
			t.Errorf("line(%q) = %q, want %q", text, got, want)
		}
	}
	if got := Multiline("a\nb\x1b"); got != "a\nb\\x1b" {
		t.Errorf("multiline: %q", got)
	}
}

// TestTablesFitTheTerminal: on a terminal of 80 columns no line is longer, whatever the cells are, and nothing is lost. A
// table that can't be so narrow becomes lists.
func TestTablesFitTheTerminal(t *testing.T) {
	long := "fuse.alluxio-fuse-default-check-mount"
	many := []string{"CONTAINER", "MODE", "DATASET", "READY", "STARTED", "RESTARTS", "STATE", "LAST EXIT", "MOUNT CHECK", "IMAGE"}
	for name, test := range map[string]struct {
		header, row []string
		lists       bool
	}{
		"narrow":          {[]string{"NAME", "AGE"}, []string{"a", "1s"}, false},
		"a long message":  {[]string{"RESULT", "OBJECT", "MESSAGE"}, []string{"error", "ConfigMap ref/a", strings.Repeat("words and words ", 20)}, false},
		"names":           {[]string{"KIND", "NAME", "SOURCE", "STATE", "HELD BY"}, []string{"ConfigMap", long, "script of Fluid's webhook", "TAKEN", strings.Repeat("x", 90)}, false},
		"Chinese":         {[]string{"RESULT", "OBJECT", "MESSAGE"}, []string{"error", strings.Repeat("数据", 40), strings.Repeat("副本需要的名称已被占用", 9)}, false},
		"one long word":   {[]string{"NAME", "MESSAGE"}, []string{strings.Repeat("y", 100), strings.Repeat("z", 100)}, false},
		"too many to fit": {many, []string{"fluid-fuse-0", "native", "reference/refdemo", "true", "true", "0", "Running", "<none>", "passed", "example/" + long + ":latest"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			table := NewTable(test.header...)
			table.Add(test.row...)
			var out bytes.Buffer
			if err := table.Print(Screen{Writer: &out, Width: 80, Language: finding.English}); err != nil {
				t.Fatal(err)
			}
			var text strings.Builder
			for line := range strings.Lines(out.String()) {
				if line = strings.TrimSuffix(line, "\n"); DisplayWidth(line) > 80 || strings.TrimRight(line, " ") != line {
					t.Errorf("%d columns: %q", DisplayWidth(line), line)
				}
				text.WriteString(line)
			}
			for _, cell := range test.row {
				for _, r := range cell {
					if strings.Count(text.String(), string(r)) < strings.Count(cell, string(r)) && r != ' ' {
						t.Errorf("some of %q is lost:\n%s", cell, out.String())
						break
					}
				}
			}
			if lists := strings.HasPrefix(out.String(), test.header[0]+":"); lists != test.lists {
				t.Errorf("lists: %t:\n%s", lists, out.String())
			}
		})
	}
}

// TestTreesAreNotBroken: a branch stays on its line.
func TestTreesAreNotBroken(t *testing.T) {
	table := NewTable("OBJECT", "STATE")
	table.Tree = true
	branch := "    └── PersistentVolumeClaim namespace/" + strings.Repeat("long-name-", 5)
	table.Add(branch, "a state of several words that is wrapped")
	var out bytes.Buffer
	if err := table.Print(Screen{Writer: &out, Width: 80, Language: finding.English}); err != nil || !strings.Contains(out.String(), branch) {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// TestWordsBreakWhereTheirPartsEnd: names and reasons stay readable, and Chinese breaks anywhere.
func TestWordsBreakWhereTheirPartsEnd(t *testing.T) {
	for text, want := range map[string]string{
		"False (PhysicalDatasetMissing)":        "False|(PhysicalDataset|Missing)",
		"fuse.alluxio-fuse-default-check-mount": "fuse.alluxio-fuse-|default-check-|mount",
		"kubectl-fluid-controller":              "kubectl-fluid-|controller",
		"averyveryverylongnamewithoutparts":     "averyveryverylongn|amewithoutparts",
		"副本需要的名称已被占用":                           "副本需要的名称已被|占用",
		"a b":                                   "a b",
		"":                                      "",
	} {
		if got := strings.Join(wrap(text, 18), "|"); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
