package reference

import (
	"slices"
	"strings"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

// Neighbours says which other Datasets of the reference's namespace need the names of its copies too, where copies have
// their sources' names: now, or once their runtimes start. What has a name already, the plan's findings say. datasets are
// all of the namespace.
func (p *Plan) Neighbours(w *World, datasets []*datav1alpha1.Dataset) finding.List {
	var findings finding.List
	if w.MirrorNames != SourceNames || p.Source == (Source{}) {
		return nil
	}
	for _, need := range sourceNeeds(w, p.Source) {
		if need.isScript() || w.Seen[need.target].Object != nil {
			continue
		}
		for _, neighbour := range datasets {
			if neighbour.Name != w.Dataset.Name && neighbour.Namespace == w.Dataset.Namespace {
				need.meet(&findings, w, p.Source, neighbour)
			}
		}
	}
	return findings
}

// meet adds a finding if another Dataset of the namespace needs the name.
func (n need) meet(findings *finding.List, w *World, source Source, neighbour *datav1alpha1.Dataset) {
	if !IsReference(neighbour) {
		runtime, known := RuntimeOfDataset(neighbour)
		if known && slices.ContainsFunc(runtime.CopiedByFluid, func(pattern string) bool {
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
