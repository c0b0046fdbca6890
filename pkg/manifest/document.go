package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"

	"sigs.k8s.io/yaml"
)

// Split cuts a stream into its YAML documents, each with the separator before it. Put together they are the stream.
// A document may be empty, or have comments only.
func Split(stream []byte) [][]byte {
	var documents [][]byte
	start, content := 0, false
	end := 0
	for line := range bytes.Lines(stream) {
		// A line that begins with a marker is one wherever it is: YAML allows it in no value.
		if marker(line, "---") && content {
			documents = append(documents, stream[start:end])
			start = end
		}
		end += len(line)
		content = content || len(bytes.TrimSpace(line)) > 0
		if marker(line, "...") {
			documents = append(documents, stream[start:end])
			start, content = end, false
		}
	}
	if start < len(stream) {
		documents = append(documents, stream[start:])
	}
	return documents
}

// marker reports whether a line is a marker of documents, maybe with something behind it.
func marker(line []byte, text string) bool {
	rest, ok := bytes.CutPrefix(line, []byte(text))
	return ok && (len(rest) == 0 || bytes.ContainsRune([]byte(" \t\r\n"), rune(rest[0])))
}

// JSON returns what a document says as JSON, as the API server would get it from kubectl; nil for an empty document. A
// key that is there twice is an error.
func JSON(document []byte) ([]byte, error) {
	data, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return nil, fmt.Errorf("reading YAML: %w", err)
	}
	if bytes.Equal(data, []byte("null")) {
		return nil, nil
	}
	return data, nil
}

// decoded returns JSON as Go values.
func decoded(data []byte) (any, error) {
	var value any
	err := json.Unmarshal(data, &value)
	return value, err
}
