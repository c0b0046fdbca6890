package finding

import (
	"slices"
	"strings"
)

// Language is a language that the catalogue speaks, as a BCP 47 tag.
type Language string

const (
	English Language = "en"
	Chinese Language = "zh-CN"
)

// Languages returns the languages that the catalogue speaks.
func Languages() []Language { return []Language{English, Chinese} }

// ParseLanguage returns the language that a tag or a locale of the environment means (zh, zh-CN, zh_CN.UTF-8, en_US, C),
// or false if the catalogue doesn't speak it. The Chinese is that of the mainland for every locale of Chinese: there is
// no other.
func ParseLanguage(tag string) (Language, bool) {
	language, _, _ := strings.Cut(strings.ToLower(tag), ".")
	language, _, _ = strings.Cut(strings.ReplaceAll(language, "_", "-"), "-")
	switch language {
	case "zh":
		return Chinese, true
	case "en", "c", "posix":
		return English, true
	}
	return "", false
}

// In returns the finding with the catalogue's remedy in a language. What is wrong in this case stays in English: it names
// objects and fields and repeats what the API server says.
func (f Finding) In(language Language) Finding {
	if entry, ok := ExplainIn(language, f.Code); ok {
		f.Remedy = entry.Remedy
		if f.Command != "" {
			f.Remedy += map[Language]string{English: ": ", Chinese: "："}[language] + f.Command
		}
	}
	return f
}

// In returns the findings with the catalogue's remedies in a language.
func (f List) In(language Language) List {
	translated := slices.Clone(f)
	for i := range translated {
		translated[i] = translated[i].In(language)
	}
	return translated
}
