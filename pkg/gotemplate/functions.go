package gotemplate

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"text/template"
	"text/template/parse"
)

// function is what a template can call.
type function func(args []any) any

// functions are text/template's, but for call, and kubectl's. and and or are in execution.function: they don't evaluate
// what they don't need.
func functions() map[string]function {
	return map[string]function{
		"not":      func(args []any) any { return !truth(exactly("not", args, 1)[0]) },
		"len":      func(args []any) any { return length(exactly("len", args, 1)[0]) },
		"index":    index,
		"slice":    slice,
		"print":    func(args []any) any { return fmt.Sprint(args...) },
		"printf":   printf,
		"println":  func(args []any) any { return fmt.Sprintln(args...) },
		"html":     func(args []any) any { return template.HTMLEscapeString(text(args)) },
		"js":       func(args []any) any { return template.JSEscapeString(text(args)) },
		"urlquery": func(args []any) any { return template.URLQueryEscaper(text(args)) },
		"eq":       func(args []any) any { return equal(args) },
		"ne":       func(args []any) any { return !equal(exactly("ne", args, 2)) },
		"lt":       func(args []any) any { return compare(exactly("lt", args, 2)) < 0 },
		"le":       func(args []any) any { return compare(exactly("le", args, 2)) <= 0 },
		"gt":       func(args []any) any { return compare(exactly("gt", args, 2)) > 0 },
		"ge":       func(args []any) any { return compare(exactly("ge", args, 2)) >= 0 },
		"exists":   exists,
		"base64decode": func(args []any) any {
			encoded, ok := exactly("base64decode", args, 1)[0].(string)
			if !ok {
				fail("base64decode: %v isn't text", args[0])
			}
			data, err := base64.StdEncoding.DecodeString(encoded)
			if err != nil {
				fail("base64decode: %w", err)
			}
			return string(data)
		},
	}
}

// function calls a function with words of a command and maybe the value of the command before.
func (e *execution) function(dot any, name string, words []parse.Node, final []any) any {
	if name == "and" || name == "or" {
		var value any
		for i := range len(words) + len(final) {
			if i < len(words) {
				value = e.operand(dot, words[i])
			} else {
				value = final[0]
			}
			if truth(value) == (name == "or") {
				return value
			}
		}
		return value
	}
	call, ok := e.functions[name]
	if !ok {
		fail("the function %s isn't supported", name)
	}
	var args []any
	for _, word := range words {
		args = append(args, e.operand(dot, word))
	}
	return call(append(args, final...))
}

func exactly(name string, args []any, want int) []any {
	if len(args) != want {
		fail("%s takes %d arguments, not %d", name, want, len(args))
	}
	return args
}

// text is what print makes of arguments.
func text(args []any) string {
	if len(args) == 1 {
		if s, ok := args[0].(string); ok {
			return s
		}
	}
	shown := make([]any, len(args))
	for i := range args {
		shown[i] = printed(args[i])
	}
	return fmt.Sprint(shown...)
}

func printf(args []any) any {
	if len(args) > 0 {
		if format, ok := args[0].(string); ok {
			return fmt.Sprintf(format, args[1:]...)
		}
	}
	fail("printf needs a format")
	return nil
}

func length(value any) int {
	switch value := value.(type) {
	case string:
		return len(value)
	case []any:
		return len(value)
	case map[string]any:
		return len(value)
	}
	fail("len of %v", printed(value))
	return 0
}

// index follows keys and numbers into a value.
func index(args []any) any {
	if len(args) == 0 {
		fail("index needs a value")
	}
	value := args[0]
	for _, key := range args[1:] {
		switch container := value.(type) {
		case map[string]any:
			name, ok := key.(string)
			if !ok {
				fail("index: %v isn't a key", key)
			}
			value = container[name]
		case []any:
			value = container[position(key, len(container)-1)]
		case string:
			value = int(container[position(key, len(container)-1)])
		default:
			fail("index of %v", printed(value))
		}
	}
	return value
}

// position returns an index from 0 to last.
func position(value any, last int) int {
	i := -1
	switch value := value.(type) {
	case int:
		i = value
	case int64:
		i = int(value)
	default:
		fail("%v isn't an index", printed(value))
	}
	if i < 0 || i > last {
		fail("index out of range: %d", i)
	}
	return i
}

func slice(args []any) any {
	if len(args) == 0 || len(args) > 3 {
		fail("slice takes a value and up to two indexes")
	}
	from, to := 0, length(args[0])
	if len(args) > 2 {
		to = position(args[2], to)
	}
	if len(args) > 1 {
		from = position(args[1], to)
	}
	switch value := args[0].(type) {
	case string:
		return value[from:to]
	case []any:
		return value[from:to]
	}
	fail("slice of an object")
	return nil
}

// exists is kubectl's: whether keys and numbers lead to something.
func exists(args []any) any {
	if len(args) == 0 {
		return false
	}
	value := args[0]
	for _, key := range args[1:] {
		switch container := value.(type) {
		case map[string]any:
			name, _ := key.(string)
			value = container[name]
		case []any:
			number, ok := key.(int)
			if !ok || number < 0 || number >= len(container) {
				return false
			}
			value = container[number]
		default:
			return false
		}
	}
	return value != nil
}

// equal reports whether the first argument is one of the others.
func equal(args []any) bool {
	if len(args) < 2 {
		fail("eq takes at least two arguments")
	}
	for _, other := range args[1:] {
		if args[0] == nil || other == nil {
			if args[0] == other {
				return true
			}
			continue
		}
		if comparable, order := ordered(args[0], other); comparable && order == 0 {
			return true
		} else if !comparable {
			fail("%v and %v can't be compared", args[0], other)
		}
	}
	return false
}

func compare(args []any) int {
	comparable, order := ordered(args[0], args[1])
	if _, boolean := args[0].(bool); !comparable || boolean {
		fail("%v and %v can't be compared", printed(args[0]), printed(args[1]))
	}
	return order
}

// ordered compares two values of one kind; numbers are of one kind here, whatever they are in Go.
func ordered(a, b any) (comparable bool, order int) {
	switch a := a.(type) {
	case string:
		b, ok := b.(string)
		return ok, cmp.Compare(a, b)
	case bool:
		b, ok := b.(bool)
		if a == b {
			return ok, 0
		}
		return ok, 1
	}
	x, isNumber := numeric(a)
	y, alsoNumber := numeric(b)
	return isNumber && alsoNumber, cmp.Compare(x, y)
}

func numeric(value any) (float64, bool) {
	switch value := value.(type) {
	case int:
		return float64(value), true
	case int64:
		return float64(value), true
	case float64:
		return value, true
	}
	return 0, false
}
