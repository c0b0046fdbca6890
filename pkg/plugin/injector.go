package plugin

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
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
	language reference.Language
	options  inject.TemplateOptions

	results []report.Result
	// blocked says that an object can't have its sidecars, unread that this isn't known.
	blocked, unread bool
}

// lookup finds the sidecar of a claim, as the webhook does: from the physical Dataset's objects, not from copies.
func (i *injector) lookup(namespace, claim string, variant inject.Variant) (*inject.Sidecar, reference.Findings) {
	key := types.NamespacedName{Namespace: namespace, Name: claim}
	dataset, err := i.datasetOf(key)
	var planned *reference.Sidecar
	var findings reference.Findings
	if err == nil && dataset != nil {
		planned, findings, err = i.plan(dataset)
	}
	if err != nil {
		object := reference.Object{Kind: datav1alpha1.DatasetKind, Namespace: namespace, Name: claim}
		return nil, reference.Findings{reference.NewFinding(reference.CodeUnread, object, "it couldn't be read: %v", err)}
	}
	if planned == nil {
		return nil, findings
	}
	return inject.Compile(planned, variant), findings
}

// datasetOf returns the Dataset whose claim a name is, or nil.
func (i *injector) datasetOf(key types.NamespacedName) (*datav1alpha1.Dataset, error) {
	dataset := &datav1alpha1.Dataset{}
	if err := i.reader.Get(i.ctx, key, dataset); apierrors.IsNotFound(err) && !kindUnknown(err) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if reference.IsReference(dataset) {
		return dataset, nil
	}
	claim := &corev1.PersistentVolumeClaim{}
	switch err := i.reader.Get(i.ctx, key, claim); {
	case apierrors.IsNotFound(err):
		return dataset, nil
	case err != nil:
		return nil, err
	}
	for label := range claim.Labels {
		if strings.HasPrefix(label, datav1alpha1.LabelStoragePrefix) {
			return dataset, nil
		}
	}
	return nil, nil
}

// plan plans the sidecar of a Dataset; findings say why it has none.
func (i *injector) plan(dataset *datav1alpha1.Dataset) (*reference.Sidecar, reference.Findings, error) {
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
