package jsonscan

import (
	"encoding/json"
	"strings"
	"testing"
)

func texts() []string {
	return []string{``, ` `, `null`, `nul`, `true`, `falsy`, `0`, `-0`, `01`, `1.5e-3`, `1.`, `-`, `"a\u00e9\n"`, `"\x"`, `"\u12"`, "\"\t\"", `"a`, `[]`, `[1,]`, `[,]`, `[1 2]`, `{}`,
		`{"a":1,"b":[{"c":null}]}`, `{"a":1,}`, `{"a"}`, `{a:1}`, `{"a":1}}`, ` {"a" : 1 } `, `{"a":1,"a":2}`, strings.Repeat("[", 10001) + strings.Repeat("]", 10001),
		strings.Repeat("[", 10000) + strings.Repeat("]", 10000)}
}

// checkValid makes sure that a text is passed over if it is JSON, and only then.
func checkValid(t *testing.T, text string) {
	t.Helper()
	s := New(text)
	if err := s.Document(s.Skip); (err == nil) != json.Valid([]byte(text)) {
		t.Errorf("%.100q: error %v, encoding/json says %v", text, err, json.Valid([]byte(text)))
	}
}

func TestWhatIsPassedOverIsJSON(t *testing.T) {
	for _, text := range texts() {
		checkValid(t, text)
	}
}

// TestEachByteOfAStringIsLookedAt: wherever it is in a string, since eight are looked at at once.
func TestEachByteOfAStringIsLookedAt(t *testing.T) {
	for c := range 256 {
		for at := range 20 {
			text := strings.Repeat("a", at) + string([]byte{byte(c)}) + strings.Repeat("b", 19-at)
			for _, end := range []string{`"`, `"]`, `" , "cdefghijkl"]`} {
				checkValid(t, `["`+text+end)
			}
		}
	}
}

func FuzzWhatIsPassedOverIsJSON(f *testing.F) {
	for _, text := range texts() {
		f.Add(text)
	}
	f.Fuzz(checkValid)
}

func TestFindReturnsTheTextAsItIs(t *testing.T) {
	const text = ` {"other": {"a": 1}, "spec": { "list" : [ {"x": "é\u00e9"} , null ]  }, "last": true}`
	for path, want := range map[string]string{
		"spec.list": `[ {"x": "é\u00e9"} , null ]`, "spec": `{ "list" : [ {"x": "é\u00e9"} , null ]  }`, "last": `true`, "other.a": `1`, "other.b": ``, "nosuch.a": ``,
		"": strings.TrimSpace(text),
	} {
		s, found := New(text), ""
		steps := strings.FieldsFunc(path, func(c rune) bool { return c == '.' })
		if err := s.Document(func() { found = s.Find(steps...) }); err != nil || found != want {
			t.Errorf("%q: %q, %v", path, found, err)
		}
	}
}

func TestAWantedFieldThatIsThereTwiceIsAnError(t *testing.T) {
	for field, wrong := range map[string]bool{"a": true, "b": false} {
		s := New(`{"a":1,"b":2,"a":3}`)
		err := s.Document(func() {
			s.Object(func(name string) bool {
				if name == field {
					s.Skip()
				}
				return name == field
			})
		})
		if (err != nil) != wrong {
			t.Errorf("%s: %v", field, err)
		}
	}
}
