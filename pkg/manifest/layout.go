package manifest

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/aymanbagabas/go-udiff"
	yamlv3 "go.yaml.in/yaml/v3"
)

// text is a document taken apart: the body without the marks around it, and with plain line ends.
type text struct {
	head, body, tail string
	carriageReturns  bool
}

func newText(document []byte) text {
	t := text{carriageReturns: bytes.Contains(document, []byte("\r\n"))}
	rest := strings.ReplaceAll(string(document), "\r\n", "\n")
	// Directives and the line that opens the document.
	offset := 0
	for line := range strings.Lines(rest) {
		offset += len(line)
		if !marker([]byte(line), "---") {
			if strings.HasPrefix(line, "%") || strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
				continue
			}
			break
		}
		if content := strings.TrimSpace(line[len("---"):]); content == "" || strings.HasPrefix(content, "#") {
			t.head, rest = rest[:offset], rest[offset:]
		} else {
			t.head, rest = rest[:offset-len(line)]+"---\n", content+"\n"+rest[offset:]
		}
		break
	}
	if i := strings.LastIndex(rest, "\n..."); i >= 0 && marker([]byte(rest[i+1:]), "...") {
		rest, t.tail = rest[:i+1], rest[i+1:]
	}
	t.body = rest
	return t
}

// with returns the document with another body.
func (t text) with(body string) []byte {
	result := t.head + body + t.tail
	if t.carriageReturns {
		result = strings.ReplaceAll(result, "\n", "\r\n")
	}
	return []byte(result)
}

// style is how a document indents.
type style struct {
	indent int
	// compact writes lists of an object no deeper than the object.
	compact bool
}

// defaultIndent is kubectl's.
const defaultIndent = 2

// styleOf finds out how most of a tree was indented.
func styleOf(root *yamlv3.Node) style {
	widths := map[int]int{}
	compact := 0
	var visit func(node *yamlv3.Node)
	visit = func(node *yamlv3.Node) {
		for i, c := range node.Content {
			visit(c)
			if node.Kind != yamlv3.MappingNode || i%2 == 0 || c.Line <= node.Content[i-1].Line || c.Style&yamlv3.FlowStyle != 0 {
				continue
			}
			width := c.Column - node.Content[i-1].Column
			switch c.Kind {
			case yamlv3.MappingNode:
				widths[width]++
			case yamlv3.SequenceNode:
				if width == 0 {
					compact++
				} else {
					compact--
				}
			}
		}
	}
	visit(root)
	s := style{indent: defaultIndent, compact: compact >= 0}
	for width, count := range widths {
		// The encoder knows widths from 2 to 9.
		if width >= 2 && width <= 9 && (count > widths[s.indent] || count == widths[s.indent] && width < s.indent) {
			s.indent = width
		}
	}
	return s
}

// encode writes a tree.
func (s style) encode(root *yamlv3.Node) (string, error) {
	var buffer bytes.Buffer
	encoder := yamlv3.NewEncoder(&buffer)
	encoder.SetIndent(s.indent)
	if s.compact {
		encoder.CompactSeqIndent()
	}
	if err := encoder.Encode(root); err != nil {
		return "", fmt.Errorf("writing YAML: %w", err)
	}
	if err := encoder.Close(); err != nil {
		return "", fmt.Errorf("writing YAML: %w", err)
	}
	return buffer.String(), nil
}

// keepLayout gives a changed text the layout of the original: before is the original as the encoder writes it, after
// what it writes after the change. The differences between original and before are layout; those that the change
// doesn't meet are kept.
func keepLayout(original, before, after string) string {
	changes := udiff.Lines(before, after)
	var layout []udiff.Edit
	for _, edit := range udiff.Lines(before, original) {
		if !meets(edit, changes) {
			layout = append(layout, edit)
		}
	}
	merged, ok := udiff.Merge(layout, changes)
	if !ok {
		return after
	}
	result, err := udiff.Apply(before, merged)
	if err != nil {
		return after
	}
	return result
}

// meets reports whether an edit and one of others are about the same text.
func meets(edit udiff.Edit, others []udiff.Edit) bool {
	for _, other := range others {
		if edit.Start < other.End && other.Start < edit.End {
			return true
		}
	}
	return false
}
