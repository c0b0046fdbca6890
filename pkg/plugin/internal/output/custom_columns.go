package output

import (
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/client-go/util/jsonpath"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
)

// customColumn is one column of -o custom-columns=HEADER:PATH,..., as kubectl has them. kubectl's own printer is in a
// package with all of kubectl's commands.
type customColumn struct {
	header string
	path   *jsonpath.JSONPath
}

// parseCustomColumns reads HEADER:PATH,...; a path may lack its braces and its first dot, as with kubectl.
func parseCustomColumns(text string) ([]customColumn, error) {
	if text == "" {
		return nil, fmt.Errorf("it needs columns: custom-columns=HEADER:.path,HEADER:.path")
	}
	var columns []customColumn
	for part := range strings.SplitSeq(text, ",") {
		header, path, ok := strings.Cut(part, ":")
		if !ok || header == "" || path == "" {
			return nil, fmt.Errorf("column %q is not HEADER:.path", part)
		}
		if !strings.HasPrefix(path, "{") {
			path = "{." + strings.TrimPrefix(path, ".") + "}"
		}
		parser := jsonpath.New(header).AllowMissingKeys(true)
		if err := parser.Parse(path); err != nil {
			return nil, fmt.Errorf("column %s: %w", header, err)
		}
		columns = append(columns, customColumn{header, parser})
	}
	return columns, nil
}

// printCustomColumns writes a line for each item; a path that leads nowhere is <none>.
func printCustomColumns(out terminal.Screen, columns []customColumn, items []any) error {
	var headers []string
	for _, column := range columns {
		headers = append(headers, column.header)
	}
	t := terminal.NewTable(headers...)
	for _, item := range items {
		data, err := json.Marshal(item)
		if err != nil {
			return fmt.Errorf("encoding the output: %w", err)
		}
		var fields any
		if err := json.Unmarshal(data, &fields); err != nil {
			return fmt.Errorf("encoding the output: %w", err)
		}
		var row []string
		for _, column := range columns {
			results, err := column.path.FindResults(fields)
			if err != nil {
				return fmt.Errorf("-o custom-columns: column %s: %w", column.header, err)
			}
			var texts []string
			for _, result := range results {
				for _, value := range result {
					texts = append(texts, fmt.Sprint(value.Interface()))
				}
			}
			row = append(row, terminal.OrNone(strings.Join(texts, ",")))
		}
		t.Add(row...)
	}
	return t.Print(out)
}
