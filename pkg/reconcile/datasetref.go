package reconcile

import (
	"context"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/memory"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/statuspatch"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// DatasetRefReconciler keeps status.datasetRef of physical Datasets: the list of the references to each, by which
// Fluid's dataset-controller and this project's ThinRuntime engine know that a Dataset is in use and mustn't go.
//
// One reconcile writes the whole list of one physical Dataset, so that many references to it don't contend for it.
type DatasetRefReconciler struct {
	Client client.Client
	// Sharing says whose consent references need: one without it doesn't keep the physical Dataset from being deleted.
	Sharing reference.Sharing

	pauses  pauses
	written written
}

// datasetRefWorkers is how many lists are written at a time, each of another Dataset.
const datasetRefWorkers = 8

// Reconcile writes the list of references to one physical Dataset if it isn't right.
func (r *DatasetRefReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	if left := r.pauses.left(request.NamespacedName, time.Now()); left > 0 {
		return ctrl.Result{RequeueAfter: left}, nil
	}
	physical := &datav1alpha1.Dataset{}
	if err := r.Client.Get(ctx, request.NamespacedName, physical); err != nil {
		r.written.forget(request.NamespacedName)
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if reference.IsReference(physical) || r.written.isBehind(request.NamespacedName, physical.ResourceVersion) {
		return ctrl.Result{}, nil
	}
	references, err := referencesTo(ctx, r.Client, request.NamespacedName)
	if err != nil {
		return ctrl.Result{}, err
	}
	references = slices.DeleteFunc(references, func(ref datav1alpha1.Dataset) bool {
		source := reference.Source{Namespace: physical.Namespace, Name: physical.Name}
		return reference.ConsentOf(r.Sharing, physical, source, ref.Namespace) == reference.ConsentWithheld
	})
	kept, lacking := divide(physical.Status.DatasetRef, references)
	isDue := func(ref *datav1alpha1.Dataset) bool { return r.isDue(ctx, ref) }
	if len(kept) == len(physical.Status.DatasetRef) && !slices.ContainsFunc(lacking, isDue) {
		return ctrl.Result{}, nil
	}
	return ctrl.Result{}, r.write(ctx, physical, slices.Concat(kept, keysOf(lacking)))
}

// write gives a physical Dataset another list.
func (r *DatasetRefReconciler) write(ctx context.Context, physical *datav1alpha1.Dataset, list []string) error {
	key, read, wanted := client.ObjectKeyFromObject(physical), physical.ResourceVersion, physical.Status
	wanted.DatasetRef = list
	if wanted.Conditions == nil {
		// The CRD requires the field; a Dataset that nobody has looked at yet doesn't have it.
		wanted.Conditions = []datav1alpha1.DatasetCondition{}
	}
	started := time.Now()
	err := statuspatch.Write(ctx, r.Client, physical, physical.Status, wanted)
	r.pauses.begin(key, started, time.Now())
	r.written.note(key, read, physical.ResourceVersion)
	return err
}

// pauses keeps the writes of each list to a fifth of the time, since the API server takes longer for a longer list: after one
// write, the next waits four times as long as it took. References that come meanwhile are in that one.
type pauses struct {
	ends memory.Of[types.NamespacedName, time.Time]
}

// begin notes that a list was written.
func (p *pauses) begin(key types.NamespacedName, started, ended time.Time) {
	p.ends.Put(key, ended.Add(min(4*ended.Sub(started), longestPause)))
}

// left returns how long the next write of a list has to wait.
func (p *pauses) left(key types.NamespacedName, now time.Time) (left time.Duration) {
	p.ends.Update(key, func(end time.Time, _ bool) (time.Time, bool) {
		left = max(0, end.Sub(now))
		return end, left > 0
	})
	return left
}

// divide returns the names of a list that are of references, in their order, and the references that it lacks.
func divide(list []string, references []datav1alpha1.Dataset) (kept []string, lacking []*datav1alpha1.Dataset) {
	unlisted := make(map[string]*datav1alpha1.Dataset, len(references))
	for i := range references {
		unlisted[client.ObjectKeyFromObject(&references[i]).String()] = &references[i]
	}
	for _, name := range list {
		if unlisted[name] != nil {
			kept = append(kept, name)
			delete(unlisted, name)
		}
	}
	return kept, slices.Collect(maps.Values(unlisted))
}

// keysOf returns the names of references as a list has them, sorted.
func keysOf(references []*datav1alpha1.Dataset) []string {
	var names []string
	for _, ref := range references {
		names = append(names, client.ObjectKeyFromObject(ref).String())
	}
	slices.Sort(names)
	return names
}
