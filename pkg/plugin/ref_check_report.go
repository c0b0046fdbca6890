package plugin

import (
	"fmt"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// referenceReport is the document of ref check.
type referenceReport struct {
	report.TypeMeta
	Summary    report.Summary    `json:"summary"`
	References []referenceResult `json:"references"`
}

// referenceResult is what is known about one reference.
type referenceResult struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// From is what it refers to as namespace/name[/sub/path].
	From string `json:"from"`
	// Exists says that the cluster has the reference already.
	Exists bool `json:"exists"`
	// File is the manifest that the reference is from, if it is from one.
	File string `json:"file,omitempty"`
	// MirrorNames says how copies of ConfigMaps and Secrets are named.
	MirrorNames reference.MirrorNames `json:"mirrorNames"`
	// Names are the ConfigMaps and Secrets that the reference needs in its namespace.
	Names []reference.NameNeed `json:"names"`
	// Results are what was checked, the passes first.
	Results []report.Result `json:"results"`
}

func newReferenceReport() *referenceReport {
	return &referenceReport{TypeMeta: report.NewTypeMeta("ReferenceReport"), References: []referenceResult{}}
}

// add adds a reference; extra are findings about what has its name.
func (r *referenceReport) add(p *preflight, names reference.MirrorNames, extra finding.List, chosen selection, c *clusterView, language finding.Language) {
	result := referenceResult{
		Namespace: p.world.Dataset.Namespace, Name: p.world.Dataset.Name, From: sourceText(p.world.Dataset),
		Exists: p.world.Dataset.UID != "", MirrorNames: names, Names: p.plan.Names,
	}
	if result.Names == nil {
		result.Names = []reference.NameNeed{}
	}
	object := finding.Object{Kind: datav1alpha1.DatasetKind, Namespace: result.Namespace, Name: result.Name}
	result.File = c.file(object)
	result.Results = chosen.apply(append(resultsOf(extra, language), p.results(language)...), p.world.Dataset.Annotations, object.String())
	for i := range result.Results {
		result.Results[i].File = result.File
	}
	r.References = append(r.References, result)
	r.Summary = report.Summarize(r.groups()...)
}

func (r *referenceReport) groups() []report.Group {
	var groups []report.Group
	for _, item := range r.References {
		groups = append(groups, report.Group{Name: "Dataset " + item.Namespace + "/" + item.Name, Results: item.Results})
	}
	return groups
}

func (r *referenceReport) view(policy report.Policy) view {
	v := view{document: r, items: []any{}, text: r.print, checks: r.groups(), policy: policy}
	for _, item := range r.References {
		v.items = append(v.items, item)
		v.names = append(v.names, datasetName(item.Name))
	}
	return v
}

// print writes the report for people; wide shows what is fine too.
func (r *referenceReport) print(out screen, wide bool) error {
	for i := range r.References {
		if i > 0 {
			fmt.Fprintln(out)
		}
		if err := r.References[i].print(out, wide); err != nil {
			return err
		}
	}
	return nil
}

func (r *referenceResult) print(out screen, wide bool) error {
	state := "exists"
	if !r.Exists {
		state = "doesn't exist yet"
	}
	if r.File != "" {
		state += ", from " + line(r.File)
	}
	out.say("Reference %s/%s to %s (%s), names of copies: %s\n\n", r.Namespace, r.Name, line(r.From), state, r.MirrorNames)
	if len(r.Names) == 0 {
		out.say("It needs no ConfigMap or Secret in namespace %s, as far as is known.\n", r.Namespace)
	} else if err := r.printNames(out); err != nil {
		return err
	}
	fmt.Fprintln(out)
	return printResults(out, r.Results, wide)
}

func (r *referenceResult) printNames(out screen) error {
	t := newTable("KIND", "NAME", "SOURCE", "STATE", "HELD BY")
	for _, name := range r.Names {
		source := name.Source
		if source == "" {
			source = "script of Fluid's webhook"
		}
		t.add(name.Kind, name.Name, source, stateText(name.State), orNone(name.Holder))
	}
	return t.print(out)
}

// stateText returns a name's state; the one that matters stands out.
func stateText(state reference.NameState) string {
	switch state {
	case reference.NameFree:
		return "free"
	case reference.NameOwn:
		return "its own"
	case reference.NameShared:
		return "shared"
	case reference.NameTaken:
		return "TAKEN"
	}
	return "unknown"
}
