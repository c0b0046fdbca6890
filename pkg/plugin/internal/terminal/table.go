package terminal

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

// Table collects rows and prints them as kubectl does: no borders, three blanks between columns, no blanks at the end
// of a line. This file and the next, table_width.go, are the only ones that know the library that does it.
type Table struct {
	header []string
	Rows   [][]string
	// LastRows is how many of the last rows are printed, all rows deciding how wide columns are; 0 for all, with the header.
	LastRows int
	// Tree says that the first column draws one, which isn't broken.
	Tree bool
}

// columnGap is what is between two columns.
const columnGap = "   "

// NewTable returns a table; without columns it has no header.
func NewTable(columns ...string) *Table { return &Table{header: columns} }

// Add appends a row.
func (t *Table) Add(cells ...string) { t.Rows = append(t.Rows, cells) }

// Print writes the table. What comes from the cluster can't do anything to the terminal. Where it is wider than the
// terminal, cells are wrapped, those of the last column first; if that isn't enough each row becomes a list.
func (t *Table) Print(out Screen) error {
	rows := make([][]string, 0, len(t.Rows))
	for _, row := range t.Rows {
		safe := make([]string, len(row))
		for i := range row {
			safe[i] = Line(row[i])
		}
		rows = append(rows, safe)
	}
	last := t.LastRows
	if out.Width > 0 {
		widths, fits := t.fit(rows, out.Width)
		if !fits && !t.Tree && len(t.header) > 0 {
			return t.printLists(out, rows)
		}
		last = len(wrapRows(rows[len(rows)-last:], widths))
		rows = wrapRows(rows, widths)
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
		if out.Color {
			text = colorFirst(text)
		}
		if _, err := fmt.Fprintf(out, "%s\n", text); err != nil {
			return err
		}
	}
	return nil
}

// printLists writes each row as lines of COLUMN: cell, with an empty line between two rows.
func (t *Table) printLists(out Screen, rows [][]string) error {
	if t.LastRows > 0 {
		rows = rows[len(rows)-t.LastRows:]
	}
	longest := 0
	for _, title := range t.header {
		longest = max(longest, len(title)+1)
	}
	for i, row := range rows {
		if i > 0 || t.LastRows > 0 {
			out.Say("\n")
		}
		for column, cell := range row {
			title := t.header[column] + ":"
			for _, part := range wrap(cell, max(out.Width-longest-len(columnGap), minColumn)) {
				text := fmt.Sprintf("%-*s%s%s", longest, title, columnGap, part)
				if _, err := fmt.Fprintln(out, strings.TrimRight(text, " ")); err != nil {
					return err
				}
				title = ""
			}
		}
	}
	return nil
}

func (t *Table) render(rows [][]string) (string, error) {
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
