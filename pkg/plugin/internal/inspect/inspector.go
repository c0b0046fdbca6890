package inspect

import (
	"context"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/inject"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/observe"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/workload"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// inspector finds out about the sidecars of pods.
type inspector struct {
	ctx    context.Context
	env    command.Environment
	c      *cluster.View
	naming string
	// known are the cluster's settings, once somebody needs them.
	known *cluster.Settings
}

// settings asks for the cluster's settings once. A pod that has its sidecars doesn't depend on them.
func (i *inspector) settings() (cluster.Settings, error) {
	if i.known == nil {
		s, err := i.c.Settings(i.ctx, i.env, i.naming)
		if err != nil {
			return s, err
		}
		i.known = &s
	}
	return *i.known, nil
}

// inspect reads the chain of each Dataset that a pod has a sidecar for or a claim of.
func (i *inspector) inspect(subject *podSubject) (*podReport, error) {
	r := &podReport{Kind: subject.kind, Namespace: subject.key.Namespace, Name: subject.key.Name, File: subject.file,
		Exists: subject.exists, Sidecars: []workload.Sidecar{}, Chains: []chain{}}
	if subject.exists {
		r.Sidecars = workload.Sidecars(subject.pod)
		r.InjectedBy = workload.InjectedBy(subject.pod)
	}
	r.Injected = len(r.Sidecars) > 0
	var err error
	if r.Injected {
		err = i.inspectInjected(subject, r)
	}
	claims := 0
	for _, claim := range workload.ClaimsOf(subject.pod) {
		var counts bool
		if err == nil {
			counts, err = i.followClaim(subject, r, claim)
		}
		if counts {
			claims++
		}
	}
	if err == nil && !r.Injected {
		err = i.explainAbsence(subject, r, claims)
	}
	if err == nil && !subject.exists {
		err = i.inspectFuture(subject, r)
	}
	return r, err
}

// inspectInjected follows the sidecars that a pod has.
func (i *inspector) inspectInjected(subject *podSubject, r *podReport) error {
	pod := subject.pod
	for n := range r.Sidecars {
		sidecar := &r.Sidecars[n]
		if problem := sidecar.Problem(); problem != "" && !reference.HasEnded(pod) {
			r.find(finding.CodeSidecarNotReady, "its container %s is not ready: %s%s", sidecar.Container, problem, i.lastWarning(pod, sidecar))
		}
		if sidecar.Dataset == "" {
			continue
		}
		c, _, err := i.followDataset(sidecar.Key, cluster.Settings{MirrorNames: reference.UniqueNames}, 0)
		if err != nil {
			return err
		}
		c.Would = nil
		for _, object := range neededBy(pod, sidecar.Container) {
			l, err := i.needed(object)
			if err != nil {
				return err
			}
			c.Links = append(c.Links, l)
			if !l.Fine && l.State == "doesn't exist" {
				r.findings = append(r.findings, finding.New(finding.CodeSourceMissing, object,
					"it doesn't exist, and the container %s of Pod %s/%s can't start without it", sidecar.Container, pod.Namespace, pod.Name))
			}
		}
		r.Chains = append(r.Chains, *c)
	}
	r.Diff = diffOfInjected(pod)
	return nil
}

// neededBy returns what a sidecar of a pod reads.
func neededBy(pod *corev1.Pod, container string) []finding.Object {
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for n := range list {
			if list[n].Name == container {
				return reference.NeededBy(pod.Namespace, &list[n], pod.Spec.Volumes)
			}
		}
	}
	return nil
}

// needed looks whether an object that a sidecar reads is there. Its values aren't read.
func (i *inspector) needed(object finding.Object) (link, error) {
	partial := &metav1.PartialObjectMetadata{}
	partial.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(object.Kind))
	l := link{Link: "read by the sidecar", Object: object.String()}
	switch err := i.c.Get(i.ctx, types.NamespacedName{Namespace: object.Namespace, Name: object.Name}, partial); {
	case err == nil:
		l.State, l.Fine = "OK", true
		if source := partial.Annotations[reference.AnnotationMirrorOf]; source != "" {
			l.State = "OK, a copy of " + source
		}
	case apierrors.IsNotFound(err):
		l.State = "doesn't exist"
	case apierrors.IsForbidden(err):
		l.State = "it couldn't be read: " + err.Error()
	default:
		return l, cluster.ExplainAPI("reading "+object.String(), err)
	}
	return l, nil
}

// followClaim follows a claim of a pod and reports whether it is one of a Dataset. A claim that doesn't exist counts if a
// Dataset has its name, or nothing has: nobody knows what it will be.
func (i *inspector) followClaim(subject *podSubject, r *podReport, name string) (bool, error) {
	key := types.NamespacedName{Namespace: subject.key.Namespace, Name: name}
	claim := &corev1.PersistentVolumeClaim{}
	object := finding.Object{Kind: "PersistentVolumeClaim", Namespace: key.Namespace, Name: key.Name}
	dataset := name
	switch err := i.c.Get(i.ctx, key, claim); {
	case apierrors.IsForbidden(err):
		r.findings = append(r.findings, finding.New(finding.CodeUnread, object, "it couldn't be read: %v", err))
		return true, nil
	case err == nil:
		var ok bool
		if dataset, ok = reference.DatasetOfClaim(claim); !ok {
			return false, nil
		}
	case !apierrors.IsNotFound(err):
		return false, cluster.ExplainAPI("reading PersistentVolumeClaim "+key.String(), err)
	}
	s, err := i.settings()
	if err != nil {
		return false, err
	}
	c, blocking, err := i.followDataset(types.NamespacedName{Namespace: key.Namespace, Name: dataset}, s, len(r.Chains))
	if err != nil {
		return false, err
	}
	r.Chains = append(r.Chains, *c)
	switch {
	case c.Links[0].Link == "dataset":
		r.findings = append(r.findings, finding.New(finding.CodePodClaimUnresolved, object, "the pod uses it, and neither it nor a Dataset of its name exists"))
	case !verdictOn(subject.pod).Has(inject.NotAsked|inject.Forbidden) && len(blocking) > 0:
		r.findings = append(r.findings, blocking...)
		// What couldn't be read says nothing about the Dataset.
		if gravest, _ := blocking.First(); gravest.Severity != finding.Inconclusive {
			r.findings = append(r.findings, finding.New(finding.CodePodClaimUnresolved, object, "its Dataset %s/%s isn't ready: %s", key.Namespace, dataset, gravest))
		}
	}
	return true, nil
}

// followDataset returns the chain of a Dataset and what keeps it from having a sidecar, which would have an index.
func (i *inspector) followDataset(key types.NamespacedName, s cluster.Settings, index int) (*chain, finding.List, error) {
	object, err := cluster.GetDataset(i.ctx, i.c, key)
	if err != nil {
		return nil, nil, err
	}
	name := finding.Object{Kind: datav1alpha1.DatasetKind, Namespace: key.Namespace, Name: key.Name}
	if object == nil {
		return &chain{Dataset: key.String(), Links: []link{{"dataset", name.String(), "doesn't exist", false}}},
			finding.List{finding.New(finding.CodePhysicalMissing, name, "it doesn't exist")}, nil
	}
	dataset, err := cluster.TypedDataset(object)
	if err != nil {
		return nil, nil, err
	}
	world, plan, err := observe.Plan(i.ctx, i.c, dataset, s.Policy(reference.ForPods))
	if err != nil {
		return nil, nil, cluster.ExplainAPI("reading what belongs to Dataset "+key.String(), err)
	}
	c := newChain(world, plan.Source, plan.Findings)
	c.Would = newWouldBe(plan.Sidecar, plan.Mirrors, index)
	return &c, plan.BlockingPods(), nil
}

// find adds a finding about the pod.
func (r *podReport) find(code finding.Code, format string, args ...any) {
	r.findings = append(r.findings, finding.New(code, finding.Object{Kind: r.Kind, Namespace: r.Namespace, Name: r.Name}, format, args...))
}

// verdictOn says what the labels and annotations of a pod mean for its sidecars.
func verdictOn(pod *corev1.Pod) inject.Verdict { return inject.VerdictOf(pod.Labels, pod.Annotations) }

// explainAbsence adds the first reason why a pod has no sidecar, or would have none.
func (i *inspector) explainAbsence(subject *podSubject, r *podReport, claims int) error {
	labels, verdict := subject.pod.Labels, verdictOn(subject.pod)
	before := len(r.findings)
	switch {
	case claims == 0:
		r.find(finding.CodePodNoDataset, "none of its volumes is the claim of a Dataset")
	case verdict.Has(inject.Forbidden):
		r.find(finding.CodePodInjectionOff, "its label %s is false", datav1alpha1.LabelEnableInjection)
	case verdict.Has(inject.NotAsked):
		also := ""
		if _, deprecated := labels[inject.LabelDeprecatedInject]; deprecated {
			also = "; the label " + inject.LabelDeprecatedInject + " that it has is deprecated, and no webhook looks at it"
		}
		r.find(finding.CodePodNotLabelled, "it has no label %s=true%s", datav1alpha1.LabelInject, also)
	case verdict.Has(inject.Done):
		r.find(finding.CodePodInjectionOff, "its label %s is true, so webhooks take it for injected, but it has no sidecar", datav1alpha1.LabelInjectionDone)
	}
	if len(r.findings) > before {
		r.BrokenLink = r.findings[before].Message
		return nil
	}
	for n := range r.Chains {
		if broken, ok := r.Chains[n].broken(); ok {
			r.BrokenLink = broken.Link + " " + broken.Object + ": " + broken.State
			return nil
		}
	}
	if !subject.exists || len(r.findings.Of(finding.Error)) > 0 {
		return nil
	}
	webhooks, err := i.webhooks()
	if err != nil {
		return err
	}
	why := "it was created before " + strings.Join(webhooks.found, " and ") + " answered, or after an error there"
	switch {
	case webhooks.forbidden:
		why = "which webhooks there are couldn't be read"
	case len(webhooks.found) == 0:
		why = noWebhook
	}
	r.find(finding.CodePodNotInjected, "its claims and their Datasets are fine; %s", why)
	r.BrokenLink = "webhook: " + why
	return nil
}

const noWebhook = "no webhook that injects sidecars is installed"

// injectingWebhooks are the webhooks of a cluster that inject sidecars.
type injectingWebhooks struct {
	found []string
	// forbidden says that they may not all be read.
	forbidden bool
}

// webhooks looks which webhooks that inject sidecars the cluster has.
func (i *inspector) webhooks() (injectingWebhooks, error) {
	var w injectingWebhooks
	for _, name := range []string{cluster.OwnWebhook, reference.FluidWebhook} {
		switch _, err := cluster.WebhookAnnotations(i.ctx, i.c, name); {
		case err == nil:
			w.found = append(w.found, name)
		case apierrors.IsForbidden(err):
			w.forbidden = true
		case !apierrors.IsNotFound(err):
			return w, cluster.ExplainAPI("reading MutatingWebhookConfiguration "+name, err)
		}
	}
	slices.Sort(w.found)
	return w, nil
}

// lastWarning returns what kubelet said last about a sidecar; empty if that isn't known.
func (i *inspector) lastWarning(pod *corev1.Pod, sidecar *workload.Sidecar) string {
	if i.c.Offline() {
		return ""
	}
	message, err := warningOf(i.ctx, i.c.Live, pod, sidecar.Container)
	switch {
	case err != nil:
		return "; its events couldn't be read"
	case message != "":
		return "; kubelet says: " + message
	}
	return ""
}
