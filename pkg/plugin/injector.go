package plugin

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/inject"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/observe"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// injector gives documents their sidecars, with the Datasets that a reader has.
type injector struct {
	ctx      context.Context
	reader   client.Reader
	settings settings
	language finding.Language
	options  inject.TemplateOptions

	results []report.Result
	// blocked says that an object can't have its sidecars, unread that this isn't known.
	blocked, unread bool
}

// lookup finds the sidecar of a claim, as the webhook does: from the physical Dataset's objects, not from copies.
func (i *injector) lookup(namespace, claim string, variant inject.Variant) (*inject.Sidecar, finding.List) {
	key := types.NamespacedName{Namespace: namespace, Name: claim}
	dataset, present, err := observe.DatasetOfClaim(i.ctx, i.reader, key)
	var planned *reference.Sidecar
	var findings finding.List
	if err == nil && dataset != nil {
		planned, findings, err = i.plan(dataset)
	}
	if err != nil {
		object := finding.Object{Kind: datav1alpha1.DatasetKind, Namespace: namespace, Name: claim}
		return nil, finding.List{finding.New(finding.CodeUnread, object, "it couldn't be read: %v", err)}
	}
	if dataset == nil && present != nil {
		findings = reference.CheckOrphan(present)
	}
	if planned == nil {
		return nil, findings
	}
	return inject.Compile(planned, variant), findings
}

// plan plans the sidecar of a Dataset; findings say why it has none.
func (i *injector) plan(dataset *datav1alpha1.Dataset) (*reference.Sidecar, finding.List, error) {
	if !reference.IsReference(dataset) {
		world, err := observe.Physical(i.ctx, i.reader, dataset)
		if err != nil {
			return nil, nil, err
		}
		sidecar, _, findings := reference.NewSidecar(world, reference.Source{Namespace: dataset.Namespace, Name: dataset.Name})
		return sidecar, findings, nil
	}
	world, err := observe.ReferenceWithoutMirrors(i.ctx, i.reader, dataset, i.settings.names)
	if err != nil {
		return nil, nil, err
	}
	world.Sharing = i.settings.sharing
	plan := reference.NewPlan(world)
	if blocking := plan.Findings.BlockingSidecar(); len(blocking) > 0 {
		return nil, blocking, nil
	}
	return plan.Sidecar, nil, nil
}
