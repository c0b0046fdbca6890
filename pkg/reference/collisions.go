package reference

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

// NameState says what has a name that a reference needs.
type NameState string

const (
	// NameFree names aren't in use.
	NameFree NameState = "Free"
	// NameOwn names are in use by an object of this reference.
	NameOwn NameState = "Own"
	// NameShared names are in use by a script of Fluid's webhook, which all Datasets of a namespace share.
	NameShared NameState = "Shared"
	// NameTaken names are in use by something else.
	NameTaken NameState = "Taken"
	// NameUnknown names couldn't be looked up.
	NameUnknown NameState = "Unknown"
)

// NameNeed is the name of a ConfigMap or Secret that a reference needs in its namespace.
type NameNeed struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Source is what it's a copy of as namespace/name; empty for a script of Fluid's webhook.
	Source string    `json:"source,omitempty"`
	State  NameState `json:"state"`
	// Holder says whose the object is that has the name.
	Holder string `json:"holder,omitempty"`
}

// Names of the ConfigMaps in which Fluid's webhook keeps scripts that pods run, and its mark on them.
const (
	appScript            = "check-fluid-mount-ready"
	sidecarScriptSuffix  = "-default-check-mount"
	earlierScriptSuffix  = "-check-mount" // up to v1.0.5, after the names of the Dataset and the mount type
	annotationScriptHash = "fluid.io/check-mount-script-sha256"
	webhookFieldManager  = "fluid-webhook"
)

// need is a NameNeed before anybody looked who has the name.
type need struct {
	target finding.Object
	source finding.Object // zero for a script
}

// Names returns the names in the reference's namespace that Collisions looks at: those of mirrors, and those that a
// reference needs where Fluid's own controllers and webhook serve it.
func Names(w *World, source Source) []finding.Object {
	var targets []finding.Object
	for _, need := range append(sourceNeeds(w, source), mirrorNeeds(w, source, w.MirrorNames)...) {
		if !slices.Contains(targets, need.target) {
			targets = append(targets, need.target)
		}
	}
	return targets
}

// Collisions says who has the names that a reference needs: mirrors with names of their own or, with SourceNames, what
// the FUSE container names, what Fluid copies, and the scripts of its webhook. The World's Taken must hold what has
// them, and should hold what has the names of the function Names: with names of their own for mirrors the findings note
// what would collide under Fluid's naming, because those who know that collision want to see that it is none here.
func Collisions(w *World, source Source) ([]NameNeed, finding.List) {
	var findings finding.List
	needs := sourceNeeds(w, source)
	if w.MirrorNames != SourceNames {
		unique := mirrorNeeds(w, source, UniqueNames)
		noteSourceNames(&findings, w, needs, unique)
		needs = unique
	}
	names := make([]NameNeed, 0, len(needs))
	for _, need := range needs {
		names = append(names, need.look(&findings, w))
	}
	return names, findings
}

// mirrorNeeds returns the mirrors that the FUSE container needs; none if there is no template that can become a
// sidecar. Unlike NewSidecar it doesn't need the physical's volume, which not everybody may read.
func mirrorNeeds(w *World, source Source, names MirrorNames) []need {
	if w.Fuse == nil || len(w.Fuse.Spec.Template.Spec.Containers) == 0 || w.Dataset.Namespace == source.Namespace {
		return nil
	}
	template := w.Fuse.Spec.Template.Spec.DeepCopy()
	container := &template.Containers[0]
	var needs []need
	for _, use := range uses(container, mountedVolumes(container, template.Volumes), template.ImagePullSecrets) {
		from := finding.Object{Kind: use.kind, Namespace: source.Namespace, Name: *use.name}
		to := finding.Object{Kind: use.kind, Namespace: w.Dataset.Namespace, Name: mirrorName(names, w.Key(), from)}
		if use.mirrorable() && !slices.ContainsFunc(needs, func(n need) bool { return n.target == to }) {
			needs = append(needs, need{target: to, source: from})
		}
	}
	return needs
}

// sourceNeeds returns what is needed under Fluid's naming. Without the physical Dataset only the script for app containers is
// known; without its volume the mount type, and so the sidecar's script, isn't.
func sourceNeeds(w *World, source Source) []need {
	needs := mirrorNeeds(w, source, SourceNames)
	add := func(name string, from finding.Object) {
		target := finding.Object{Kind: kindConfigMap, Namespace: w.Dataset.Namespace, Name: name}
		if len(validation.IsDNS1123Subdomain(name)) == 0 &&
			!slices.ContainsFunc(needs, func(n need) bool { return n.target == target }) {
			needs = append(needs, need{target: target, source: from})
		}
	}
	if w.Physical != nil && w.Dataset.Namespace != source.Namespace {
		runtime, _ := RuntimeOfDataset(w.Physical)
		for _, pattern := range runtime.Copies {
			name := strings.ReplaceAll(pattern, "*", source.Name)
			add(name, finding.Object{Kind: kindConfigMap, Namespace: source.Namespace, Name: name})
		}
	}
	add(appScript, finding.Object{})
	if w.PhysicalVolume != nil && w.PhysicalVolume.Spec.CSI != nil {
		mountType := strings.ToLower(w.PhysicalVolume.Spec.CSI.VolumeAttributes[datav1alpha1.VolumeAttributeMountType])
		if mountType != "" {
			add(mountType+sidecarScriptSuffix, finding.Object{})
			add(w.Dataset.Name+"-"+mountType+earlierScriptSuffix, finding.Object{})
		}
	}
	return needs
}

// noteSourceNames notes the objects that have a name which Fluid would give to a copy.
func noteSourceNames(findings *finding.List, w *World, needs, unique []need) {
	for _, need := range needs {
		existing := w.Taken[need.target]
		if existing == nil || need.isScript() || belongs(w.Dataset, existing) {
			continue
		}
		instead := "no copy is needed"
		for _, mirror := range unique {
			if mirror.source == need.source {
				instead = "the copy is called " + mirror.target.Name
			}
		}
		findings.Add(finding.CodeSourceNameInUse, need.target, "it is %s; Fluid would put the copy of %s in its place, but here %s, so it is neither read nor written",
			Holder(existing), need.source, instead)
	}
}

func (n need) isScript() bool { return n.source == finding.Object{} }

// look finds out who has a name, and adds a finding if it's somebody else or can't be found out.
func (n need) look(findings *finding.List, w *World) NameNeed {
	name := NameNeed{Kind: n.target.Kind, Namespace: n.target.Namespace, Name: n.target.Name, State: NameFree}
	if !n.isScript() {
		name.Source = n.source.Namespace + "/" + n.source.Name
	}
	existing := w.Taken[n.target]
	switch {
	case w.Taken == nil:
		name.State = NameUnknown
	case w.Unread[n.target] != "":
		name.State = NameUnknown
		findings.Add(finding.CodeUnread, n.target, "it couldn't be read: %s", w.Unread[n.target])
	case existing == nil:
		return name
	case belongs(w.Dataset, existing):
		name.State, name.Holder = NameOwn, Holder(existing)
	case n.isScript() && scriptOfFluid(existing, n.target.Name):
		name.State, name.Holder = NameShared, Holder(existing)
	default:
		name.State, name.Holder = NameTaken, Holder(existing)
		findings.Add(finding.CodeMirrorNameTaken, n.target, "%s needs this name, and it is taken: %s", n.purpose(), name.Holder)
	}
	return name
}

func (n need) purpose() string {
	if n.isScript() {
		return "a script that Fluid's webhook lets pods run"
	}
	return "the copy of " + n.source.String()
}

// belongs reports whether an object was made for this reference, by this project or by Fluid, which sets an owner
// reference and nothing else.
func belongs(reference *datav1alpha1.Dataset, object metav1.Object) bool {
	return Owns(reference, object) || (reference.UID != "" && ownedBy(reference, object))
}

// scriptOfFluid reports whether Fluid's webhook made a script. Releases after v1.0.8 annotate it; v1.0.8 and before
// label those of a mount type with a Dataset and leave the other one bare, so that only the field manager tells.
func scriptOfFluid(object metav1.Object, name string) bool {
	if len(object.GetOwnerReferences()) > 0 {
		return false
	}
	if _, annotated := object.GetAnnotations()[annotationScriptHash]; annotated || LastManager(object) == webhookFieldManager {
		return true
	}
	_, labelled := object.GetLabels()[datav1alpha1.LabelDatasetID]
	return labelled && name != appScript
}
