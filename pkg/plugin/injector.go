package plugin

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/inject"
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

// find finds the sidecar of a claim, as the webhook does.
func (i *injector) find(claim types.NamespacedName, variant inject.Variant) inject.Claimed {
	return inject.Lookup(i.ctx, i.reader, claim, i.settings.policy(reference.ForAdmission), variant)
}
