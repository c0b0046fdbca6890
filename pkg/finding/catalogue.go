package finding

import "iter"

// Code is the stable identifier of a kind of finding: 1xxx the cluster and the installation, 2xxx the physical Dataset
// and its runtime, 3xxx the reference, 4xxx the sidecar and the pod. A code is never used again for something else.
type Code string

// kind is one kind of finding. Those of each thousand are in a file of their own: kf1.go to kf4.go.
type kind struct {
	code     Code
	severity Severity
	// reason is the name for conditions and events.
	reason  string
	english text
	chinese text
}

// kinds returns the kinds of findings in the order of their codes.
func kinds() iter.Seq[*kind] {
	return func(yield func(*kind) bool) {
		for _, thousand := range [][]kind{clusterKinds, physicalKinds, referenceKinds, podKinds} {
			for i := range thousand {
				if !yield(&thousand[i]) {
					return
				}
			}
		}
	}
}

// text explains a kind of finding in one language.
type text struct {
	// title is one line without a full stop.
	title string
	// meaning says what it is and where the rule comes from, in sentences.
	meaning string
	// remedy says what to do, without a capital letter and a full stop; empty where there is nothing to do.
	remedy string
}

// Entry explains a kind of finding.
type Entry struct {
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`
	// Reason is the name for conditions and events.
	Reason string `json:"reason"`
	// Title is one line without a full stop.
	Title string `json:"title"`
	// Meaning says what it is and where the rule comes from.
	Meaning string `json:"meaning"`
	// Remedy says what to do; empty where there is nothing to do.
	Remedy string `json:"remedy,omitempty"`
}

// Catalogue returns all entries in the order of their codes, in English.
func Catalogue() []Entry { return CatalogueIn(English) }

// CatalogueIn returns all entries in the order of their codes.
func CatalogueIn(language Language) []Entry {
	var entries []Entry
	for kind := range kinds() {
		entries = append(entries, kind.in(language))
	}
	return entries
}

// Explain returns the catalogue's entry for a code in English, or false.
func Explain(code Code) (Entry, bool) { return ExplainIn(English, code) }

// ExplainIn returns the catalogue's entry for a code, or false.
func ExplainIn(language Language, code Code) (Entry, bool) {
	for kind := range kinds() {
		if kind.code == code {
			return kind.in(language), true
		}
	}
	return Entry{}, false
}

func (k *kind) in(language Language) Entry {
	words := k.english
	if language == Chinese {
		words = k.chinese
	}
	return Entry{Code: k.code, Severity: k.severity, Reason: k.reason, Title: words.title, Meaning: words.meaning, Remedy: words.remedy}
}
