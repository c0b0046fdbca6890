package gotemplate

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/template/parse"
)

// Template is a parsed template.
type Template struct {
	name  string
	trees map[string]*parse.Tree
}

// maxDepth is how many templates may call each other.
const maxDepth = 1000

// Parse reads a template.
func Parse(name, text string) (*Template, error) {
	names := map[string]any{}
	for function := range functions() {
		names[function] = true
	}
	trees, err := parse.Parse(name, text, "", "", names, map[string]any{"and": true, "or": true})
	if err != nil {
		return nil, err
	}
	return &Template{name, trees}, nil
}

// Execute writes the template applied to a value as encoding/json or its Kubernetes counterpart decodes it: nil, bool,
// int64, float64, string, []any or map[string]any. A key that isn't there is no error.
func (t *Template) Execute(out io.Writer, data any) (err error) {
	tree := t.trees[t.name]
	if tree == nil || tree.Root == nil {
		return nil
	}
	e := &execution{template: t, functions: functions(), variables: []variable{{"$", data}}}
	defer func() {
		switch stopped := recover().(type) {
		case nil:
		case failure:
			err = fmt.Errorf("template %s: %w", t.name, stopped.error)
		default:
			panic(stopped)
		}
	}()
	_ = e.walk(data, tree.Root) // there is no range to leave
	_, err = io.WriteString(out, e.out.String())
	return err
}

// failure ends an execution.
type failure struct{ error }

func fail(format string, args ...any) { panic(failure{fmt.Errorf(format, args...)}) }

var (
	errBreak    = errors.New("break")
	errContinue = errors.New("continue")
)

type variable struct {
	name  string
	value any
}

type execution struct {
	template  *Template
	functions map[string]function
	out       strings.Builder
	variables []variable
	depth     int
}

// walk executes a node; the error says how it left a range.
func (e *execution) walk(dot any, node parse.Node) error {
	switch node := node.(type) {
	case *parse.ListNode:
		for _, child := range node.Nodes {
			if err := e.walk(dot, child); err != nil {
				return err
			}
		}
	case *parse.TextNode:
		e.out.Write(node.Text)
	case *parse.CommentNode:
	case *parse.ActionNode:
		value := e.pipeline(dot, node.Pipe)
		if len(node.Pipe.Decl) == 0 {
			fmt.Fprint(&e.out, printed(value))
		}
	case *parse.IfNode:
		return e.branch(dot, &node.BranchNode, false)
	case *parse.WithNode:
		return e.branch(dot, &node.BranchNode, true)
	case *parse.RangeNode:
		return e.loop(dot, node)
	case *parse.TemplateNode:
		e.call(dot, node)
	case *parse.BreakNode:
		return errBreak
	case *parse.ContinueNode:
		return errContinue
	default:
		fail("%s isn't supported", node)
	}
	return nil
}

// branch executes if or with; with sets the dot.
func (e *execution) branch(dot any, node *parse.BranchNode, with bool) error {
	mark := len(e.variables)
	defer func() { e.variables = e.variables[:mark] }()
	value := e.pipeline(dot, node.Pipe)
	switch {
	case truth(value) && with:
		return e.walk(value, node.List)
	case truth(value):
		return e.walk(dot, node.List)
	case node.ElseList != nil:
		return e.walk(dot, node.ElseList)
	}
	return nil
}

func (e *execution) loop(dot any, node *parse.RangeNode) error {
	mark := len(e.variables)
	defer func() { e.variables = e.variables[:mark] }()
	value := e.pipeline(dot, node.Pipe)
	mark = len(e.variables)
	once := func(key, element any) (left bool) {
		defer func() { e.variables = e.variables[:mark] }()
		e.assignLoop(node.Pipe, key, element)
		return e.walk(element, node.List) == errBreak
	}
	empty := true
	switch value := value.(type) {
	case nil:
	case []any:
		for i, element := range value {
			empty = false
			if once(i, element) {
				break
			}
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			empty = false
			if once(key, value[key]) {
				break
			}
		}
	case int:
		empty = value <= 0
		for i := range value {
			if once(i, i) {
				break
			}
		}
	case int64:
		empty = value <= 0
		for i := range value {
			if once(i, i) {
				break
			}
		}
	default:
		fail("range can't iterate over %v", value)
	}
	if empty && node.ElseList != nil {
		return e.walk(dot, node.ElseList)
	}
	return nil
}

// assignLoop sets the variables of a range: the element, or key and element.
func (e *execution) assignLoop(pipe *parse.PipeNode, key, element any) {
	values := []any{element}
	if len(pipe.Decl) > 1 {
		values = []any{key, element}
	}
	for i, declared := range pipe.Decl {
		if pipe.IsAssign {
			e.assign(declared.Ident[0], values[i])
		} else {
			e.variables = append(e.variables, variable{declared.Ident[0], values[i]})
		}
	}
}

func (e *execution) call(dot any, node *parse.TemplateNode) {
	tree := e.template.trees[node.Name]
	if tree == nil {
		fail("template %q isn't defined", node.Name)
	}
	if e.depth == maxDepth {
		fail("more than %d templates call each other", maxDepth)
	}
	var data any
	if node.Pipe != nil {
		data = e.pipeline(dot, node.Pipe)
	}
	saved := e.variables
	e.variables = []variable{{"$", data}}
	e.depth++
	_ = e.walk(data, tree.Root)
	e.depth--
	e.variables = saved
}

// pipeline evaluates commands, each with the value of the one before as its last argument.
func (e *execution) pipeline(dot any, pipe *parse.PipeNode) any {
	if pipe == nil {
		return nil
	}
	var value any
	for i, command := range pipe.Cmds {
		var final []any
		if i > 0 {
			final = []any{value}
		}
		value = e.command(dot, command, final)
	}
	for _, declared := range pipe.Decl {
		if pipe.IsAssign {
			e.assign(declared.Ident[0], value)
		} else {
			e.variables = append(e.variables, variable{declared.Ident[0], value})
		}
	}
	return value
}

func (e *execution) assign(name string, value any) {
	for i := len(e.variables) - 1; i >= 0; i-- {
		if e.variables[i].name == name {
			e.variables[i].value = value
			return
		}
	}
	fail("undefined variable %s", name)
}

func (e *execution) command(dot any, command *parse.CommandNode, final []any) any {
	first := command.Args[0]
	if name, ok := first.(*parse.IdentifierNode); ok {
		return e.function(dot, name.Ident, command.Args[1:], final)
	}
	if len(command.Args) > 1 || len(final) > 0 {
		fail("%s isn't a function and takes no argument", first)
	}
	return e.operand(dot, first)
}

// operand evaluates a word of a command.
func (e *execution) operand(dot any, node parse.Node) any {
	switch node := node.(type) {
	case *parse.DotNode:
		return dot
	case *parse.FieldNode:
		return fields(dot, node.Ident)
	case *parse.VariableNode:
		for i := len(e.variables) - 1; i >= 0; i-- {
			if e.variables[i].name == node.Ident[0] {
				return fields(e.variables[i].value, node.Ident[1:])
			}
		}
		fail("undefined variable %s", node.Ident[0])
	case *parse.ChainNode:
		return fields(e.operand(dot, node.Node), node.Field)
	case *parse.PipeNode:
		return e.pipeline(dot, node)
	case *parse.IdentifierNode:
		return e.function(dot, node.Ident, nil, nil)
	case *parse.BoolNode:
		return node.True
	case *parse.StringNode:
		return node.Text
	case *parse.NumberNode:
		return number(node)
	case *parse.NilNode:
		return nil
	}
	fail("%s isn't supported", node)
	return nil
}

func number(node *parse.NumberNode) any {
	switch {
	case node.IsInt && !strings.ContainsAny(node.Text, ".eEpP") || node.IsInt && strings.HasPrefix(node.Text, "0x"):
		return int(node.Int64)
	case node.IsFloat:
		return node.Float64
	}
	fail("the number %s isn't supported", node.Text)
	return nil
}

// fields follows names into objects. What isn't there is nil, and so is everything below it.
func fields(value any, names []string) any {
	for _, name := range names {
		switch object := value.(type) {
		case nil:
			return nil
		case map[string]any:
			value = object[name]
		default:
			fail("can't evaluate field %s in %v", name, value)
		}
	}
	return value
}

// truth is what if and with look at: nothing empty is true.
func truth(value any) bool {
	switch value := value.(type) {
	case bool:
		return value
	case string:
		return value != ""
	case int:
		return value != 0
	case int64:
		return value != 0
	case float64:
		return value != 0
	case []any:
		return len(value) > 0
	case map[string]any:
		return len(value) > 0
	}
	return false
}

func printed(value any) any {
	if value == nil {
		return "<no value>"
	}
	return value
}
