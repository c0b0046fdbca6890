package inject

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/jsonscan"
)

// withUnknownFields gives each object of a JSON text one more field, which nobody knows. It returns the fields as they are
// written, by the place where they are in the new text.
func withUnknownFields(text string) (string, map[int]string) {
	var b strings.Builder
	fields := map[int]string{}
	inString := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		b.WriteByte(c)
		switch {
		case c == '\\' && inString:
			i++
			b.WriteByte(text[i])
		case c == '"':
			inString = !inString
		case c == '{' && !inString:
			value := `{"":[null,true,-1.50e+02,12345678901234567890,"\u00e9\/日志 \ud83d\ude00"],"a":{},"a":[]}`
			if before := text[:i]; strings.HasSuffix(before, `"labels":`) || strings.HasSuffix(before, `"annotations":`) {
				value = `"\u00e9\/日志"`
			}
			field := fmt.Sprintf(`"future%d":%s`, len(fields), value)
			fields[b.Len()] = field
			b.WriteString(field)
			if text[i+1] != '}' {
				b.WriteByte(',')
			}
		}
	}
	return b.String(), fields
}

// claimSpans are where in a pod's text its volumes are that claims are in: the patch replaces them.
func claimSpans(t *testing.T, text string) (spans [][2]int) {
	t.Helper()
	s := jsonscan.New(text)
	err := s.Document(func() {
		s.Object(func(field string) bool {
			if field != "spec" {
				return false
			}
			s.Object(func(field string) bool {
				if field != "volumes" {
					return false
				}
				s.List(func() {
					s.Next()
					start := s.At()
					if volume := scanVolume(s); volume.Claimed {
						spans = append(spans, [2]int{start, s.At()})
					}
				})
				return true
			})
			return true
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return spans
}

// TestUnknownFieldsOfEveryObjectSurviveByteForByte in every pod of the tests, but in volumes that are replaced.
func TestUnknownFieldsOfEveryObjectSurviveByteForByte(t *testing.T) {
	files, err := filepath.Glob("testdata/pods/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, variant := range randomVariants() {
		sidecar := Compile(dataset{"alluxio", physical, pullSecret}.sidecar(t, "refdemo"), variant)
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".yaml")
			text, fields := withUnknownFields(string(readPod(t, name)))
			pod := mustRead(t, []byte(text))
			sidecars := map[string]*Sidecar{}
			for _, claim := range pod.Claims() {
				sidecars[claim] = sidecar
			}
			patch, _ := Patch(pod, sidecars, Options{HostDirectory: "x"})
			if patch == nil {
				continue
			}
			patched := string(apply(t, []byte(text), patch))
			spans := claimSpans(t, text)
			for at, field := range fields {
				replaced := false
				for _, span := range spans {
					replaced = replaced || span[0] <= at && at < span[1]
				}
				if count := strings.Count(patched, field); !replaced && count != 1 {
					t.Errorf("%s, %+v: %s is there %d times", name, variant, field, count)
				}
				checked++
			}
		}
	}
	if checked < 1000 {
		t.Errorf("only %d fields were looked for", checked)
	}
}
