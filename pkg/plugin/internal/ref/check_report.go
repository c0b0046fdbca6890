package ref

import (
	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/output"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/preflight"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// ReferenceReport is the document of ref check.
type ReferenceReport struct {
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

func newReferenceReport() *ReferenceReport {
	return &ReferenceReport{TypeMeta: report.NewTypeMeta("ReferenceReport"), References: []referenceResult{}}
}

// add adds a reference; extra are findings about what has its name.
func (r *ReferenceReport) add(p *preflight.Preflight, names reference.MirrorNames, extra finding.List, chosen output.Selection, c *cluster.View, language finding.Language) {
	result := referenceResult{
		Namespace: p.World.Dataset.Namespace, Name: p.World.Dataset.Name, From: cluster.SourceText(p.World.Dataset),
		Exists: p.World.Dataset.UID != "", MirrorNames: names, Names: p.Plan.Needed,
	}
	if result.Names == nil {
		result.Names = []reference.NameNeed{}
	}
	object := finding.Object{Kind: datav1alpha1.DatasetKind, Namespace: result.Namespace, Name: result.Name}
	result.File = c.File(object)
	result.Results = chosen.Apply(append(output.ResultsOf(extra, language), p.Results(language)...), p.World.Dataset.Annotations, object.String())
	for i := range result.Results {
		result.Results[i].File = result.File
	}
	r.References = append(r.References, result)
	r.Summary = report.Summarize(r.groups()...)
}

func (r *ReferenceReport) groups() []report.Group {
	var groups []report.Group
	for _, item := range r.References {
		groups = append(groups, report.Group{Name: "Dataset " + item.Namespace + "/" + item.Name, Results: item.Results})
	}
	return groups
}

func (r *ReferenceReport) view(policy report.Policy) output.View {
	v := output.View{Document: r, Items: []any{}, Text: r.print, Checks: r.groups(), Policy: policy}
	for _, item := range r.References {
		v.Items = append(v.Items, item)
		v.Names = append(v.Names, cluster.DatasetName(item.Name))
	}
	return v
}

// print writes the report for people; wide shows what is fine too.
func (r *ReferenceReport) print(out terminal.Screen, wide bool) error {
	for i := range r.References {
		if i > 0 {
			out.Say("\n")
		}
		if err := r.References[i].print(out, wide); err != nil {
			return err
		}
	}
	return nil
}

func (r *referenceResult) print(out terminal.Screen, wide bool) error {
	state := "exists"
	if !r.Exists {
		state = "doesn't exist yet"
	}
	if r.File != "" {
		state += ", from " + terminal.Line(r.File)
	}
	out.Say("Reference %s/%s to %s (%s), names of copies: %s\n\n", r.Namespace, r.Name, terminal.Line(r.From), state, r.MirrorNames)
	if len(r.Names) == 0 {
		out.Say("It needs no ConfigMap or Secret in namespace %s, as far as is known.\n", r.Namespace)
	} else if err := r.printNames(out); err != nil {
		return err
	}
	out.Say("\n")
	return output.PrintResults(out, r.Results, wide)
}

func (r *referenceResult) printNames(out terminal.Screen) error {
	t := terminal.NewTable("KIND", "NAME", "SOURCE", "STATE", "HELD BY")
	for _, name := range r.Names {
		source := name.Source
		if source == "" {
			source = "script of Fluid's webhook"
		}
		t.Add(name.Kind, name.Name, source, stateText(name.State), terminal.OrNone(name.Holder))
	}
	return t.Print(out)
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
