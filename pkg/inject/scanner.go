package inject

import (
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// scanner reads a JSON text once, from the beginning to the end, for what its caller wants of it. Everything else is
// checked to be JSON and passed over without being kept. It takes what sigs.k8s.io/json takes, the API server's own
// reader: names of fields are case-sensitive, null leaves a value as it is, bytes that aren't UTF-8 become U+FFFD. A
// field that is wanted and there twice is an error, since a patch could mean either.
//
// After the first error nothing more is read.
type scanner struct {
	text  string
	at    int
	depth int
	err   error
}

// maxDepth is how deeply encoding/json lets values be nested.
const maxDepth = 10000

// maxWanted is how many different fields one object may be wanted for.
const maxWanted = 16

func (s *scanner) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf("at byte %d: %s", s.at, fmt.Sprintf(format, args...))
		s.at = len(s.text)
	}
}

// next passes over blanks and returns the byte after them without taking it, or 0 at the end of the text.
func (s *scanner) next() byte {
	for s.at < len(s.text) {
		switch c := s.text[s.at]; c {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return c
		}
	}
	return 0
}

// want takes one byte, which must come next.
func (s *scanner) want(c byte) bool {
	if s.next() != c || s.at >= len(s.text) {
		s.unexpected(string(c))
		return false
	}
	s.at++
	return true
}

func (s *scanner) unexpected(wanted string) {
	if s.at >= len(s.text) {
		s.fail("the text ends where %s should be", wanted)
		return
	}
	s.fail("there is %q where %s should be", s.text[s.at], wanted)
}

// document reads the whole text as one value.
func (s *scanner) document(value func()) error {
	value()
	if s.next(); s.err == nil && s.at < len(s.text) {
		s.unexpected("the end")
	}
	return s.err
}

// object reads an object or null; it reports whether it was an object. For each member field is called with its name;
// it reads the value and returns true, or returns false and so leaves it out.
func (s *scanner) object(field func(name string) bool) bool {
	var seen [maxWanted]string
	wanted := 0
	return s.members(func(name string) {
		if !field(name) {
			s.skip()
			return
		}
		for i := range wanted {
			if seen[i] == name {
				s.fail("the field %q is there twice", name)
				return
			}
		}
		seen[wanted] = name
		wanted++
	})
}

// members reads an object or null and calls member for each name; it has to read the value.
func (s *scanner) members(member func(name string)) bool {
	if s.next() != '{' {
		s.null("an object")
		return false
	}
	s.enter()
	for first := true; s.err == nil; first = false {
		if s.next() == '}' && first {
			break
		}
		if s.next() != '"' {
			s.unexpected("the name of a field")
			break
		}
		name := s.quoted()
		if !s.want(':') {
			break
		}
		member(name)
		if s.next() == '}' {
			break
		}
		s.want(',')
	}
	s.leave('}')
	return true
}

// list reads a list or null; it reports whether it was a list. For each element element is called and has to read it.
func (s *scanner) list(element func()) bool {
	if s.next() != '[' {
		s.null("a list")
		return false
	}
	s.enter()
	for first := true; s.err == nil; first = false {
		if s.next() == ']' && first {
			break
		}
		element()
		if s.next() == ']' {
			break
		}
		s.want(',')
	}
	s.leave(']')
	return true
}

// enter takes the bracket that opens a value.
func (s *scanner) enter() {
	s.at++
	if s.depth++; s.depth > maxDepth {
		s.fail("values are nested too deeply")
	}
}

// leave takes the bracket that closes it.
func (s *scanner) leave(c byte) {
	if s.err == nil && s.want(c) {
		s.depth--
	}
}

// string reads a string into a value; null leaves it alone.
func (s *scanner) string(value *string) {
	if s.next() != '"' {
		s.null("a string")
		return
	}
	*value = s.quoted()
}

// bool reads true or false into a value; null leaves it alone. It reports whether it wasn't null.
func (s *scanner) bool(value *bool) bool {
	switch s.next() {
	case 't':
		*value = s.literal("true")
		return true
	case 'f':
		s.literal("false")
		*value = false
		return true
	}
	s.null("true or false")
	return false
}

// int reads a whole number into a value; null leaves it alone.
func (s *scanner) int(value *int64) {
	if c := s.next(); c != '-' && (c < '0' || c > '9') {
		s.null("a number")
		return
	}
	start := s.at
	s.number()
	if s.err != nil {
		return
	}
	read, err := strconv.ParseInt(s.text[start:s.at], 10, 64)
	if err != nil {
		s.at = start
		s.unexpected("a whole number")
		return
	}
	*value = read
}

// present passes over a value and reports whether it isn't null.
func (s *scanner) present() bool {
	c := s.next()
	s.skip()
	return c != 'n'
}

// strings reads an object of strings; nil is null.
func (s *scanner) strings() map[string]string {
	if s.next() != '{' {
		s.null("an object")
		return nil
	}
	read := map[string]string{}
	s.members(func(name string) {
		if _, twice := read[name]; twice {
			s.fail("the field %q is there twice", name)
			return
		}
		value := ""
		s.string(&value)
		read[name] = value
	})
	return read
}

// null takes null; anything else isn't what was wanted.
func (s *scanner) null(wanted string) {
	if s.next() != 'n' {
		s.unexpected(wanted)
		return
	}
	s.literal("null")
}

func (s *scanner) literal(word string) bool {
	if len(s.text)-s.at < len(word) || s.text[s.at:s.at+len(word)] != word {
		s.unexpected(word)
		return false
	}
	s.at += len(word)
	return true
}

// quoted takes a string, whose quotation mark comes next, and returns what it says.
func (s *scanner) quoted() string {
	start := s.at
	plain := s.passQuoted()
	if s.err != nil {
		return ""
	}
	if inner := s.text[start+1 : s.at-1]; plain && utf8.ValidString(inner) {
		return inner
	}
	var value string
	if err := json.Unmarshal([]byte(s.text[start:s.at]), &value); err != nil {
		s.fail("%v", err)
	}
	return value
}

// passQuoted takes a string and reports whether it has no escapes.
func (s *scanner) passQuoted() (plain bool) {
	plain = true
	for i := s.at + 1; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '"':
			s.at = i + 1
			return plain
		case c == '\\':
			plain = false
			i++
			if i < len(s.text) && !s.validEscape(i) {
				s.at = i
				s.unexpected("an escape")
				return false
			}
		case c < 0x20:
			s.at = i
			s.unexpected("a character of a string")
			return false
		}
	}
	s.at = len(s.text)
	s.unexpected("the end of a string")
	return false
}

// validEscape reports whether what follows a backslash is an escape. The digits of \u are passed over as the characters
// that they are.
func (s *scanner) validEscape(i int) bool {
	switch s.text[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		if len(s.text)-i < 5 {
			return false
		}
		for _, c := range []byte(s.text[i+1 : i+5]) {
			if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
				return false
			}
		}
		return true
	}
	return false
}

// skip passes over a value.
func (s *scanner) skip() {
	switch c := s.next(); {
	case c == '{':
		s.skipObject()
	case c == '[':
		s.list(s.skip)
	case c == '"':
		s.passQuoted()
	case c == 't':
		s.literal("true")
	case c == 'f':
		s.literal("false")
	case c == 'n':
		s.literal("null")
	case c == '-' || '0' <= c && c <= '9':
		s.number()
	default:
		s.unexpected("a value")
	}
}

// skipObject passes over an object without reading its names.
func (s *scanner) skipObject() {
	s.enter()
	for first := true; s.err == nil; first = false {
		if s.next() == '}' && first {
			break
		}
		if s.next() != '"' {
			s.unexpected("the name of a field")
			break
		}
		s.passQuoted()
		if !s.want(':') {
			break
		}
		s.skip()
		if s.next() == '}' {
			break
		}
		s.want(',')
	}
	s.leave('}')
}

// number passes over a number.
func (s *scanner) number() {
	if s.text[s.at] == '-' {
		s.at++
	}
	if s.at < len(s.text) && s.text[s.at] == '0' {
		s.at++
	} else if !s.digits() {
		return
	}
	if s.at < len(s.text) && s.text[s.at] == '.' {
		s.at++
		if !s.digits() {
			return
		}
	}
	if s.at < len(s.text) && (s.text[s.at] == 'e' || s.text[s.at] == 'E') {
		s.at++
		if s.at < len(s.text) && (s.text[s.at] == '+' || s.text[s.at] == '-') {
			s.at++
		}
		s.digits()
	}
}

// digits passes over at least one digit.
func (s *scanner) digits() bool {
	start := s.at
	for s.at < len(s.text) && '0' <= s.text[s.at] && s.text[s.at] <= '9' {
		s.at++
	}
	if s.at == start {
		s.unexpected("a digit")
		return false
	}
	return true
}
