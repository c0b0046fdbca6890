package injection

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/inject"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// Injector gives documents their sidecars, with the Datasets that a reader has.
type Injector struct {
	Ctx      context.Context
	Reader   client.Reader
	Settings cluster.Settings
	language finding.Language
	Options  inject.TemplateOptions

	results []report.Result
	// blocked says that an object can't have its sidecars, unread that this isn't known.
	blocked, unread bool
}

// Find finds the sidecar of a claim, as the webhook does.
func (i *Injector) Find(claim types.NamespacedName, variant inject.Variant) inject.Claimed {
	return inject.Lookup(i.Ctx, i.Reader, claim, i.Settings.Policy(reference.ForAdmission), variant)
}
