package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	yamlv3 "go.yaml.in/yaml/v3"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"sigs.k8s.io/yaml"
)

// operation is one operation of a JSON patch (RFC 6902).
type operation struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value"`
}

// Patch applies a JSON patch that adds and replaces to a document. Where nothing changes, the text stays as it is, as
// far as that can be told apart; what the document says afterwards is always what the patch makes of it.
func Patch(document, patch []byte) ([]byte, error) {
	want, err := expected(document, patch)
	if err != nil {
		return nil, err
	}
	var operations []operation
	if err = json.Unmarshal(patch, &operations); err != nil {
		return nil, fmt.Errorf("reading the patch: %w", err)
	}
	text := newText(document)
	root := &yamlv3.Node{}
	if err = yamlv3.Unmarshal([]byte(text.body), root); err != nil {
		return nil, fmt.Errorf("reading YAML: %w", err)
	}
	if root.Kind != yamlv3.DocumentNode {
		return nil, errors.New("patching YAML: the document is empty")
	}
	expandAliases(root)
	style := styleOf(root)
	before, err := style.encode(root)
	if err != nil {
		return nil, err
	}
	quoted := json.Valid([]byte(text.body))
	for _, o := range operations {
		if err = o.apply(root.Content[0], quoted); err != nil {
			return nil, fmt.Errorf("patching YAML: %s %s: %w", o.Op, o.Path, err)
		}
	}
	after, err := style.encode(root)
	if err != nil {
		return nil, err
	}
	for _, candidate := range []string{keepLayout(text.body, before, after), after} {
		result := text.with(candidate)
		if got, err := said(result); err == nil && reflect.DeepEqual(got, want) {
			return result, nil
		}
	}
	return nil, errors.New("patching YAML: the text can't be changed so that it says what the patch makes of it; write it in a simpler way")
}

// expected returns what the document has to say once it is patched.
func expected(document, patch []byte) (any, error) {
	data, err := JSON(document)
	if err != nil {
		return nil, err
	}
	operations, err := jsonpatch.DecodePatch(patch)
	if err == nil {
		data, err = operations.Apply(data)
	}
	if err != nil {
		return nil, fmt.Errorf("patching: %w", err)
	}
	return decoded(data)
}

func said(document []byte) (any, error) {
	data, err := JSON(document)
	if err != nil {
		return nil, err
	}
	return decoded(data)
}

// apply changes the tree below a node. What is JSON stays JSON if all strings are quoted.
func (o operation) apply(node *yamlv3.Node, quoted bool) error {
	if o.Op != "add" && o.Op != "replace" {
		return errors.New("only add and replace are supported")
	}
	value, err := valueNode(o.Value, quoted)
	if err != nil {
		return err
	}
	elements := strings.Split(o.Path, "/")
	if len(elements) < 2 || elements[0] != "" {
		return errors.New("the path isn't one of a member or an element")
	}
	elements = elements[1:]
	for _, element := range elements[:len(elements)-1] {
		if node = child(node, unescape(element)); node == nil {
			return errors.New("the path doesn't exist")
		}
	}
	last := unescape(elements[len(elements)-1])
	switch node.Kind {
	case yamlv3.MappingNode:
		setMember(node, scalar(last, quoted), value)
		return nil
	case yamlv3.SequenceNode:
		return setElement(node, last, value, o.Op == "replace")
	}
	return errors.New("the parent is neither an object nor a list")
}

func unescape(element string) string {
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(element)
}

// child returns a member of an object or an element of a list, or nil.
func child(node *yamlv3.Node, name string) *yamlv3.Node {
	switch node.Kind {
	case yamlv3.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if keyName(node.Content[i]) == name {
				return node.Content[i+1]
			}
		}
	case yamlv3.SequenceNode:
		if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(node.Content) {
			return node.Content[i]
		}
	}
	return nil
}

// keyName returns what a key is in JSON, where it is always a string.
func keyName(key *yamlv3.Node) string {
	if key.Tag == "!!str" {
		return key.Value
	}
	var object map[string]any
	if err := yaml.Unmarshal([]byte(key.Value+": null"), &object); err == nil && len(object) == 1 {
		for name := range object {
			return name
		}
	}
	return key.Value
}

// setMember sets a member of an object. The comments of a value that is replaced stay.
func setMember(node, key, value *yamlv3.Node) {
	if present := child(node, key.Value); present != nil {
		replaceNode(present, value)
		return
	}
	if len(node.Content) == 0 && key.Style != yamlv3.DoubleQuotedStyle {
		node.Style = 0 // {} grows.
	}
	node.Content = append(node.Content, key, value)
}

// setElement inserts into a list, or replaces what is there.
func setElement(node *yamlv3.Node, index string, value *yamlv3.Node, replace bool) error {
	i, err := strconv.Atoi(index)
	if index == "-" {
		i, err = len(node.Content), nil
	}
	switch {
	case err != nil || i < 0 || i > len(node.Content) || replace && i == len(node.Content):
		return errors.New("there is no such element")
	case replace:
		replaceNode(node.Content[i], value)
		return nil
	case len(node.Content) == 0:
		node.Style = 0 // [] grows.
	}
	node.Content = append(node.Content[:i:i], append([]*yamlv3.Node{value}, node.Content[i:]...)...)
	return nil
}

func replaceNode(present, value *yamlv3.Node) {
	head, line, foot := present.HeadComment, present.LineComment, present.FootComment
	*present = *value
	present.HeadComment, present.LineComment, present.FootComment = head, line, foot
}

// valueNode returns a JSON value as a tree that is written in lines of its own, its strings without quotes where they
// need none.
func valueNode(value json.RawMessage, quoted bool) (*yamlv3.Node, error) {
	root := &yamlv3.Node{}
	if err := yamlv3.Unmarshal(value, root); err != nil {
		return nil, fmt.Errorf("reading the value: %w", err)
	}
	if root.Kind != yamlv3.DocumentNode {
		return nil, errors.New("there is no value")
	}
	var tidy func(node *yamlv3.Node)
	tidy = func(node *yamlv3.Node) {
		switch {
		case node.Kind == yamlv3.ScalarNode && node.Tag == "!!str":
			*node = *scalar(node.Value, quoted)
		case len(node.Content) > 0 && !quoted:
			node.Style = 0
		}
		for _, c := range node.Content {
			tidy(c)
		}
	}
	tidy(root)
	return root.Content[0], nil
}

// scalar returns a string as YAML, in quotes if it shall be, or where a parser of YAML 1.1 or 1.2 could take it for something else.
func scalar(text string, quoted bool) *yamlv3.Node {
	node := &yamlv3.Node{Kind: yamlv3.ScalarNode, Tag: "!!str", Value: text}
	if strings.Contains(text, "\n") && !quoted {
		node.Style = yamlv3.LiteralStyle // Where it can't be, the encoder quotes.
		return node
	}
	var read any
	if err := yaml.Unmarshal([]byte(text), &read); quoted || err != nil || read != text {
		node.Style = yamlv3.DoubleQuotedStyle
	}
	return node
}

// expandAliases puts what aliases and merge keys stand for in their places: a change in one place must not show in
// another.
func expandAliases(node *yamlv3.Node) {
	if node.Kind == yamlv3.AliasNode {
		*node = *copied(node.Alias)
	}
	node.Anchor = ""
	for _, c := range node.Content {
		expandAliases(c)
	}
	if node.Kind == yamlv3.MappingNode {
		expandMerges(node)
	}
}

func expandMerges(node *yamlv3.Node) {
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Tag != "!!merge" {
			continue
		}
		merged := node.Content[i+1]
		node.Content = append(node.Content[:i:i], node.Content[i+2:]...)
		sources := []*yamlv3.Node{merged}
		if merged.Kind == yamlv3.SequenceNode {
			sources = merged.Content
		}
		for _, source := range sources {
			for j := 0; j+1 < len(source.Content); j += 2 {
				if child(node, keyName(source.Content[j])) == nil {
					node.Content = append(node.Content, source.Content[j], source.Content[j+1])
				}
			}
		}
		i -= 2
	}
}

func copied(node *yamlv3.Node) *yamlv3.Node {
	c := *node
	c.Content = nil
	for _, inner := range node.Content {
		c.Content = append(c.Content, copied(inner))
	}
	return &c
}
