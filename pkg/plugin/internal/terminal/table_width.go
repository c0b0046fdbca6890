package terminal

import (
	"strings"

	"github.com/olekukonko/tablewriter/pkg/twwidth"
)

// What columns keep on a narrow terminal, if they have that much: room for a word, and the last one for a message as long
// as another can give way.
const (
	minColumn     = 12
	minLastColumn = 24
)

// DisplayWidth returns how many columns of a terminal a text takes.
func DisplayWidth(text string) int { return twwidth.WidthWithOptions(text, twwidth.Options{}) }

// fit returns how wide the columns may be within the width of a terminal, and whether that is possible. The last column
// gives way first, then the widest one at a time, and at last the last column again.
func (t *Table) fit(rows [][]string, width int) (widths []int, fits bool) {
	widths, least := t.natural(rows)
	if len(widths) == 0 {
		return widths, true
	}
	excess := len(columnGap)*(len(widths)-1) - width
	for _, w := range widths {
		excess += w
	}
	last := len(widths) - 1
	if less := min(max(excess, 0), widths[last]-least[last]); less > 0 {
		widths[last] -= less
		excess -= less
	}
	for ; excess > 0; excess-- {
		widest := -1
		for i, w := range widths[:last] {
			if w > least[i] && (widest < 0 || w > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			widest = last
		}
		if widths[widest] <= minColumn {
			return widths, false
		}
		widths[widest]--
	}
	return widths, true
}

// natural returns how wide the columns are by themselves, and how narrow they may get.
func (t *Table) natural(rows [][]string) (widths, least []int) {
	for _, row := range append([][]string{t.header}, rows...) {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], DisplayWidth(cell))
		}
	}
	for i, w := range widths {
		keep := minColumn
		if i == len(widths)-1 {
			keep = minLastColumn
		}
		if i < len(t.header) {
			keep = max(keep, DisplayWidth(t.header[i]))
		}
		if i == 0 && t.Tree {
			keep = w
		}
		least = append(least, min(keep, w))
	}
	return widths, least
}

// wrapRows breaks cells that are wider than their columns into rows of their own.
func wrapRows(rows [][]string, widths []int) [][]string {
	var wrapped [][]string
	for _, row := range rows {
		var parts [][]string
		height := 1
		for i, cell := range row {
			parts = append(parts, wrap(cell, widths[i]))
			height = max(height, len(parts[i]))
		}
		for n := range height {
			cells := make([]string, len(row))
			for i := range cells {
				if n < len(parts[i]) {
					cells[i] = parts[i][n]
				}
			}
			wrapped = append(wrapped, cells)
		}
	}
	return wrapped
}

// wrap breaks a text at blanks, and a word that is wider than the room where names have their parts, or between any two
// characters: Chinese has no blanks.
func wrap(text string, room int) []string {
	if DisplayWidth(text) <= room {
		return []string{text}
	}
	var lines []string
	current := ""
	for _, word := range strings.SplitAfter(text, " ") {
		if DisplayWidth(current)+DisplayWidth(strings.TrimRight(word, " ")) <= room {
			current += word
			continue
		}
		if current != "" {
			lines = append(lines, strings.TrimRight(current, " "))
			current = ""
		}
		for _, r := range word {
			if DisplayWidth(current+string(r)) > room && r != ' ' {
				head, tail := breakWord(current)
				lines = append(lines, head)
				current = tail
			}
			current += string(r)
		}
	}
	return append(lines, strings.TrimRight(current, " "))
}

// breakWord breaks a word that fills a line after its last separator, or before its last capital within CamelCase, unless
// that leaves most of the line empty.
func breakWord(word string) (head, tail string) {
	end := strings.LastIndexAny(word, "-/.,:=") + 1
	for i := len(word) - 1; i > end; i-- {
		if isUpper(word[i]) && !isUpper(word[i-1]) {
			end = i
			break
		}
	}
	if end > len(word)/2 {
		return word[:end], word[end:]
	}
	return word, ""
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }
