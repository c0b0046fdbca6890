package reference

import (
	"slices"
	"strings"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

// Neighbours says which other Datasets of the reference's namespace need the names of its copies too, where copies have
// their sources' names: now, or once their runtimes start. What has a name already is a matter of Collisions. datasets
// are all of the namespace; the World's Taken must hold what has the names of the function Names.
func Neighbours(w *World, source Source, datasets []*datav1alpha1.Dataset) finding.List {
	var findings finding.List
	if w.MirrorNames != SourceNames {
		return nil
	}
	for _, need := range sourceNeeds(w, source) {
		if need.isScript() || w.Taken[need.target] != nil {
			continue
		}
		for _, neighbour := range datasets {
			if neighbour.Name != w.Dataset.Name && neighbour.Namespace == w.Dataset.Namespace {
				need.meet(&findings, w, source, neighbour)
			}
		}
	}
	return findings
}

// meet adds a finding if another Dataset of the namespace needs the name.
func (n need) meet(findings *finding.List, w *World, source Source, neighbour *datav1alpha1.Dataset) {
	if !IsReference(neighbour) {
		runtime, known := RuntimeOfDataset(neighbour)
		if known && slices.ContainsFunc(runtime.Copies, func(pattern string) bool {
			return n.target.Kind == kindConfigMap && strings.ReplaceAll(pattern, "*", neighbour.Name) == n.target.Name
		}) {
			findings.Add(finding.CodeNameNeededByNeighbour, n.target, "the copy of %s needs this name, and so does the %s of Dataset %s/%s, which makes a ConfigMap of its own with it",
				n.source, runtime.Kind, neighbour.Namespace, neighbour.Name)
		}
		return
	}
	other, err := SourceOf(neighbour)
	switch {
	case err != nil || neighbour.DeletionTimestamp != nil:
	case other.Key() == source.Key():
		findings.Add(finding.CodeCopySharedWithNeighbour, n.target, "the reference %s/%s needs the same copy of %s, and there can be one only",
			neighbour.Namespace, neighbour.Name, n.source)
	case other.Name == source.Name && other.Namespace != w.Dataset.Namespace:
		findings.Add(finding.CodeNameNeededByNeighbour, n.target, "the copy of %s needs this name, and so does the reference %s/%s for a copy from namespace %s",
			n.source, neighbour.Namespace, neighbour.Name, other.Namespace)
	}
}
