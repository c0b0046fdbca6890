package plugin

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/pkg/twwidth"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

// table collects rows and prints them as kubectl does: no borders, three blanks between columns, no blanks at the end
// of a line. This file is the only one that knows the library that does it.
type table struct {
	header []string
	rows   [][]string
	// last is how many of the last rows are printed, all rows deciding how wide columns are; 0 for all, with the header.
	last int
}

// columnGap is what is between two columns, minLastColumn what the last column keeps on a narrow terminal.
const (
	columnGap     = "   "
	minLastColumn = 24
)

// newTable returns a table; without columns it has no header.
func newTable(columns ...string) *table { return &table{header: columns} }

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// print writes the table. What comes from the cluster can't do anything to the terminal. The last column is wrapped
// where it would go beyond the terminal's edge, as long as that leaves it some room.
func (t *table) print(out screen) error {
	rows := make([][]string, 0, len(t.rows))
	for _, row := range t.rows {
		safe := make([]string, len(row))
		for i := range row {
			safe[i] = line(row[i])
		}
		rows = append(rows, safe)
	}
	last := t.last
	if out.width > 0 {
		room := t.roomForLast(rows, out.width)
		last = len(wrapLast(rows[len(rows)-last:], room))
		rows = wrapLast(rows, room)
	}
	text, err := t.render(rows)
	if err != nil {
		return fmt.Errorf("printing a table: %w", err)
	}
	lines := slices.Collect(strings.Lines(text))
	if last > 0 {
		lines = lines[len(lines)-last:]
	}
	for _, text := range lines {
		text = strings.TrimRight(text, " \n")
		if out.color {
			text = colorFirst(text)
		}
		if _, err := fmt.Fprintf(out, "%s\n", text); err != nil {
			return err
		}
	}
	return nil
}

func (t *table) render(rows [][]string) (string, error) {
	cell := tw.CellConfig{
		Formatting: tw.CellFormatting{AutoFormat: tw.Off, AutoWrap: tw.WrapNone},
		Padding:    tw.CellPadding{Global: tw.Padding{Right: columnGap, Overwrite: true}},
		Alignment:  tw.CellAlignment{Global: tw.AlignLeft},
	}
	var buffer bytes.Buffer
	w := tablewriter.NewTable(&buffer,
		tablewriter.WithRenderer(renderer.NewBlueprint(tw.Rendition{
			Borders:  tw.BorderNone,
			Settings: tw.Settings{Lines: tw.LinesNone, Separators: tw.SeparatorsNone},
		})),
		tablewriter.WithConfig(tablewriter.Config{Header: cell, Row: cell, Behavior: tw.Behavior{TrimSpace: tw.Off}}),
		tablewriter.WithEastAsian(tw.Off))
	if len(t.header) > 0 {
		w.Header(t.header)
	}
	for _, row := range rows {
		if err := w.Append(row); err != nil {
			return "", err
		}
	}
	if err := w.Render(); err != nil {
		return "", err
	}
	return buffer.String(), nil
}

// displayWidth returns how many columns of a terminal a text takes.
func displayWidth(text string) int { return twwidth.WidthWithOptions(text, twwidth.Options{}) }

// roomForLast returns how wide the last column may be.
func (t *table) roomForLast(rows [][]string, width int) int {
	all := append([][]string{t.header}, rows...)
	columns := 0
	for _, row := range all {
		columns = max(columns, len(row))
	}
	used := 0
	for i := range columns - 1 {
		widest := 0
		for _, row := range all {
			if i < len(row) {
				widest = max(widest, displayWidth(row[i]))
			}
		}
		used += widest + len(columnGap)
	}
	return max(width-used, minLastColumn)
}

// wrapLast breaks the last cell of rows that is wider than there is room into rows of its own.
func wrapLast(rows [][]string, room int) [][]string {
	var wrapped [][]string
	for _, row := range rows {
		if len(row) == 0 {
			continue
		}
		last := len(row) - 1
		for i, part := range wrap(row[last], room) {
			cells := make([]string, len(row))
			if i == 0 {
				copy(cells, row)
			}
			cells[last] = part
			wrapped = append(wrapped, cells)
		}
	}
	return wrapped
}

// wrap breaks a text at blanks, and within a word that is wider than the room between any two characters: Chinese has
// no blanks.
func wrap(text string, room int) []string {
	var lines []string
	current := ""
	for _, word := range strings.SplitAfter(text, " ") {
		if displayWidth(current)+displayWidth(strings.TrimRight(word, " ")) <= room {
			current += word
			continue
		}
		if current != "" {
			lines = append(lines, strings.TrimRight(current, " "))
			current = ""
		}
		for _, r := range word {
			if displayWidth(current+string(r)) > room && r != ' ' {
				lines = append(lines, current)
				current = ""
			}
			current += string(r)
		}
	}
	return append(lines, strings.TrimRight(current, " "))
}
