package alluxio

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/alluxio/engine"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

func deploymentList() schema.GroupVersionKind {
	return appsv1.SchemeGroupVersion.WithKind("DeploymentList")
}

// observe reads what there is, and asks the masters if it's time.
func (r *Reconciler) observe(ctx context.Context, p pair, e *engine.Engine) (*engine.Observed, error) {
	o := &engine.Observed{Jobs: map[engine.JobKind]engine.ObservedJob{}, Attempts: map[engine.JobKind]engine.Attempt{}, Refused: map[string]string{}, Now: r.Now()}
	known, _ := r.attempts.Get(p.key)
	for kind, attempt := range known {
		o.Attempts[kind] = attempt
	}
	o.MasterSet, o.WorkerSet, o.Fuse = &appsv1.StatefulSet{}, &appsv1.StatefulSet{}, &appsv1.DaemonSet{}
	for name, object := range map[string]client.Object{engine.MasterName(p.key.Name): o.MasterSet, engine.WorkerName(p.key.Name): o.WorkerSet, engine.FuseName(p.key.Name): o.Fuse} {
		if err := r.parts.Get(ctx, types.NamespacedName{Namespace: p.key.Namespace, Name: name}, object); client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
	}
	if err := r.observePods(ctx, p, o); err != nil {
		return nil, err
	}
	if err := r.observeRefusals(ctx, p, e, o); err != nil {
		return nil, err
	}
	r.ask(ctx, p, e, o)
	return o, nil
}

// observePods reads pods and Jobs of the runtime.
func (r *Reconciler) observePods(ctx context.Context, p pair, o *engine.Observed) error {
	pods, jobs := &corev1.PodList{}, &batchv1.JobList{}
	own := client.MatchingLabels{"release": p.key.Name, reference.LabelDatasetUID: string(p.dataset.UID)}
	if err := r.parts.List(ctx, pods, client.InNamespace(p.key.Namespace), own); err != nil {
		return fmt.Errorf("listing the pods of AlluxioRuntime %s: %w", p.key, err)
	}
	if err := r.parts.List(ctx, jobs, client.InNamespace(p.key.Namespace), own); err != nil {
		return fmt.Errorf("listing the Jobs of AlluxioRuntime %s: %w", p.key, err)
	}
	for i := range jobs.Items {
		job := &jobs.Items[i]
		observed := engine.ObservedJob{Job: job}
		for j := range pods.Items {
			if metav1.IsControlledBy(&pods.Items[j], job) {
				observed.Pods = append(observed.Pods, pods.Items[j])
			}
		}
		if metav1.IsControlledBy(job, p.runtime) {
			o.Jobs[engine.JobKind(job.Labels[engine.LabelJob])] = observed
		}
	}
	for i := range pods.Items {
		pod := pods.Items[i]
		switch role := pod.Labels["role"]; {
		case pod.DeletionTimestamp != nil:
		case role == engine.RoleMaster && metav1.IsControlledBy(&pod, o.MasterSet):
			o.Masters = append(o.Masters, pod)
		case role == engine.RoleWorker && metav1.IsControlledBy(&pod, o.WorkerSet):
			o.Workers = append(o.Workers, pod)
		}
	}
	byName := func(a, b corev1.Pod) int { return strings.Compare(a.Name, b.Name) }
	slices.SortFunc(o.Masters, byName)
	slices.SortFunc(o.Workers, byName)
	return nil
}

// refusalDelay is how long a pod may be missing before it is asked why: Kubernetes needs a moment to create it.
const refusalDelay = 2 * time.Second

// observeRefusals reads from events why pods that should be there aren't: a quota, for example. No status has it.
func (r *Reconciler) observeRefusals(ctx context.Context, p pair, e *engine.Engine, o *engine.Observed) error {
	type owner struct {
		kind, name string
		since      time.Time
	}
	var owners []owner
	if len(o.Masters) < e.Masters() && o.MasterSet.Name != "" {
		owners = append(owners, owner{"StatefulSet", o.MasterSet.Name, o.MasterSet.CreationTimestamp.Time})
	}
	if len(o.Workers) < int(p.runtime.Spec.Replicas) && o.WorkerSet.Name != "" {
		owners = append(owners, owner{"StatefulSet", o.WorkerSet.Name, o.WorkerSet.CreationTimestamp.Time})
	}
	for _, observed := range o.Jobs {
		if len(observed.Pods) == 0 && observed.Job.DeletionTimestamp == nil {
			owners = append(owners, owner{"Job", observed.Job.Name, observed.Job.CreationTimestamp.Time})
		}
	}
	for _, owner := range owners {
		if o.Now.Sub(owner.since) < refusalDelay {
			continue
		}
		text, err := r.refusal(ctx, p.key.Namespace, owner.kind, owner.name, o.Now)
		if err != nil {
			return err
		}
		if text != "" {
			o.Refused[owner.name] = text
		}
	}
	return nil
}

// refusalAge is how old an event may be that says why a pod isn't created: controllers repeat it while it's so, at growing
// distances.
const refusalAge = 20 * time.Minute

// refusal returns the newest event that says why a controller's pods aren't created.
func (r *Reconciler) refusal(ctx context.Context, namespace, kind, name string, now time.Time) (string, error) {
	list := &corev1.EventList{}
	err := r.Live.List(ctx, list, client.InNamespace(namespace), client.MatchingFields{"involvedObject.kind": kind, "involvedObject.name": name, "reason": "FailedCreate"})
	if err != nil {
		return "", fmt.Errorf("listing the events of %s %s/%s: %w", kind, namespace, name, err)
	}
	var text string
	var newest time.Time
	for i := range list.Items {
		event := &list.Items[i]
		at := event.LastTimestamp.Time
		if at.IsZero() {
			at = event.EventTime.Time
		}
		if at.After(newest) && now.Sub(at) < refusalAge {
			text, newest = event.Message, at
		}
	}
	return text, nil
}

// answerAge is how long an answer counts if none follows.
const answerAge = time.Minute

// ask asks the masters unless they were asked a short while ago: a moment if their mounts aren't as they should be, else
// engine.SettledInterval.
func (r *Reconciler) ask(ctx context.Context, p pair, e *engine.Engine, o *engine.Observed) {
	masters, identity := o.Addresses(), o.Identity()
	if len(masters) == 0 {
		r.answers.Forget(p.key)
		return
	}
	last, _ := r.answers.Get(p.key)
	if last.identity != identity {
		last = answer{identity: identity}
	}
	if o.Now.Sub(last.asked) >= e.AskInterval(last.info) {
		last.asked = o.Now
		info, err := r.Ask(ctx, masters)
		switch {
		case err == nil:
			last.info, last.answered, last.problem = info, o.Now, ""
		case o.Now.Sub(last.answered) >= answerAge:
			last.info, last.problem = nil, err.Error()
		default:
			last.problem = err.Error()
		}
		r.answers.Put(p.key, last)
	}
	o.Info, o.InfoAt, o.InfoProblem = last.info, last.answered, last.problem
}

// notHonoured returns the fields of a runtime that ask for something that this engine doesn't do. They are read live, once
// for each version: types don't keep them.
func (r *Reconciler) notHonoured(ctx context.Context, p pair) ([]string, error) {
	version := fmt.Sprint(p.runtime.UID, "/", p.runtime.Generation)
	if known, ok := r.lacking.Get(p.key); ok && known.version == version {
		return known.fields, nil
	}
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(datav1alpha1.GroupVersion.WithKind(datav1alpha1.AlluxioRuntimeKind))
	if err := r.Live.Get(ctx, p.key, live); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("reading AlluxioRuntime %s: %w", p.key, err)
	}
	spec, _ := live.Object["spec"].(map[string]any)
	fields, err := engine.Unsupported(spec)
	if err != nil {
		return nil, err
	}
	r.lacking.Put(p.key, lacking{version, fields})
	return fields, nil
}
