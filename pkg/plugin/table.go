package plugin

import (
	"bytes"
	"fmt"
	"io"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"
)

// table collects rows and prints them as kubectl does: no borders, three blanks between columns, no blanks at the end
// of a line. This file is the only one that knows the library that does it.
type table struct {
	header []string
	rows   [][]string
}

// newTable returns a table; without columns it has no header.
func newTable(columns ...string) *table { return &table{header: columns} }

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// print writes the table. What comes from the cluster can't do anything to the terminal.
func (t *table) print(out io.Writer) error {
	cell := tw.CellConfig{
		Formatting: tw.CellFormatting{AutoFormat: tw.Off, AutoWrap: tw.WrapNone},
		Padding:    tw.CellPadding{Global: tw.Padding{Right: "   ", Overwrite: true}},
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
	for _, row := range t.rows {
		safe := make([]string, len(row))
		for i := range row {
			safe[i] = line(row[i])
		}
		if err := w.Append(safe); err != nil {
			return fmt.Errorf("printing a table: %w", err)
		}
	}
	if err := w.Render(); err != nil {
		return fmt.Errorf("printing a table: %w", err)
	}
	for text := range bytes.Lines(buffer.Bytes()) {
		if _, err := fmt.Fprintf(out, "%s\n", bytes.TrimRight(text, " \n")); err != nil {
			return err
		}
	}
	return nil
}
