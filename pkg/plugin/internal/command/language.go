package command

import (
	"github.com/spf13/cobra"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

// LanguageFlag is the flag --lang of all commands.
const LanguageFlag = "lang"

// LanguageOf returns the language of --lang, or of the locale: the first of LC_ALL, LC_MESSAGES and LANG that is set, as
// in POSIX. Locales of other languages get English.
func LanguageOf(cmd *cobra.Command, env Environment) (finding.Language, error) {
	if chosen := cmd.Flags().Lookup(LanguageFlag); chosen != nil && chosen.Changed {
		language, ok := finding.ParseLanguage(chosen.Value.String())
		if !ok {
			return "", Usagef(cmd, "unknown --%s %q: there are en and zh", LanguageFlag, chosen.Value)
		}
		return language, nil
	}
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if locale := env.Getenv(name); locale != "" {
			if language, ok := finding.ParseLanguage(locale); ok {
				return language, nil
			}
			break
		}
	}
	return finding.English, nil
}
