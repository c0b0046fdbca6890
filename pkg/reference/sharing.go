package reference

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

// Sharing is a cluster's policy: whose consent a reference to a Dataset of another namespace needs. The zero value
// enforces the lists of owners and asks nobody else.
type Sharing string

const (
	// SharingOpen needs nobody's consent, as with Fluid.
	SharingOpen Sharing = "open"
	// SharingRBAC needs the verb use on the physical Dataset for whoever creates the reference, or the owner's list.
	SharingRBAC Sharing = "rbac"
	// SharingOwner needs the owner's list.
	SharingOwner Sharing = "owner"
)

const (
	// AnnotationSharedWith on a physical Dataset is its owner's list of the namespaces that may refer to it, separated
	// by commas; * stands for all. Where it is there it is the whole list.
	AnnotationSharedWith = "kubectl-fluid.dev/shared-with"
	// AnnotationSharing on the controller's MutatingWebhookConfiguration says what a cluster's policy is.
	AnnotationSharing = "kubectl-fluid.dev/sharing"
)

// Names in RBAC of the right to refer to a Dataset.
const (
	VerbUse          = "use"
	ResourceDatasets = "datasets"
)

// AllNamespaces in an owner's list stands for every namespace.
const AllNamespaces = "*"

// ParseSharing reads the name of a policy.
func ParseSharing(text string) (Sharing, error) {
	switch sharing := Sharing(text); sharing {
	case SharingOpen, SharingRBAC, SharingOwner:
		return sharing, nil
	}
	return "", fmt.Errorf("%q is not a policy of sharing: it must be %s, %s or %s", text, SharingOpen, SharingRBAC, SharingOwner)
}

// SharedWith is an owner's list.
type SharedWith struct {
	// Namespaces are the entries that count, sorted; * is one.
	Namespaces []string
	// Ignored are the entries that can't be namespaces.
	Ignored []string
}

// SharedWithOf returns the list of a Dataset's owner, or false if there is none. An empty list is one: it shares the
// Dataset with nobody.
func SharedWithOf(dataset *datav1alpha1.Dataset) (SharedWith, bool) {
	text, ok := dataset.Annotations[AnnotationSharedWith]
	return ParseSharedWith(text), ok
}

// ParseSharedWith reads a list; blanks and empty entries don't count.
func ParseSharedWith(text string) SharedWith {
	var list SharedWith
	for entry := range strings.SplitSeq(text, ",") {
		entry = strings.TrimSpace(entry)
		switch {
		case entry == "":
		case entry == AllNamespaces || len(validation.IsDNS1123Label(entry)) == 0:
			list.Namespaces = append(list.Namespaces, entry)
		default:
			list.Ignored = append(list.Ignored, entry)
		}
	}
	slices.Sort(list.Namespaces)
	list.Namespaces = slices.Compact(list.Namespaces)
	return list
}

// Has reports whether a namespace is on the list.
func (l SharedWith) Has(namespace string) bool {
	return slices.Contains(l.Namespaces, namespace) || slices.Contains(l.Namespaces, AllNamespaces)
}

// String returns the list as the annotation has it, without what is ignored.
func (l SharedWith) String() string { return strings.Join(l.Namespaces, ",") }

// Consent is what can be known of an owner's will without asking who creates a reference.
type Consent int

const (
	// ConsentUnsaid leaves it to the rights of whoever creates the reference.
	ConsentUnsaid Consent = iota
	// ConsentGranted needs nothing else.
	ConsentGranted
	// ConsentWithheld can't be made up for by any right.
	ConsentWithheld
)

// ConsentOf says whether a namespace may refer to a physical Dataset, nil if it doesn't exist. It is the rule; everybody
// who enforces it asks this function.
func ConsentOf(sharing Sharing, physical *datav1alpha1.Dataset, source Source, namespace string) Consent {
	if source.Namespace == namespace || sharing == SharingOpen {
		return ConsentGranted
	}
	if physical != nil {
		if list, ok := SharedWithOf(physical); ok {
			if list.Has(namespace) {
				return ConsentGranted
			}
			return ConsentWithheld
		}
	}
	if sharing == SharingOwner {
		return ConsentWithheld
	}
	return ConsentUnsaid
}

// NotAllowed is the finding that a user mayn't refer to a physical Dataset. It doesn't depend on whether that exists, nor
// on its owner's list, so that nobody can find out with it which Datasets there are.
func NotAllowed(key types.NamespacedName, user string, source Source) finding.Finding {
	return finding.New(finding.CodeNotAllowed, finding.Object{Kind: datav1alpha1.DatasetKind, Namespace: key.Namespace, Name: key.Name},
		"%s may not refer to %s: that takes the verb %s on %s.%s %s in namespace %s, or its owner's consent for namespace %s",
		user, source.Key(), VerbUse, ResourceDatasets, datav1alpha1.GroupVersion.Group, source.Name, source.Namespace, key.Namespace)
}

// NotShared reports whether the owner of the physical Dataset doesn't consent to the reference, or no longer.
func (p *Plan) NotShared() bool {
	return slices.ContainsFunc(p.Findings, func(f finding.Finding) bool { return f.Code == finding.CodeNotShared })
}

// checkConsent reports whether the reference may know anything of the physical Dataset. The finding doesn't depend on
// whether that exists.
func (p *Plan) checkConsent(w *World) bool {
	physical := finding.Object{Kind: datav1alpha1.DatasetKind, Namespace: p.Source.Namespace, Name: p.Source.Name}
	if w.Unread(physical) != "" {
		return true // That nothing is known of it is a finding of its own.
	}
	if w.Physical != nil && w.Sharing != SharingOpen {
		if list, _ := SharedWithOf(w.Physical); len(list.Ignored) > 0 {
			p.Findings.Add(finding.CodeSharedWithInvalid, physical, "the entries %q of its annotation %s are ignored: they can't be namespaces",
				list.Ignored, AnnotationSharedWith)
		}
	}
	if ConsentOf(w.Sharing, w.Physical, p.Source, w.Dataset.Namespace) != ConsentWithheld {
		return true
	}
	p.Findings.Add(finding.CodeNotShared, w.datasetObject(), "%s is not shared with namespace %s", p.Source.Key(), w.Dataset.Namespace)
	return false
}
