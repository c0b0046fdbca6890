package reference

import (
	"slices"
	"strings"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
)

// rivals returns the Datasets and runtimes that, if they are in the reference's namespace, will bring ConfigMaps of
// the names that mirrors have there: Fluid's charts delete and create such a ConfigMap whosever it is. Only mirrors with
// their sources' names can meet them.
func rivals(w *World, runtime Runtime, mirrors []Mirror) []Object {
	if w.MirrorNames != SourceNames {
		return nil
	}
	var found []Object
	for _, mirror := range mirrors {
		if mirror.Target.Kind != kindConfigMap {
			continue
		}
		for _, pattern := range runtime.Brings {
			name, ok := fits(pattern, mirror.Target.Name)
			for _, kind := range []string{datav1alpha1.DatasetKind, runtime.Kind} {
				object := Object{kind, w.Dataset.Namespace, name}
				if ok && object != w.datasetObject() && !slices.Contains(found, object) {
					found = append(found, object)
				}
			}
		}
	}
	return found
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
		dataset := Object{datav1alpha1.DatasetKind, object.Namespace, object.Name}
		if w.Rivals[object] && (object == dataset || !w.Rivals[dataset]) {
			p.Findings.add(CodeMirrorNameWanted, object, "it brings ConfigMaps of its own to namespace %s, under names that copies for %s have",
				object.Namespace, p.Reference.Name)
		}
	}
}
