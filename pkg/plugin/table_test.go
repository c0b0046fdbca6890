package plugin

import (
	"bytes"
	"testing"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

func TestTable(t *testing.T) {
	table := newTable("NAME", "UP-TO.DATE", "MESSAGE")
	table.add("a", "1", "x")
	table.add("数据集", "22", "")
	table.add("  indented", "a\tb\nc", "\x1b[31mred\x1b[0m \u202eevil")
	var out bytes.Buffer
	if err := table.print(plain(&out, reference.English)); err != nil {
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
	table := newTable()
	table.add("a", "b")
	var out bytes.Buffer
	if err := table.print(plain(&out, reference.English)); err != nil || out.String() != "a   b\n" {
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
		if got := line(text); got != want {
			t.Errorf("line(%q) = %q, want %q", text, got, want)
		}
	}
	if got := multiline("a\nb\x1b"); got != "a\nb\\x1b" {
		t.Errorf("multiline: %q", got)
	}
}
