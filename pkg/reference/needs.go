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

// checkNeeds says who has the names that the reference needs. Reports also have the names that Fluid's own controllers
// and webhook need, where they name copies. Elsewhere they note what would be in Fluid's way: those who know that
// collision want to see that it is none here.
func (p *Plan) checkNeeds(w *World) {
	needs := p.needs(w)
	if w.Depth >= ForReport && w.MirrorNames != SourceNames {
		p.noteSourceNames(w, needs)
	}
	for _, need := range needs {
		p.Needed = append(p.Needed, p.holderOf(w, need))
	}
}

// needs returns the names that the reference needs.
func (p *Plan) needs(w *World) []need {
	switch {
	case p.Source == (Source{}):
		return nil
	case w.Depth >= ForReport && w.MirrorNames == SourceNames:
		return sourceNeeds(w, p.Source)
	case w.Depth >= ForReport:
		return mirrorNeeds(w, p.Source, UniqueNames)
	case w.Depth < ForWriting:
		return nil
	}
	needs := make([]need, len(p.Mirrors))
	for i, mirror := range p.Mirrors {
		needs[i] = need{target: mirror.Target, source: mirror.Original}
	}
	return needs
}

// mirrorNeeds returns the mirrors that the FUSE container needs; none if there is no template that can become a
// sidecar. Unlike newSidecar it doesn't need the physical's volume, which not everybody may read.
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
		for _, pattern := range runtime.CopiedByFluid {
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
func (p *Plan) noteSourceNames(w *World, needs []need) {
	for _, fluids := range sourceNeeds(w, p.Source) {
		existing := w.Metadata(fluids.target)
		if existing == nil || fluids.isScript() || isOwnName(w, existing) {
			continue
		}
		instead := "no copy is needed"
		for _, mirror := range needs {
			if mirror.source == fluids.source {
				instead = "the copy is called " + mirror.target.Name
			}
		}
		p.Findings.Add(finding.CodeSourceNameInUse, fluids.target, "it is %s; Fluid would put the copy of %s in its place, but here %s, so it is neither read nor written",
			Holder(existing), fluids.source, instead)
	}
}

func (n need) isScript() bool { return n.source == finding.Object{} }

// holderOf says who has a name, and adds a finding if it's somebody else or can't be found out.
func (p *Plan) holderOf(w *World, n need) NameNeed {
	name := NameNeed{Kind: n.target.Kind, Namespace: n.target.Namespace, Name: n.target.Name, State: NameFree}
	if !n.isScript() {
		name.Source = n.source.Namespace + "/" + n.source.Name
	}
	existing := w.Metadata(n.target)
	switch {
	case w.Unread(n.target) != "":
		name.State = NameUnknown // the plan has the finding
	case existing == nil:
	case isOwnName(w, existing):
		name.State, name.Holder = NameOwn, Holder(existing)
	case n.isScript() && scriptOfFluid(existing, n.target.Name):
		name.State, name.Holder = NameShared, Holder(existing)
	default:
		name.State, name.Holder = NameTaken, Holder(existing)
		p.Findings.Add(finding.CodeMirrorNameTaken, n.target, "%s needs this name, and it is taken: %s", n.purpose(), name.Holder)
	}
	return name
}

func (n need) purpose() string {
	if n.isScript() {
		return "a script that Fluid's webhook lets pods run"
	}
	return "the copy of " + n.source.String()
}

// isOwnName reports whether what has the name of a mirror is the reference's: the mirror, the mirror without its mark or
// its owner, which the controller gives back, or the copy that Fluid made, where copies have Fluid's names.
func isOwnName(w *World, existing metav1.Object) bool {
	return Owns(w.Dataset, existing) || HasLostMark(w.Dataset, existing) ||
		(w.MirrorNames == SourceNames && IsCopyOfFluid(w.Dataset, existing))
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
