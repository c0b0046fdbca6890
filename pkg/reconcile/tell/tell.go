// Package tell makes Kubernetes events: each thing is said once, in as many words as an event's note may have.
package tell

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/memory"
)

// Reasons of events, as Fluid v1.0.8 has them.
const (
	ReasonErrorProcessRuntime = "ErrorProcessRuntime"
	ReasonErrorDeleteDataset  = "ErrorDeleteDataset"
)

// An event's note has at most 1,024 bytes (Kubernetes' validation of events.k8s.io/v1).
const (
	mostNote = 1000
	// mostNames is what a list of names may take of that.
	mostNames = 700
)

// Last remembers what was said last about each object. A reconcile that still reads a status from before a change would
// say it again.
type Last struct {
	said memory.Of[types.NamespacedName, said]
}

type said struct{ reason, message string }

// IsNews reports whether something else was said last about an object, and remembers what is said now.
func (l *Last) IsNews(about types.NamespacedName, reason, message string) bool {
	now, news := said{reason, message}, false
	l.said.Update(about, func(last said, _ bool) (said, bool) {
		news = last != now
		return now, true
	})
	return news
}

// Forget forgets an object that is gone.
func (l *Last) Forget(about types.NamespacedName) { l.said.Forget(about) }

// Len returns how many objects something is remembered of.
func (l *Last) Len() int { return l.said.Len() }

// Clip keeps a message within what an event's note may have.
func Clip(message string) string {
	if len(message) <= mostNote {
		return message
	}
	return strings.ToValidUTF8(message[:mostNote], "") + "…"
}

// Names lists names as far as they fit into an event, and how many more there are.
func Names(names []string) string {
	text := names[0]
	for i, name := range names[1:] {
		if len(text)+len(name) > mostNames {
			return fmt.Sprintf("%s and %d more", text, len(names)-1-i)
		}
		text += ", " + name
	}
	return text
}
