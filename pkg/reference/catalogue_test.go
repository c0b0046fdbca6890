package reference

import (
	"regexp"
	"strings"
	"testing"
)

// TestCatalogueIsComplete: codes are well-formed, in order and unique, and so are reasons; each entry explains itself.
func TestCatalogueIsComplete(t *testing.T) {
	reasons := map[string]bool{}
	last := Code("")
	for _, entry := range Catalogue() {
		if !regexp.MustCompile(`^KF[1-4]\d{3}$`).MatchString(string(entry.Code)) || entry.Code <= last {
			t.Errorf("code %s after %s", entry.Code, last)
		}
		last = entry.Code
		if !regexp.MustCompile(`^[A-Z][A-Za-z]+$`).MatchString(entry.Reason) || reasons[entry.Reason] {
			t.Errorf("%s has the reason %q", entry.Code, entry.Reason)
		}
		reasons[entry.Reason] = true
		if entry.Title == "" || strings.HasSuffix(entry.Title, ".") || entry.Meaning == "" || (entry.Severity.Blocks() && entry.Remedy == "") {
			t.Errorf("%s isn't explained: %+v", entry.Code, entry)
		}
	}
}
