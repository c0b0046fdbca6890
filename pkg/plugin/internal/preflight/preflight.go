package preflight

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/observe"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/output"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// Preflight is everything that is known about a reference, be it there already or not.
type Preflight struct {
	World    *reference.World
	Plan     *reference.Plan
	Findings finding.List
	// offline says that nobody looked in a cluster: that a name isn't found there means nothing.
	offline bool
	// consent says by what the user may create the reference; empty if that is a finding, or nobody asks.
	consent string
}

// Run reads what a reference depends on and plans it.
func Run(ctx context.Context, reader client.Reader, dataset *datav1alpha1.Dataset, s cluster.Settings, depth reference.Depth) (*Preflight, error) {
	world, plan, err := observe.Plan(ctx, reader, dataset, s.Policy(depth))
	if err != nil {
		return nil, cluster.ExplainAPI(fmt.Sprintf("checking the reference %s/%s", dataset.Namespace, dataset.Name), err)
	}
	return &Preflight{World: world, Plan: plan, Findings: plan.Findings, offline: s.Offline}, nil
}

// Results returns what is fine first, then the findings.
func (p *Preflight) Results(language finding.Language) []report.Result {
	return append(append(p.physicalChecks(), p.nameChecks()...), output.ResultsOf(p.Findings, language)...)
}

// fine returns a check that found nothing, unless there is a finding about the object that does more than note.
func (p *Preflight) fine(object finding.Object, format string, args ...any) []report.Result {
	if slices.ContainsFunc(p.Findings, func(f finding.Finding) bool {
		return f.Object == object && f.Severity != finding.Note
	}) {
		return nil
	}
	return []report.Result{report.NewPass(object.String(), fmt.Sprintf(format, args...))}
}

// free returns the check of a name that nothing has, as far as anybody looked.
func (p *Preflight) free(object finding.Object) []report.Result {
	results := p.fine(object, "the name is free")
	if p.offline && len(results) > 0 {
		return []report.Result{report.NewSkipped(object.String(), "no manifest has the name, and no cluster was asked")}
	}
	return results
}

func (p *Preflight) physicalChecks() []report.Result {
	var list []report.Result
	source := p.Plan.Source
	if physical := p.World.Physical; physical != nil {
		served := ""
		if runtime, ok := reference.RuntimeOfDataset(physical); ok {
			served = ", served by its " + runtime.Kind
		}
		list = append(list, p.fine(finding.Object{Kind: datav1alpha1.DatasetKind, Namespace: source.Namespace, Name: source.Name},
			"the physical Dataset is %s%s", physical.Status.Phase, served)...)
	}
	if p.consent != "" {
		object := finding.Object{Kind: datav1alpha1.DatasetKind, Namespace: source.Namespace, Name: source.Name}
		list = append(list, report.NewPass(object.String(), p.consent))
	}
	if fuse := p.World.Fuse; fuse != nil && p.Plan.Sidecar != nil {
		list = append(list, p.fine(finding.Object{Kind: "DaemonSet", Namespace: fuse.Namespace, Name: fuse.Name},
			"its container %s can be a sidecar", p.Plan.Sidecar.Container.Name)...)
	}
	for _, mirror := range p.Plan.Mirrors {
		if p.World.Metadata(mirror.Original) != nil {
			list = append(list, p.fine(mirror.Original, "it exists; the FUSE client needs it")...)
		}
	}
	return list
}

func (p *Preflight) nameChecks() []report.Result {
	key := p.World.Key()
	var list []report.Result
	for _, own := range []struct {
		object finding.Object
		exists bool
	}{
		{finding.Object{Kind: datav1alpha1.ThinRuntimeKind, Namespace: key.Namespace, Name: key.Name}, p.World.ThinRuntime != nil},
		{finding.Object{Kind: "PersistentVolume", Name: reference.VolumeName(key)}, p.World.Volume != nil},
		{finding.Object{Kind: "PersistentVolumeClaim", Namespace: key.Namespace, Name: key.Name}, p.World.Claim != nil},
	} {
		if own.exists {
			list = append(list, p.fine(own.object, "it belongs to the reference")...)
		} else {
			list = append(list, p.free(own.object)...)
		}
	}
	for _, name := range p.Plan.Needed {
		object := finding.Object{Kind: name.Kind, Namespace: name.Namespace, Name: name.Name}
		switch name.State {
		case reference.NameFree:
			list = append(list, p.free(object)...)
		case reference.NameOwn:
			list = append(list, p.fine(object, "it belongs to the reference")...)
		case reference.NameShared:
			list = append(list, p.fine(object, "it is a script of Fluid's webhook")...)
		}
	}
	return list
}

// PrintObjects prints what the controller makes for the reference, once nothing keeps it from that.
func (p *Preflight) PrintObjects(out terminal.Screen) error {
	key := p.World.Key()
	t := terminal.NewTable("KIND", "NAME", "DETAILS")
	t.Add(datav1alpha1.ThinRuntimeKind, key.String(), "empty: it stands for the reference")
	if volume := p.Plan.Volume; volume != nil {
		var modes []string
		for _, mode := range volume.Spec.AccessModes {
			modes = append(modes, string(mode))
		}
		t.Add("PersistentVolume", volume.Name, strings.Join(modes, ","))
		t.Add("PersistentVolumeClaim", key.String(), "bound to "+volume.Name)
	} else {
		t.Add("PersistentVolume", reference.VolumeName(key), "")
		t.Add("PersistentVolumeClaim", key.String(), "")
	}
	for _, mirror := range p.Plan.Mirrors {
		t.Add(mirror.Target.Kind, mirror.Target.Namespace+"/"+mirror.Target.Name, "copy of "+mirror.Original.Namespace+"/"+mirror.Original.Name)
	}
	if p.Plan.Sidecar == nil && p.Plan.Volume == nil {
		t.Add("ConfigMap, Secret", key.Namespace+"/...", "copies of what the FUSE client needs; not known yet")
	}
	return t.Print(out)
}
