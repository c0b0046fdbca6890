package finding

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// TestCatalogueIsComplete: codes are well-formed, in order and unique, and so are reasons.
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
	}
}

// TestEveryLanguageExplainsEveryFinding: there is a text for each kind of finding, it is as long as that of the others, in its own script and with the punctuation that its users expect.
func TestEveryLanguageExplainsEveryFinding(t *testing.T) {
	for _, language := range Languages() {
		for _, entry := range CatalogueIn(language) {
			english, _ := Explain(entry.Code)
			if entry.Title == "" || entry.Meaning == "" || (entry.Remedy == "") != (english.Remedy == "") || (entry.Severity.Blocks() && entry.Remedy == "") {
				t.Errorf("%s isn't explained in %s: %+v", entry.Code, language, entry)
			}
			stop := map[Language]string{English: ".", Chinese: "。"}[language]
			if strings.HasSuffix(entry.Title, stop) || strings.HasSuffix(entry.Remedy, stop) || !strings.HasSuffix(entry.Meaning, stop) {
				t.Errorf("%s in %s: title and remedy have no full stop, meanings do: %+v", entry.Code, language, entry)
			}
			for _, text := range []string{entry.Title, entry.Meaning, entry.Remedy} {
				if chinese := strings.ContainsFunc(text, isHan); text != "" && chinese != (language == Chinese) {
					t.Errorf("%s in %s: %s", entry.Code, language, text)
				}
			}
		}
	}
}

func isHan(r rune) bool { return unicode.Is(unicode.Han, r) }

// TestTranslationsKeepCommandsAndNames: what is typed is the same in every language, so that it can be copied.
func TestTranslationsKeepCommandsAndNames(t *testing.T) {
	typed := regexp.MustCompile(`kubectl fluid( [a-z-]+)+|--[a-z]+[a-z-=]*|[a-z.-]+\.(?:io|dev)/[a-z-]+(?:=[a-z]+)?`)
	for _, english := range CatalogueIn(English) {
		chinese, _ := ExplainIn(Chinese, english.Code)
		for _, pair := range [][2]string{{english.Meaning, chinese.Meaning}, {english.Remedy, chinese.Remedy}} {
			if want, got := typed.FindAllString(pair[0], -1), typed.FindAllString(pair[1], -1); !slices.Equal(want, got) {
				t.Errorf("%s: English has %q, Chinese has %q", english.Code, want, got)
			}
		}
	}
}

func TestParseLanguage(t *testing.T) {
	for tag, want := range map[string]Language{
		"en": English, "en_US.UTF-8": English, "C": English, "POSIX": English, "C.UTF-8": English,
		"zh": Chinese, "zh-CN": Chinese, "zh_CN.UTF-8": Chinese, "ZH-hans": Chinese,
		"": "", "de_DE.UTF-8": "", "zhx": "", "english": "",
	} {
		if got, ok := ParseLanguage(tag); got != want || ok != (want != "") {
			t.Errorf("%q means %q, %t", tag, got, ok)
		}
	}
}

func TestFindingsSpeakALanguage(t *testing.T) {
	finding := New(CodeChain, Object{Kind: "Dataset", Namespace: "a", Name: "b"}, "x")
	inEnglish, _ := ExplainIn(English, CodeChain)
	inChinese, _ := ExplainIn(Chinese, CodeChain)
	english, chinese := List{finding}, List{finding}.In(Chinese)
	if english[0].Remedy != inEnglish.Remedy || chinese[0].Remedy != inChinese.Remedy || inEnglish == inChinese ||
		chinese[0].Message != "x" || english.In(English)[0] != finding {
		t.Errorf("%+v is in Chinese %+v", english, chinese)
	}
}
