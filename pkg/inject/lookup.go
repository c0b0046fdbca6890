package inject

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/observe"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// Claimed is what a claim means for a pod: the sidecar of its Dataset, or why that has none, or neither for a claim of
// something else.
type Claimed struct {
	Sidecar  *Sidecar
	Findings finding.List
	// Known is false if there is neither a Dataset nor a claim, or no Dataset for the claim of one: both may be on their way.
	Known bool
}

// Lookup says which sidecar a claim gets. It plans the sidecar from the physical Dataset's objects, so that nothing waits
// for copies. The webhook reads informer caches for it, the plugin a cluster or files.
func Lookup(ctx context.Context, reader client.Reader, claim types.NamespacedName, policy reference.Policy, variant Variant) Claimed {
	dataset, present, err := observe.DatasetOfClaim(ctx, reader, claim)
	switch {
	case err != nil:
		return Claimed{Findings: unreadable(claim, err), Known: true}
	case dataset == nil && present == nil:
		return Claimed{}
	case dataset == nil:
		orphan := reference.CheckOrphan(present)
		return Claimed{Findings: orphan, Known: len(orphan) == 0}
	}
	policy.Depth = reference.ForAdmission
	_, plan, err := observe.Plan(ctx, reader, dataset, policy)
	if err != nil {
		return Claimed{Findings: unreadable(client.ObjectKeyFromObject(dataset), err), Known: true}
	}
	if blocking := plan.BlockingPods(); len(blocking) > 0 {
		return Claimed{Findings: blocking, Known: true}
	}
	if plan.Sidecar == nil {
		return Claimed{Known: true}
	}
	return Claimed{Sidecar: Compile(plan.Sidecar, variant), Known: true}
}

func unreadable(key types.NamespacedName, err error) finding.List {
	object := finding.Object{Kind: datav1alpha1.DatasetKind, Namespace: key.Namespace, Name: key.Name}
	return finding.List{finding.New(finding.CodeUnread, object, "it couldn't be read: %v", err)}
}
