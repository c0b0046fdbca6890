package plugin

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/observe"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// preflight is everything that is known about a reference, be it there already or not.
type preflight struct {
	world    *reference.World
	plan     *reference.Plan
	findings finding.List
	// offline says that nobody looked in a cluster: that a name isn't found there means nothing.
	offline bool
	// consent says by what the user may create the reference; empty if that is a finding, or nobody asks.
	consent string
}

// runPreflight reads what a reference depends on and plans it.
func runPreflight(ctx context.Context, reader client.Reader, dataset *datav1alpha1.Dataset, s settings, depth reference.Depth) (*preflight, error) {
	world, plan, err := observe.Plan(ctx, reader, dataset, s.policy(depth))
	if err != nil {
		return nil, explainAPI(fmt.Sprintf("checking the reference %s/%s", dataset.Namespace, dataset.Name), err)
	}
	return &preflight{world: world, plan: plan, findings: plan.Findings, offline: s.offline}, nil
}

// results returns what is fine first, then the findings.
func (p *preflight) results(language finding.Language) []report.Result {
	return append(append(p.physicalChecks(), p.nameChecks()...), resultsOf(p.findings, language)...)
}

// fine returns a check that found nothing, unless there is a finding about the object that does more than note.
func (p *preflight) fine(object finding.Object, format string, args ...any) []report.Result {
	if slices.ContainsFunc(p.findings, func(f finding.Finding) bool {
		return f.Object == object && f.Severity != finding.Note
	}) {
		return nil
	}
	return []report.Result{report.NewPass(object.String(), fmt.Sprintf(format, args...))}
}

// free returns the check of a name that nothing has, as far as anybody looked.
func (p *preflight) free(object finding.Object) []report.Result {
	results := p.fine(object, "the name is free")
	if p.offline && len(results) > 0 {
		return []report.Result{report.NewSkipped(object.String(), "no manifest has the name, and no cluster was asked")}
	}
	return results
}

func (p *preflight) physicalChecks() []report.Result {
	var list []report.Result
	source := p.plan.Source
	if physical := p.world.Physical; physical != nil {
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
	if fuse := p.world.Fuse; fuse != nil && p.plan.Sidecar != nil {
		list = append(list, p.fine(finding.Object{Kind: "DaemonSet", Namespace: fuse.Namespace, Name: fuse.Name},
			"its container %s can be a sidecar", p.plan.Sidecar.Container.Name)...)
	}
	for _, mirror := range p.plan.Mirrors {
		if p.world.Metadata(mirror.Source) != nil {
			list = append(list, p.fine(mirror.Source, "it exists; the FUSE client needs it")...)
		}
	}
	return list
}

func (p *preflight) nameChecks() []report.Result {
	key := p.world.Key()
	var list []report.Result
	for _, own := range []struct {
		object finding.Object
		exists bool
	}{
		{finding.Object{Kind: datav1alpha1.ThinRuntimeKind, Namespace: key.Namespace, Name: key.Name}, p.world.ThinRuntime != nil},
		{finding.Object{Kind: "PersistentVolume", Name: reference.VolumeName(key)}, p.world.Volume != nil},
		{finding.Object{Kind: "PersistentVolumeClaim", Namespace: key.Namespace, Name: key.Name}, p.world.Claim != nil},
	} {
		if own.exists {
			list = append(list, p.fine(own.object, "it belongs to the reference")...)
		} else {
			list = append(list, p.free(own.object)...)
		}
	}
	for _, name := range p.plan.Names {
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

// printObjects prints what the controller makes for the reference, once nothing keeps it from that.
func (p *preflight) printObjects(out screen) error {
	key := p.world.Key()
	t := newTable("KIND", "NAME", "DETAILS")
	t.add(datav1alpha1.ThinRuntimeKind, key.String(), "empty: it stands for the reference")
	if volume := p.plan.Volume; volume != nil {
		var modes []string
		for _, mode := range volume.Spec.AccessModes {
			modes = append(modes, string(mode))
		}
		t.add("PersistentVolume", volume.Name, strings.Join(modes, ","))
		t.add("PersistentVolumeClaim", key.String(), "bound to "+volume.Name)
	} else {
		t.add("PersistentVolume", reference.VolumeName(key), "")
		t.add("PersistentVolumeClaim", key.String(), "")
	}
	for _, mirror := range p.plan.Mirrors {
		t.add(mirror.Target.Kind, mirror.Target.Namespace+"/"+mirror.Target.Name, "copy of "+mirror.Source.Namespace+"/"+mirror.Source.Name)
	}
	if p.plan.Sidecar == nil && p.plan.Volume == nil {
		t.add("ConfigMap, Secret", key.Namespace+"/...", "copies of what the FUSE client needs; not known yet")
	}
	return t.print(out)
}
