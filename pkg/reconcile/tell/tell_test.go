package tell

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/types"
)

func TestPodsInAnEventFitIntoIt(t *testing.T) {
	var names []string
	for i := range 50 {
		names = append(names, fmt.Sprintf("%s-%d", strings.Repeat("x", 200), i))
	}
	text := Names(names)
	if !strings.HasSuffix(text, " and 47 more") || len(text) > mostNames+20 {
		t.Errorf("%d bytes: %s", len(text), text)
	}
	if text := Names(names[:1]); text != names[0] {
		t.Error(text)
	}
	if text := Names([]string{"a", "b"}); text != "a, b" {
		t.Error(text)
	}
}

// TestLongMessagesFitIntoAnEvent: also where the limit falls within a character.
func TestLongMessagesFitIntoAnEvent(t *testing.T) {
	for _, message := range []string{"short", strings.Repeat("x", mostNote), strings.Repeat("x", mostNote+1), "x" + strings.Repeat("数", mostNote)} {
		text := Clip(message)
		if len(text) > 1024 || !utf8.ValidString(text) {
			t.Errorf("%d bytes became %d, valid: %t", len(message), len(text), utf8.ValidString(text))
		}
		if begin, clipped := strings.CutSuffix(text, "…"); !strings.HasPrefix(message, begin) || clipped != (len(message) > mostNote) {
			t.Errorf("%q became %q", message, text)
		}
	}
}

// TestTheSameIsSaidOnce: of each object, until something else is said of it.
func TestTheSameIsSaidOnce(t *testing.T) {
	one, other := types.NamespacedName{Name: "one"}, types.NamespacedName{Name: "other"}
	var last Last
	for i, step := range []struct {
		about           types.NamespacedName
		reason, message string
		news            bool
	}{
		{one, "Lacks", "a", true}, {one, "Lacks", "a", false}, {other, "Lacks", "a", true},
		{one, "Lacks", "b", true}, {one, "Wants", "b", true}, {one, "Lacks", "a", true}, {other, "Lacks", "a", false},
	} {
		if news := last.IsNews(step.about, step.reason, step.message); news != step.news {
			t.Errorf("step %d: news is %t, want %t", i, news, step.news)
		}
	}
	last.Forget(one)
	last.Forget(other)
	if last.Len() != 0 || !last.IsNews(one, "Lacks", "a") {
		t.Error("it doesn't forget")
	}
}
