package inspect

import (
	"strings"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/output"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// DatasetReport is the document of inspect dataset.
type DatasetReport struct {
	report.TypeMeta
	Summary  report.Summary  `json:"summary"`
	Datasets []datasetResult `json:"datasets"`
}

// datasetResult is what is known about one Dataset.
type datasetResult struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// File is the manifest that it is from.
	File string `json:"file,omitempty"`
	// Exists says that the cluster has it.
	Exists bool `json:"exists"`
	// Reference says that it stands for a Dataset of another namespace, From for which.
	Reference bool   `json:"reference"`
	From      string `json:"from,omitempty"`
	Phase     string `json:"phase"`
	// Chain leads from the claim to the template, with the sidecar that pods get.
	Chain   chain           `json:"chain"`
	UsedBy  datasetUsers    `json:"usedBy"`
	Results []report.Result `json:"results"`
}

// datasetUsers are who uses a Dataset.
type datasetUsers struct {
	// References are those to a physical Dataset, as its status has them, namespace/name each.
	References []string `json:"references"`
	// Pods are those of its namespace that haven't ended.
	Pods []string `json:"pods"`
}

func (r *datasetResult) object() finding.Object {
	return finding.Object{Kind: datav1alpha1.DatasetKind, Namespace: r.Namespace, Name: r.Name}
}

func (r *DatasetReport) groups() []report.Group {
	var groups []report.Group
	for i := range r.Datasets {
		groups = append(groups, report.Group{Name: r.Datasets[i].object().String(), Results: r.Datasets[i].Results})
	}
	return groups
}

func (r *DatasetReport) view(policy report.Policy) output.View {
	v := output.View{Document: r, Items: []any{}, Text: r.print, Checks: r.groups(), Policy: policy}
	for _, dataset := range r.Datasets {
		v.Items = append(v.Items, dataset)
		v.Names = append(v.Names, cluster.DatasetName(dataset.Name))
	}
	return v
}

// print writes the report for people.
func (r *DatasetReport) print(out terminal.Screen, wide bool) error {
	for i := range r.Datasets {
		if i > 0 {
			out.Say("\n")
		}
		if err := r.Datasets[i].print(out, wide); err != nil {
			return err
		}
	}
	return nil
}

func (r *datasetResult) print(out terminal.Screen, wide bool) error {
	kind := "a physical Dataset"
	if r.Reference {
		kind = "a reference to " + terminal.Line(r.From)
	}
	from := ""
	if r.File != "" {
		from = " (" + terminal.Line(r.File) + ")"
	}
	out.Say("Dataset %s/%s%s is %s. Its phase is %s.\n", r.Namespace, r.Name, from, kind, terminal.OrNone(terminal.Line(r.Phase)))
	if err := r.Chain.print(out, true); err != nil {
		return err
	}
	out.Say("\n")
	if !r.Reference {
		out.Say("References to it: %s\n", terminal.OrNone(terminal.Line(strings.Join(r.UsedBy.References, ", "))))
	}
	out.Say("Pods that use it in namespace %s: %s\n\n", r.Namespace, terminal.OrNone(terminal.Line(strings.Join(r.UsedBy.Pods, ", "))))
	return output.PrintResults(out, r.Results, wide)
}
