package reference

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	corev1 "k8s.io/api/core/v1"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

// Plan is what should be for one Dataset, which mostly is a reference. Of a physical Dataset that pods of its own namespace
// use it has the sidecar, and what keeps pods from it.
type Plan struct {
	// Reference is the Dataset's name, Source what it refers to (empty if that can't be read): itself, if it is physical.
	Reference types.NamespacedName
	Source    Source

	// Objects that should exist; nil while something is missing that they depend on.
	ThinRuntime *datav1alpha1.ThinRuntime
	Volume      *corev1.PersistentVolume
	Claim       *corev1.PersistentVolumeClaim
	// Mirrors are the copies that should exist; what is in them is in their sources.
	Mirrors []Mirror
	// Rivals are Datasets and runtimes that would bring what has the names of mirrors, should they exist.
	Rivals []finding.Object
	// Sidecar serves the reference in pods; nil while it can't be made.
	Sidecar *Sidecar

	// Status is the reference's status; the times of its condition ReferenceReady are zero if it changes.
	Status datav1alpha1.DatasetStatus
	// RuntimeStatus is the ThinRuntime's status; nil leaves it alone.
	RuntimeStatus *datav1alpha1.RuntimeStatus

	// Needed are the names of ConfigMaps and Secrets that the reference needs in its namespace.
	Needed []NameNeed

	// Findings are about the Dataset. What they mean for pods, PodFindings says.
	Findings finding.List
	// noSidecar says to pods what CodeVolumeOnly says to the reference.
	noSidecar *finding.Finding

	// Unlooked are the objects that the plan depends on and that nobody has looked for yet: until it is empty, the plan
	// takes them for missing.
	Unlooked []finding.Object
}

// NewPlan says what should be for the Dataset in a World.
func NewPlan(w *World) *Plan {
	p := &Plan{Reference: w.Key()}
	if !IsReference(w.Dataset) {
		p.Source = Source{Namespace: w.Dataset.Namespace, Name: w.Dataset.Name}
		p.Sidecar, p.Mirrors, p.Findings = newSidecar(w, p.Source)
		p.Unlooked = p.unlooked(w, nil)
		return p
	}
	mirrors := p.plan(w)
	p.checkNeeds(w)
	p.checkRivals(w) // A name that is taken says more than one that would be.
	p.Unlooked = p.unlooked(w, mirrors)
	p.Status = p.datasetStatus(w)
	return p
}

// plan returns the mirrors that the sidecar would need, be they allowed or not.
func (p *Plan) plan(w *World) (needed []Mirror) {
	p.checkUnread(w)
	if w.Controller != nil {
		p.checkSecretAccess(w)
	}
	p.checkRefused(w)
	p.checkNames(w)
	p.checkFields(w)
	source, ok := p.parseSource(w)
	if !ok {
		return nil
	}
	p.Source = source
	sidecar, mirrors, findings := newSidecar(w, source)
	if !p.checkConsent(w) {
		return mirrors
	}
	switch p.addSidecarFindings(findings); {
	case sidecar != nil:
		p.Sidecar, p.Mirrors = sidecar, mirrors
		p.checkSidecar(w)
	case p.noSidecar == nil || len(findings) > 1: // something is in the way of the volume too
		return mirrors
	}
	p.ThinRuntime = newThinRuntime(w.Dataset)
	p.Volume = newVolume(w, source)
	p.Claim = newClaim(w, source, p.Volume)
	p.checkVolumeSource(w)
	p.checkAccessModes(w)
	p.checkCredentials(w)
	p.checkOperations(w)
	p.RuntimeStatus = runtimeStatus(w)
	p.checkRecorded(w)
	return mirrors
}

// addSidecarFindings adds why there is no sidecar. Of a runtime that has none, the reference still has the volume.
func (p *Plan) addSidecarFindings(findings finding.List) {
	for _, f := range findings {
		if f.Code == finding.CodeRuntimeNoSidecar {
			p.noSidecar = new(f)
			f = finding.New(finding.CodeVolumeOnly, f.Object, "%s", f.Message)
		}
		p.Findings = append(p.Findings, f)
	}
}

// PodFindings returns what the findings mean for pods that want sidecars: that there is only a volume is in their way.
func (p *Plan) PodFindings() finding.List {
	findings := slices.Clone(p.Findings)
	for i := range findings {
		if findings[i].Code == finding.CodeVolumeOnly && p.noSidecar != nil {
			findings[i] = *p.noSidecar
		}
	}
	return findings
}

// BlockingPods returns what keeps pods from having a sidecar. That the physical Dataset doesn't know the reference yet
// doesn't: it will before anybody can delete it.
func (p *Plan) BlockingPods() finding.List {
	return slices.DeleteFunc(p.PodFindings().Blocking(), func(f finding.Finding) bool { return f.Code == finding.CodeNotRecorded })
}

// checkSidecar looks at what the sidecar needs.
func (p *Plan) checkSidecar(w *World) {
	p.checkTemplate(w)
	p.checkPodSecurity(w)
	p.checkMirrors(w)
	if runtime, ok := RuntimeOfDataset(w.Physical); ok {
		p.Rivals = rivals(w, runtime, p.Mirrors)
	}
}

// Ready reports whether nothing blocks the reference.
func (p *Plan) Ready() bool {
	_, blocked := p.Findings.First()
	return !blocked
}

// Creatable reports whether the reference's objects may be made: nothing blocks but that the physical Dataset doesn't
// know the reference yet, or that writing them was refused before.
func (p *Plan) Creatable() bool {
	return p.Claim != nil && !slices.ContainsFunc(p.Findings, func(f finding.Finding) bool {
		return f.Severity.Blocks() && f.Code != finding.CodeNotRecorded && f.Code != finding.CodeWriteRefused
	})
}

// checkUnread adds a finding for each object of the reference's own that couldn't be read. Those of the physical side
// are reported where they are needed.
func (p *Plan) checkUnread(w *World) {
	for _, object := range w.unread() {
		switch object.Kind {
		case kindDaemonSet, datav1alpha1.DatasetKind:
			continue
		case kindSecret:
			if w.Controller != nil {
				continue
			}
		case kindVolume:
			if object.Name != VolumeName(w.Key()) {
				continue
			}
		}
		p.Findings.Add(finding.CodeUnread, object, "it couldn't be read: %s", w.Unread(object))
	}
}

// isRuntime reports whether a kind is that of a runtime which a cluster need not have.
func isRuntime(kind string) bool {
	return kind != datav1alpha1.ThinRuntimeKind && slices.ContainsFunc(runtimes, func(r Runtime) bool { return r.Kind == kind })
}

func sortedObjects[V any](objects map[finding.Object]V) []finding.Object {
	sorted := make([]finding.Object, 0, len(objects))
	for object := range objects {
		sorted = append(sorted, object)
	}
	slices.SortFunc(sorted, compareObjects)
	return sorted
}

func compareObjects(a, b finding.Object) int { return strings.Compare(a.String(), b.String()) }

// checkNames looks at what has the names of the reference's own objects.
func (p *Plan) checkNames(w *World) {
	if err := ValidateName(w.Dataset.Name); err != nil {
		p.Findings.Add(finding.CodeNameInvalid, w.datasetObject(), "%v", err)
	}
	if w.Claim != nil {
		p.checkHolder(w, finding.Object{Kind: kindClaim, Namespace: w.Dataset.Namespace, Name: w.Dataset.Name}, w.Claim, finding.CodeClaimNameTaken)
	}
	if w.Volume != nil {
		object := finding.Object{Kind: kindVolume, Namespace: "", Name: w.Volume.Name}
		claim := w.Volume.Spec.ClaimRef
		if claim == nil || claim.Namespace != w.Dataset.Namespace || claim.Name != w.Dataset.Name {
			p.Findings.Add(finding.CodeVolumeNameTaken, object, "it belongs to %s", claimOf(claim))
		} else {
			p.checkHolder(w, object, w.Volume, finding.CodeVolumeNameTaken)
		}
	}
	if w.ThinRuntime != nil {
		p.checkThinRuntime(w)
	}
}

func claimOf(claim *corev1.ObjectReference) string {
	if claim == nil {
		return "no claim"
	}
	return "the PersistentVolumeClaim " + claim.Namespace + "/" + claim.Name
}

// checkHolder accepts an object of the reference's own, or one that Fluid made for it.
func (p *Plan) checkHolder(w *World, object finding.Object, existing metav1.Object, taken finding.Code) {
	ours := Owns(w.Dataset, existing) || madeByFluid(w.Dataset, existing)
	switch {
	case existing.GetDeletionTimestamp() != nil && (ours || existing.GetLabels()[LabelReferenceUID] != ""):
		p.Findings.Add(finding.CodeBeingDeleted, object, "it is still being deleted; finalizers: %s", strings.Join(existing.GetFinalizers(), ", "))
	case !ours:
		p.Findings.Add(taken, object, "it exists already, %s", Holder(existing))
	}
}

// checkThinRuntime accepts a ThinRuntime of this reference: owned by it, without a profile, made by us or by Fluid.
func (p *Plan) checkThinRuntime(w *World) {
	object := finding.Object{Kind: datav1alpha1.ThinRuntimeKind, Namespace: w.Dataset.Namespace, Name: w.Dataset.Name}
	switch {
	case w.ThinRuntime.Spec.ProfileName != "":
		p.Findings.Add(finding.CodeRuntimeNameTaken, object, "it serves data of its own with the profile %s", w.ThinRuntime.Spec.ProfileName)
	case w.ThinRuntime.DeletionTimestamp != nil:
		p.Findings.Add(finding.CodeBeingDeleted, object, "it is still being deleted; finalizers: %s", strings.Join(w.ThinRuntime.Finalizers, ", "))
	case w.Dataset.UID == "" || !ownedBy(w.Dataset, w.ThinRuntime):
		p.Findings.Add(finding.CodeRuntimeNameTaken, object, "it exists already, %s", Holder(w.ThinRuntime))
	}
}

// checkFields notes what the user wrote in vain: Fluid ignores it silently.
func (p *Plan) checkFields(w *World) {
	var ignored []string
	note := func(name string, set bool) {
		if set {
			ignored = append(ignored, name)
		}
	}
	spec := &w.Dataset.Spec
	if len(spec.Mounts) == 1 {
		mount := &spec.Mounts[0]
		note("mounts[0].options", len(mount.Options) > 0)
		note("mounts[0].encryptOptions", len(mount.EncryptOptions) > 0)
		note("mounts[0].readOnly", mount.ReadOnly)
		note("mounts[0].shared", mount.Shared)
		note("mounts[0].path", mount.Path != "" && mount.Path != "/") // as Fluid's documentation writes it
	}
	note("owner", spec.Owner != nil)
	note("nodeAffinity", spec.NodeAffinity != nil)
	note("tolerations", len(spec.Tolerations) > 0)
	note("runtimes", len(spec.Runtimes) > 0)
	note("placement", spec.Placement != "")
	note("sharedOptions", len(spec.SharedOptions) > 0)
	note("sharedEncryptOptions", len(spec.SharedEncryptOptions) > 0)
	note("dataRestoreLocation", spec.DataRestoreLocation != nil)
	if len(ignored) > 0 {
		p.Findings.Add(finding.CodeFieldsIgnored, w.datasetObject(), "these fields of its spec have no effect: %s", strings.Join(ignored, ", "))
	}
}

// parseSource reads what the reference refers to.
func (p *Plan) parseSource(w *World) (Source, bool) {
	object := w.datasetObject()
	if len(w.Dataset.Spec.Mounts) != 1 {
		p.Findings.Add(finding.CodeMountsMixed, object, "it has %d mounts", len(w.Dataset.Spec.Mounts))
		return Source{}, false
	}
	source, err := SourceOf(w.Dataset)
	switch {
	case err != nil:
		p.Findings.Add(finding.CodeMountPointMalformed, object, "%v", err)
	case source.Key() == w.Key():
		p.Findings.Add(finding.CodeSelfReference, object, "its mount point %s is itself", source.MountPoint())
	default:
		return source, true
	}
	return Source{}, false
}

// checkRefused adds a finding for each object that the API server refused to write.
func (p *Plan) checkRefused(w *World) {
	for _, object := range sortedObjects(w.Outcome.Refused) {
		p.Findings.Add(finding.CodeWriteRefused, object, "it can't be written: %s", w.Outcome.Refused[object])
	}
}

// checkOperations warns of data operations that name the reference.
func (p *Plan) checkOperations(w *World) {
	for _, object := range sortedObjects(w.Operations) {
		p.Findings.Add(finding.CodeOperationOnReference, object, "it names the reference %s", p.Reference)
	}
}

// checkMirrors looks at the sources of the mirrors. Admission can't.
func (p *Plan) checkMirrors(w *World) {
	if w.Depth < ForWriting {
		p.checkNamesLooked(w)
		return
	}
	for _, mirror := range p.Mirrors {
		if !mirror.Optional && w.lacks(mirror.Original) {
			p.Findings.Add(finding.CodeSourceMissing, mirror.Original, "it doesn't exist, and the FUSE container of %s needs it", p.Source)
		}
		if w.Outcome.Stale[mirror.Target] {
			p.Findings.Add(finding.CodeCopyStale, mirror.Target, "Fluid made it as the copy of %s, and it differs from that", mirror.Original)
		}
	}
}

// checkNamesLooked wants that somebody has looked who has the names of mirrors, where those aren't their own: admission
// doesn't, and goes by what the controller said of the reference.
func (p *Plan) checkNamesLooked(w *World) {
	looked := slices.ContainsFunc(w.Dataset.Status.Conditions, func(c datav1alpha1.DatasetCondition) bool {
		return isReferenceReady(c) && c.Status == corev1.ConditionTrue
	})
	if obstacle, said := w.Dataset.Annotations[AnnotationObstacle]; said && obstacle == "" {
		looked = true // beside Fluid's own controllers
	}
	if w.MirrorNames == SourceNames && len(p.Mirrors) > 0 && !looked {
		p.Findings.Add(finding.CodeNamesUnchecked, w.datasetObject(), "its copies have the names of their sources, and the controller hasn't said of it that they aren't taken")
	}
}

// checkVolumeSource compares an existing volume with the one that the mount point asks for.
func (p *Plan) checkVolumeSource(w *World) {
	if w.Volume == nil || w.Volume.Spec.CSI == nil || !p.ownVolume(w) {
		return
	}
	if was := w.Volume.Annotations[AnnotationPhysicalUID]; was != "" && was != string(w.Physical.UID) {
		p.Findings.Add(finding.CodePhysicalReplaced, finding.Object{Kind: datav1alpha1.DatasetKind, Namespace: p.Source.Namespace, Name: p.Source.Name},
			"it was deleted and created again since %s refers to it", p.Reference)
	}
	have, want := w.Volume.Spec.CSI, p.Volume.Spec.CSI
	for _, key := range []string{datav1alpha1.VolumeAttributePath, datav1alpha1.VolumeAttributeSubPath} {
		if have.VolumeAttributes[key] != want.VolumeAttributes[key] {
			p.Findings.Add(finding.CodeMountPointChanged, w.datasetObject(), "its volume %s leads to %s=%q, and the mount point %s asks for %q",
				w.Volume.Name, key, have.VolumeAttributes[key], p.Source.MountPoint(), want.VolumeAttributes[key])
			return
		}
	}
}

// ownVolume reports whether the volume that is there is the reference's.
func (p *Plan) ownVolume(w *World) bool {
	return Owns(w.Dataset, w.Volume) || madeByFluid(w.Dataset, w.Volume)
}

// checkRecorded makes sure that the physical Dataset can't be deleted under the reference.
func (p *Plan) checkRecorded(w *World) {
	if w.Dataset.UID != "" && !recorded(w) {
		p.Findings.Add(finding.CodeNotRecorded, finding.Object{Kind: datav1alpha1.DatasetKind, Namespace: p.Source.Namespace, Name: p.Source.Name},
			"its status.datasetRef doesn't name %s yet", p.Reference)
	}
}

func recorded(w *World) bool {
	return slices.Contains(w.Physical.Status.DatasetRef, w.Key().String())
}
