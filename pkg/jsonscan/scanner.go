// Package jsonscan reads JSON texts for a few fields of them, as the API server reads them, without making anything of the rest.
package jsonscan

import (
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"
	"unsafe"
)

// Scanner reads a JSON text once, from the beginning to the end, for what its caller wants of it. Everything else is
// checked to be JSON and passed over without being kept. It takes what sigs.k8s.io/json takes, the API server's own
// reader: names of fields are case-sensitive, null leaves a value as it is, bytes that aren't UTF-8 become U+FFFD. A
// field that is wanted and there twice is an error, since a patch could mean either.
//
// After the first error nothing more is read.
type Scanner struct {
	text  string
	at    int
	depth int
	err   error
}

// maxDepth is how deeply encoding/json lets values be nested.
const maxDepth = 10000

// maxWanted is how many different fields one object may be wanted for.
const maxWanted = 16

// New returns a Scanner at the beginning of a text.
func New(text string) *Scanner { return &Scanner{text: text} }

// InPlace is New for bytes, without a copy of them: the strings that are read are parts of the text, so it mustn't change
// any more.
func InPlace(text []byte) *Scanner { return New(unsafe.String(unsafe.SliceData(text), len(text))) }

// At returns how many bytes of the text have been read.
func (s *Scanner) At() int { return s.at }

func (s *Scanner) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf("at byte %d: %s", s.at, fmt.Sprintf(format, args...))
		s.at = len(s.text)
	}
}

// Next passes over blanks and returns the byte after them without taking it, or 0 at the end of the text.
func (s *Scanner) Next() byte {
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
func (s *Scanner) want(c byte) bool {
	if s.Next() != c || s.at >= len(s.text) {
		s.unexpected(string(c))
		return false
	}
	s.at++
	return true
}

func (s *Scanner) unexpected(wanted string) {
	if s.at >= len(s.text) {
		s.fail("the text ends where %s should be", wanted)
		return
	}
	s.fail("there is %q where %s should be", s.text[s.at], wanted)
}

// Document reads the whole text as one value.
func (s *Scanner) Document(value func()) error {
	value()
	if s.Next(); s.err == nil && s.at < len(s.text) {
		s.unexpected("the end")
	}
	return s.err
}

// Object reads an object or null; it reports whether it was an object. For each member field is called with its name;
// it reads the value and returns true, or returns false and so leaves it out. At most 16 different fields may be wanted.
func (s *Scanner) Object(field func(name string) bool) bool {
	var seen [maxWanted]string
	wanted := 0
	return s.Members(func(name string) {
		if !field(name) {
			s.Skip()
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

// Members reads an object or null and calls member for each name; it has to read the value.
func (s *Scanner) Members(member func(name string)) bool {
	if s.Next() != '{' {
		s.null("an object")
		return false
	}
	s.enter()
	for first := true; s.err == nil; first = false {
		if s.Next() == '}' && first {
			break
		}
		if s.Next() != '"' {
			s.unexpected("the name of a field")
			break
		}
		name := s.quoted()
		if !s.want(':') {
			break
		}
		member(name)
		if s.Next() == '}' {
			break
		}
		s.want(',')
	}
	s.leave('}')
	return true
}

// List reads a list or null; it reports whether it was a list. For each element element is called and has to read it.
func (s *Scanner) List(element func()) bool {
	if s.Next() != '[' {
		s.null("a list")
		return false
	}
	s.enter()
	for first := true; s.err == nil; first = false {
		if s.Next() == ']' && first {
			break
		}
		element()
		if s.Next() == ']' {
			break
		}
		s.want(',')
	}
	s.leave(']')
	return true
}

// enter takes the bracket that opens a value.
func (s *Scanner) enter() {
	s.at++
	if s.depth++; s.depth > maxDepth {
		s.fail("values are nested too deeply")
	}
}

// leave takes the bracket that closes it.
func (s *Scanner) leave(c byte) {
	if s.err == nil && s.want(c) {
		s.depth--
	}
}

// String reads a string into a value; null leaves it alone.
func (s *Scanner) String(value *string) {
	if s.Next() != '"' {
		s.null("a string")
		return
	}
	*value = s.quoted()
}

// Bool reads true or false into a value; null leaves it alone. It reports whether it wasn't null.
func (s *Scanner) Bool(value *bool) bool {
	switch s.Next() {
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

// Int reads a whole number into a value; null leaves it alone.
func (s *Scanner) Int(value *int64) {
	if c := s.Next(); c != '-' && (c < '0' || c > '9') {
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

// Present passes over a value and reports whether it isn't null.
func (s *Scanner) Present() bool {
	c := s.Next()
	s.Skip()
	return c != 'n'
}

// Strings reads an object of strings; nil is null.
func (s *Scanner) Strings() map[string]string {
	if s.Next() != '{' {
		s.null("an object")
		return nil
	}
	read := map[string]string{}
	s.Members(func(name string) {
		if _, twice := read[name]; twice {
			s.fail("the field %q is there twice", name)
			return
		}
		value := ""
		s.String(&value)
		read[name] = value
	})
	return read
}

// null takes null; anything else isn't what was wanted.
func (s *Scanner) null(wanted string) {
	if s.Next() != 'n' {
		s.unexpected(wanted)
		return
	}
	s.literal("null")
}

func (s *Scanner) literal(word string) bool {
	if len(s.text)-s.at < len(word) || s.text[s.at:s.at+len(word)] != word {
		s.unexpected(word)
		return false
	}
	s.at += len(word)
	return true
}

// quoted takes a string, whose quotation mark comes next, and returns what it says.
func (s *Scanner) quoted() string {
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
func (s *Scanner) passQuoted() (plain bool) {
	plain = true
	for i := s.at + 1; i < len(s.text); i++ {
		for i+8 < len(s.text) && isPlain(s.text[i:i+8]) {
			i += 8
		}
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

// isPlain reports whether none of eight bytes ends a string, begins an escape, or is a control character. It looks at all
// of them at once: a byte borrows from above its highest bit when something larger is taken from it. That it may say no
// because of a byte after such a one does no harm.
func isPlain(eight string) bool {
	const each, highest = 0x0101010101010101, 0x8080808080808080
	word := uint64(eight[0]) | uint64(eight[1])<<8 | uint64(eight[2])<<16 | uint64(eight[3])<<24 |
		uint64(eight[4])<<32 | uint64(eight[5])<<40 | uint64(eight[6])<<48 | uint64(eight[7])<<56
	quotes, escapes := word^(each*'"'), word^(each*'\\')
	control := (word - each*0x20) &^ word
	return (control|(quotes-each)&^quotes|(escapes-each)&^escapes)&highest == 0
}

// validEscape reports whether what follows a backslash is an escape. The digits of \u are passed over as the characters
// that they are.
func (s *Scanner) validEscape(i int) bool {
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

// Raw passes over a value and returns its text.
func (s *Scanner) Raw() string { return s.Text(s.Skip) }

// Text returns the text of the value that comes next, which read has to read.
func (s *Scanner) Text(read func()) string {
	s.Next()
	start := s.at
	read()
	return s.text[start:s.at]
}

// Find passes over an object and returns the text of what is at a path in it, or nothing.
func (s *Scanner) Find(path ...string) string {
	if len(path) == 0 {
		return s.Raw()
	}
	found := ""
	s.Object(func(field string) bool {
		if field == path[0] {
			found = s.Find(path[1:]...)
		}
		return field == path[0]
	})
	return found
}

// Skip passes over a value.
func (s *Scanner) Skip() {
	switch c := s.Next(); {
	case c == '{':
		s.skipObject()
	case c == '[':
		s.List(s.Skip)
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
func (s *Scanner) skipObject() {
	s.enter()
	for first := true; s.err == nil; first = false {
		if s.Next() == '}' && first {
			break
		}
		if s.Next() != '"' {
			s.unexpected("the name of a field")
			break
		}
		s.passQuoted()
		if !s.want(':') {
			break
		}
		s.Skip()
		if s.Next() == '}' {
			break
		}
		s.want(',')
	}
	s.leave('}')
}

// number passes over a number.
func (s *Scanner) number() {
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
func (s *Scanner) digits() bool {
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
