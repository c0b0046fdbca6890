package reference

import (
	"slices"
	"strings"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

// rivals returns the Datasets and runtimes that, if they are in the reference's namespace, will bring ConfigMaps of
// the names that mirrors have there: Fluid's charts delete and create such a ConfigMap whosever it is. Only mirrors with
// their sources' names can meet them. A Dataset may be of any runtime; runtimes are looked for that have no Dataset yet,
// those of the physical's kind.
func rivals(w *World, physical Runtime, mirrors []Mirror) []finding.Object {
	if w.MirrorNames != SourceNames {
		return nil
	}
	var found []finding.Object
	add := func(kind, name string) {
		object := finding.Object{Kind: kind, Namespace: w.Dataset.Namespace, Name: name}
		if object != w.datasetObject() && !slices.Contains(found, object) {
			found = append(found, object)
		}
	}
	for _, mirror := range mirrors {
		if mirror.Target.Kind != kindConfigMap {
			continue
		}
		for _, runtime := range runtimes {
			for _, pattern := range runtime.MadeForDataset {
				name, ok := fits(pattern, mirror.Target.Name)
				if ok {
					add(datav1alpha1.DatasetKind, name)
				}
				if ok && runtime.Kind == physical.Kind {
					add(runtime.Kind, name)
				}
			}
		}
	}
	return found
}

// isRival reports whether an object of the reference's namespace is there and brings what has a mirror's name. A Dataset
// that isn't bound yet may get any runtime. The ThinRuntime of a reference has no profile, and brings nothing.
func (p *Plan) isRival(w *World, object finding.Object) bool {
	switch found := w.Seen[object].Object.(type) {
	case nil:
		return false
	case *datav1alpha1.ThinRuntime:
		return found.Spec.ProfileName != ""
	case *datav1alpha1.Dataset:
		if IsReference(found) {
			return false
		}
		runtime, bound := RuntimeOfDataset(found)
		return !bound || slices.ContainsFunc(p.Mirrors, func(mirror Mirror) bool {
			return mirror.Target.Kind == kindConfigMap && slices.ContainsFunc(runtime.MadeForDataset, func(pattern string) bool {
				return strings.ReplaceAll(pattern, "*", found.Name) == mirror.Target.Name
			})
		})
	}
	return true
}

// fits returns what * stands for in a pattern that a name fits.
func fits(pattern, name string) (string, bool) {
	before, after, _ := strings.Cut(pattern, "*")
	if len(name) <= len(before)+len(after) || !strings.HasPrefix(name, before) || !strings.HasSuffix(name, after) {
		return "", false
	}
	return name[len(before) : len(name)-len(after)], true
}

// checkRivals finds those that are there: a Dataset, or else its runtime.
func (p *Plan) checkRivals(w *World) {
	for _, object := range p.Rivals {
		dataset := finding.Object{Kind: datav1alpha1.DatasetKind, Namespace: object.Namespace, Name: object.Name}
		if p.isRival(w, object) && (object == dataset || !p.isRival(w, dataset)) {
			p.Findings.Add(finding.CodeMirrorNameWanted, object, "it brings ConfigMaps of its own to namespace %s, under names that copies for %s have",
				object.Namespace, p.Reference.Name)
		}
	}
}
