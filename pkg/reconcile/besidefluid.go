package reconcile

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/statuspatch"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/tell"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// BesideFluid says whether Fluid's own controllers and webhook serve references too: they can't be told not to.
type BesideFluid string

// With BesideFluidAuto, the default, Fluid's webhook is there if it is configured, and its thinruntime-controller also if it
// is seen to write the statuses of references.
const (
	BesideFluidAuto  BesideFluid = "auto"
	BesideFluidTrue  BesideFluid = "true"
	BesideFluidFalse BesideFluid = "false"
)

// ParseBesideFluid reads a BesideFluid; empty means BesideFluidAuto.
func ParseBesideFluid(text string) (BesideFluid, error) {
	switch beside := BesideFluid(text); beside {
	case "":
		return BesideFluidAuto, nil
	case BesideFluidAuto, BesideFluidTrue, BesideFluidFalse:
		return beside, nil
	}
	return "", fmt.Errorf("%q isn't one of auto, true and false", text)
}

// isBesideFluid reports whether Fluid's controllers serve references too.
func (r *ReferenceReconciler) isBesideFluid(ctx context.Context) (bool, error) {
	if r.BesideFluid != BesideFluidFalse && r.erasures.goOn(r.Now()) {
		return true, nil
	}
	return r.hasFluidWebhook(ctx)
}

// hasFluidWebhook reports whether Fluid's webhook injects sidecars.
func (r *ReferenceReconciler) hasFluidWebhook(ctx context.Context) (bool, error) {
	switch r.BesideFluid {
	case BesideFluidTrue:
		return true, nil
	case BesideFluidFalse:
		return false, nil
	}
	webhook := &admissionregistrationv1.MutatingWebhookConfiguration{}
	err := r.Client.Get(ctx, types.NamespacedName{Name: reference.FluidWebhook}, webhook, client.UnsafeDisableDeepCopy)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("looking for Fluid's webhook, the MutatingWebhookConfiguration %s: %w", reference.FluidWebhook, err)
	}
	return err == nil, nil
}

// concernedByWebhook: all references, when Fluid's webhook comes or goes.
func (r *ReferenceReconciler) concernedByWebhook(ctx context.Context, object client.Object) []types.NamespacedName {
	if object.GetName() != reference.FluidWebhook {
		return nil
	}
	list := &datav1alpha1.DatasetList{}
	if r.Client.List(ctx, list, client.UnsafeDisableDeepCopy) != nil {
		return nil
	}
	var keys []types.NamespacedName
	for i := range list.Items {
		if reference.IsReference(&list.Items[i]) {
			keys = append(keys, client.ObjectKeyFromObject(&list.Items[i]))
		}
	}
	return keys
}

// applyFuseTemplate makes the DaemonSet from which Fluid's webhook takes the sidecar name the mirrors, whoever has
// created it, and keeps it so. Fluid creates it if there is none, and never looks at it again.
func (r *ReferenceReconciler) applyFuseTemplate(ctx context.Context, world *reference.World, plan *reference.Plan) error {
	wanted, err := reference.NewFuseTemplate(world.Dataset, plan.Sidecar)
	if err != nil {
		return err
	}
	key := client.ObjectKeyFromObject(wanted)
	present := &appsv1.DaemonSet{}
	err = r.Client.Get(ctx, key, present, client.UnsafeDisableDeepCopy)
	switch {
	case apierrors.IsNotFound(err):
		return r.create(ctx, world.Key(), wanted)
	case err != nil:
		return fmt.Errorf("reading DaemonSet %s: %w", key, err)
	}
	version, err := reference.TemplateVersion(wanted, present.Generation)
	if err != nil || (reference.Owns(world.Dataset, present) && present.Annotations[reference.AnnotationTemplate] == version) {
		return err
	}
	live := &appsv1.DaemonSet{} // the caches have neither selectors nor other annotations
	if err := r.Live.Get(ctx, key, live); err != nil {
		return client.IgnoreNotFound(err)
	}
	if !reference.Owns(world.Dataset, live) && !reference.CopiedByFluid(world.Dataset, live) {
		r.tellTemplateTaken(world.Dataset, live)
		return nil
	}
	return r.replaceTemplate(ctx, live, wanted)
}

// replaceTemplate gives a DaemonSet the wanted template. Its selector can't be changed, so the template keeps the labels.
func (r *ReferenceReconciler) replaceTemplate(ctx context.Context, live, wanted *appsv1.DaemonSet) error {
	template := wanted.Spec.Template.DeepCopy()
	template.Labels = live.Spec.Template.Labels
	for generation := live.Generation + 1; ; generation = live.Generation {
		version, err := reference.TemplateVersion(wanted, generation)
		if err != nil {
			return err
		}
		patch, err := json.Marshal([]map[string]any{
			{"op": "replace", "path": "/metadata/resourceVersion", "value": live.ResourceVersion}, // else it is a conflict
			{"op": "add", "path": "/metadata/labels", "value": labels.Merge(live.Labels, wanted.Labels)},
			{"op": "add", "path": "/metadata/annotations", "value": labels.Merge(live.Annotations, map[string]string{reference.AnnotationTemplate: version})},
			{"op": "replace", "path": "/spec/template", "value": template},
		})
		if err == nil {
			err = r.Client.Patch(ctx, live, client.RawPatch(types.JSONPatchType, patch))
		}
		if err != nil {
			return r.refused(live, fmt.Errorf("giving DaemonSet %s the template that names the mirrors: %w", client.ObjectKeyFromObject(live), err))
		}
		if live.Generation == generation {
			return nil // else the template was right already, and only the annotation wasn't
		}
	}
}

// tellTemplateTaken says once that somebody else's DaemonSet has the name.
func (r *ReferenceReconciler) tellTemplateTaken(dataset *datav1alpha1.Dataset, taken *appsv1.DaemonSet) {
	message := fmt.Sprintf("Fluid's webhook takes the sidecar from DaemonSet %s, which isn't this Dataset's: %s; rename it, or pods that Fluid's webhook injects get the wrong sidecar",
		client.ObjectKeyFromObject(taken), reference.Holder(taken))
	if r.saidOfTemplate.IsNews(client.ObjectKeyFromObject(dataset), reasonTemplateTaken, message) {
		r.Recorder.Eventf(dataset, nil, corev1.EventTypeWarning, reasonTemplateTaken, "Reconcile", "%s", tell.Clip(message))
	}
}

// reasonTemplateTaken is the reason of the event that says so.
const reasonTemplateTaken = "FuseTemplateNameTaken"

// writeStatusBesideFluid is writeStatus where Fluid writes the same statuses, at each event of a reference (v1.0.8): those of the
// physical's, with nothing else in it. A condition of ours in there would be erased and written for ever, so what blocks
// a reference is said in an annotation, and its status is left to Fluid as long as something does.
func (r *ReferenceReconciler) writeStatusBesideFluid(ctx context.Context, world *reference.World, plan *reference.Plan) (news bool, err error) {
	blocking, blocked := plan.Findings.First()
	if blocked && blocking.Code == finding.CodeNotRecorded {
		return false, nil
	}
	obstacle := ""
	if blocked {
		obstacle = blocking.Reason + ": " + blocking.String()
	}
	news, err = r.annotateObstacle(ctx, world.Dataset, obstacle, plan)
	if err != nil {
		return false, err
	}
	if blocked {
		if world.Dataset.Status.Phase != datav1alpha1.NonePhase {
			return news, nil
		}
		plan.Status = datav1alpha1.DatasetStatus{Phase: datav1alpha1.NotBoundPhase, Conditions: []datav1alpha1.DatasetCondition{}}
	}
	plan.Status.Conditions = reference.WithoutReferenceReady(plan.Status.Conditions)
	if err := r.writeRuntimeStatus(ctx, world, plan); err != nil {
		return false, err
	}
	before := world.Dataset.Status
	if equality.Semantic.DeepEqual(before, plan.Status) {
		return news, nil
	}
	return news, statuspatch.Write(ctx, r.Client, world.Dataset, before, plan.Status)
}

// annotateObstacle writes what blocks a reference into its annotation, removes it when nothing does, and reports whether
// that is news, of which it makes an event.
func (r *ReferenceReconciler) annotateObstacle(ctx context.Context, dataset *datav1alpha1.Dataset, obstacle string, plan *reference.Plan) (bool, error) {
	said, present := dataset.Annotations[reference.AnnotationObstacle]
	keepEmpty := r.MirrorNames == reference.SourceNames
	if said == obstacle && (present || !keepEmpty) {
		return false, nil
	}
	before := dataset.DeepCopy()
	dataset.Annotations = maps.Clone(dataset.Annotations)
	if obstacle == "" && !keepEmpty {
		delete(dataset.Annotations, reference.AnnotationObstacle)
	} else {
		dataset.Annotations = labels.Merge(dataset.Annotations, map[string]string{reference.AnnotationObstacle: obstacle})
	}
	if err := r.patch(ctx, dataset, before); err != nil {
		return false, err
	}
	if obstacle == "" && said == "" {
		return false, nil // it was ready from the start
	}
	return r.reportCondition(dataset, plan), nil
}
