package preflight

import (
	"context"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// LookAtNeighbours adds what the other Datasets of the reference's namespace mean for its copies. That matters only
// where copies have their sources' names.
func (p *Preflight) LookAtNeighbours(ctx context.Context, c *cluster.View) error {
	source := p.Plan.Source
	if p.World.MirrorNames != reference.SourceNames || source == (reference.Source{}) {
		return nil
	}
	datasets, err := c.Datasets(ctx, p.World.Dataset.Namespace)
	if apierrors.IsForbidden(err) {
		object := finding.Object{Kind: "Namespace", Name: p.World.Dataset.Namespace}
		p.Findings = append(p.Findings, finding.New(finding.CodeUnread, object, "its Datasets couldn't be listed: %v", err))
		return nil
	}
	if err != nil {
		return err
	}
	neighbours := p.Plan.Neighbours(p.World, datasets)
	if slices.ContainsFunc(neighbours, func(f finding.Finding) bool { return f.Code == finding.CodeNameNeededByNeighbour }) {
		p.Findings = slices.DeleteFunc(slices.Clone(p.Findings), func(f finding.Finding) bool {
			return f.Code == finding.CodeMirrorNameWanted // it is the same, said with less
		})
	}
	p.Findings = append(p.Findings, neighbours...)
	return nil
}
