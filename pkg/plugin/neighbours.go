package plugin

import (
	"context"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// lookAtNeighbours adds what the other Datasets of the reference's namespace mean for its copies. That matters only
// where copies have their sources' names.
func (p *preflight) lookAtNeighbours(ctx context.Context, c *clusterView) error {
	source := p.plan.Source
	if p.world.MirrorNames != reference.SourceNames || source == (reference.Source{}) {
		return nil
	}
	datasets, err := c.datasets(ctx, p.world.Dataset.Namespace)
	if apierrors.IsForbidden(err) {
		object := finding.Object{Kind: "Namespace", Name: p.world.Dataset.Namespace}
		p.findings = append(p.findings, finding.New(finding.CodeUnread, object, "its Datasets couldn't be listed: %v", err))
		return nil
	}
	if err != nil {
		return err
	}
	neighbours := p.plan.Neighbours(p.world, datasets)
	if slices.ContainsFunc(neighbours, func(f finding.Finding) bool { return f.Code == finding.CodeNameNeededByNeighbour }) {
		p.findings = slices.DeleteFunc(slices.Clone(p.findings), func(f finding.Finding) bool {
			return f.Code == finding.CodeMirrorNameWanted // it is the same, said with less
		})
	}
	p.findings = append(p.findings, neighbours...)
	return nil
}
