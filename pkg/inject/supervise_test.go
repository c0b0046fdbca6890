package inject

import (
	"strings"
	"testing"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/inject/scripts"
)

func TestKubeletLeavesTheScriptsAndTheirWordsAlone(t *testing.T) {
	for _, word := range []string{scripts.Supervise(), scripts.SuperviseShared()} {
		if got := expand(word); got != word {
			t.Errorf("kubelet would run %q", got)
		}
	}
	for _, word := range []string{"/data", "$(HOME)", "$$(HOME)", "$$$(HOME)", "$", "$$", "a$b", "$(", "日志"} {
		if got := expand(escapeVariables(word)); got != word {
			t.Errorf("kubelet would make %q of %q", got, word)
		}
	}
}

// expand does to a word of a command what kubelet does, with every variable empty: k8s.io/kubernetes,
// third_party/forked/golang/expansion.
func expand(word string) string {
	var expanded strings.Builder
	for i := 0; i < len(word); i++ {
		if word[i] != '$' || i+1 == len(word) {
			expanded.WriteByte(word[i])
			continue
		}
		i++
		end := strings.IndexByte(word[i:], ')')
		switch {
		case word[i] == '$':
			expanded.WriteByte('$')
		case word[i] == '(' && end >= 0:
			i += end
		default:
			expanded.WriteString(word[i-1 : i+1])
		}
	}
	return expanded.String()
}
