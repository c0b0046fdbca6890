package alluxio

import (
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/alluxio/engine"
)

// Serve says which AlluxioRuntimes this engine serves.
type Serve string

const (
	// ServeAll serves all.
	ServeAll Serve = "true"
	// ServeNone serves none.
	ServeNone Serve = "false"
	// ServeAuto serves those that Fluid's alluxioruntime-controller doesn't: none that has its finalizer, and none at all
	// in a cluster that has its Deployment.
	ServeAuto Serve = "auto"
)

// ParseServe reads the value of a flag.
func ParseServe(text string) (Serve, error) {
	switch serve := Serve(text); serve {
	case ServeAll, ServeNone, ServeAuto:
		return serve, nil
	}
	return "", fmt.Errorf("%q isn't true, false or auto", text)
}

// fluidsDeployment is the name of the Deployment of Fluid's engine (v1.0.8). It may be scaled to zero: Fluid's
// dataset-controller scales it up.
const fluidsDeployment = "alluxioruntime-controller"

// fluidInterval is how often is looked for that Deployment, which isn't watched.
const fluidInterval = time.Minute

type fluidSeen struct {
	at        time.Time
	namespace string
}

// servedElsewhere says who else serves a runtime, or nothing, and when to look again.
func (r *Reconciler) servedElsewhere(ctx context.Context, p pair) (string, time.Duration, error) {
	if r.Serve != ServeAuto {
		return "", 0, nil
	}
	if slices.Contains(p.runtime.Finalizers, datav1alpha1.FinalizerFluidAlluxioRuntime) {
		return "it has the finalizer " + datav1alpha1.FinalizerFluidAlluxioRuntime, 0, nil
	}
	if p.runtime.DeletionTimestamp != nil {
		return "", 0, nil // its end is nobody else's: it has this engine's finalizer, or none
	}
	seen, known := r.fluid.Get("")
	if now := r.Now(); !known || now.Sub(seen.at) >= fluidInterval {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(deploymentList())
		if err := r.Live.List(ctx, list, client.MatchingFields{"metadata.name": fluidsDeployment}); err != nil {
			return "", 0, fmt.Errorf("looking for Fluid's Deployment %s: %w", fluidsDeployment, err)
		}
		seen = fluidSeen{at: now}
		if len(list.Items) > 0 {
			seen.namespace = list.Items[0].Namespace
		}
		r.fluid.Put("", seen)
	}
	if seen.namespace == "" {
		return "", 0, nil
	}
	return fmt.Sprintf("Deployment %s/%s exists", seen.namespace, fluidsDeployment), fluidInterval, nil
}

// sayServedElsewhere says in the runtime's status that Fluid serves it.
func (r *Reconciler) sayServedElsewhere(ctx context.Context, p pair, other string) error {
	return r.writeRuntime(ctx, p.runtime, func(runtime *datav1alpha1.AlluxioRuntime) {
		engine.SetServedElsewhere(runtime, other, r.Now())
	})
}
