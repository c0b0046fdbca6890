package plugin

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/observe"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// Labels of Fluid by which a claim names its Dataset or marks itself as one of a Dataset, beside the storage label.
const (
	labelWrappedBy        = "fluid.io/wrapped-by"
	labelDeprecatedInject = "fuse.sidecar.fluid.io/inject"
)

// chain leads from a claim to what a sidecar is made from.
type chain struct {
	Dataset string `json:"dataset"`
	Links   []link `json:"links"`
	// Would is the sidecar that a pod which is created now gets; nil if none can be made.
	Would *wouldBe `json:"sidecar,omitempty"`
}

// link is one object of a chain.
type link struct {
	Link   string `json:"link"`
	Object string `json:"object"`
	State  string `json:"state"`
}

// wouldBe is a sidecar that could be injected.
type wouldBe struct {
	Container string   `json:"container"`
	Image     string   `json:"image"`
	MountType string   `json:"mountType"`
	Mirrors   []string `json:"mirrors"`
}

// inspector fills a report until the first error.
type inspector struct {
	ctx      context.Context
	reader   client.Reader
	settings settings
	report   *sidecarReport
	err      error
}

// followClaim follows a claim of a pod and reports whether it is one of a Dataset. A claim that doesn't exist counts:
// nobody knows what it will be. asked makes what blocks the sidecar a finding.
func (i *inspector) followClaim(pod *corev1.Pod, name string, asked bool) bool {
	if i.err != nil {
		return false
	}
	key := types.NamespacedName{Namespace: pod.Namespace, Name: name}
	claim := &corev1.PersistentVolumeClaim{}
	object := reference.Object{Kind: "PersistentVolumeClaim", Namespace: key.Namespace, Name: key.Name}
	switch err := i.reader.Get(i.ctx, key, claim); {
	case apierrors.IsNotFound(err):
		i.find(reference.CodePodClaimUnresolved, object, "the pod uses it, and it doesn't exist")
		return true
	case apierrors.IsForbidden(err):
		i.find(reference.CodeUnread, object, "it couldn't be read: %v", err)
		return true
	case err != nil:
		i.err = explainAPI("reading PersistentVolumeClaim "+key.String(), err)
		return false
	}
	dataset, ok := datasetOfClaim(claim)
	if !ok {
		return false
	}
	blocking := i.followDataset(types.NamespacedName{Namespace: pod.Namespace, Name: dataset})
	if asked && len(blocking) > 0 {
		i.find(reference.CodePodClaimUnresolved, object, "its Dataset %s/%s isn't ready: %s", pod.Namespace, dataset, blocking[0])
	}
	return true
}

// datasetOfClaim returns the Dataset that a claim belongs to, by Fluid's rules.
func datasetOfClaim(claim *corev1.PersistentVolumeClaim) (string, bool) {
	if name := claim.Labels[labelWrappedBy]; name != "" {
		return name, true
	}
	for label := range claim.Labels {
		if strings.HasPrefix(label, datav1alpha1.LabelStoragePrefix) || label == datav1alpha1.LabelManagedBy {
			return claim.Name, true
		}
	}
	return "", false
}

func (i *inspector) find(code reference.Code, object reference.Object, format string, args ...any) {
	i.report.Findings = append(i.report.Findings, reference.NewFinding(code, object, format, args...))
}

// followDataset adds the chain of a Dataset and returns what keeps it from having a sidecar.
func (i *inspector) followDataset(key types.NamespacedName) reference.Findings {
	if i.err != nil {
		return nil
	}
	object, err := getDataset(i.ctx, i.reader, key)
	if err != nil {
		i.err = err
		return nil
	}
	name := reference.Object{Kind: datav1alpha1.DatasetKind, Namespace: key.Namespace, Name: key.Name}
	if object == nil {
		i.report.Chains = append(i.report.Chains, chain{Dataset: key.String(), Links: []link{{"dataset", name.String(), "doesn't exist"}}})
		return reference.Findings{reference.NewFinding(reference.CodePhysicalMissing, name, "it doesn't exist")}
	}
	dataset, err := typedDataset(object)
	if err != nil {
		i.err = err
		return nil
	}
	if reference.IsReference(dataset) {
		return i.followReference(dataset)
	}
	return i.followPhysical(dataset)
}

func (i *inspector) followReference(dataset *datav1alpha1.Dataset) reference.Findings {
	p, err := runPreflight(i.ctx, i.reader, dataset, i.settings, false)
	if err != nil {
		i.err = err
		return nil
	}
	c := newChain(p.world, p.plan.Source, p.findings)
	c.Would = i.newWouldBe(p.plan.Sidecar, p.plan.Mirrors)
	i.report.Chains = append(i.report.Chains, c)
	return p.findings.BlockingSidecar()
}

func (i *inspector) followPhysical(dataset *datav1alpha1.Dataset) reference.Findings {
	world, err := observe.Physical(i.ctx, i.reader, dataset)
	if err != nil {
		i.err = explainAPI(fmt.Sprintf("reading what belongs to Dataset %s/%s", dataset.Namespace, dataset.Name), err)
		return nil
	}
	source := reference.Source{Namespace: dataset.Namespace, Name: dataset.Name}
	sidecar, mirrors, findings := reference.NewSidecar(world, source)
	c := newChain(world, source, findings)
	c.Would = i.newWouldBe(sidecar, mirrors)
	i.report.Chains = append(i.report.Chains, c)
	return findings.BlockingSidecar()
}

// newWouldBe numbers sidecars in the order of the claims.
func (i *inspector) newWouldBe(sidecar *reference.Sidecar, mirrors []reference.Mirror) *wouldBe {
	if sidecar == nil {
		return nil
	}
	index := 0
	for _, c := range i.report.Chains {
		if c.Would != nil {
			index++
		}
	}
	w := &wouldBe{Container: fmt.Sprintf("%s-%d", sidecarPrefix, index), Image: sidecar.Container.Image, MountType: sidecar.MountType, Mirrors: []string{}}
	for _, mirror := range mirrors {
		w.Mirrors = append(w.Mirrors, mirror.Target.String())
	}
	return w
}

// newChain lists the objects between a Dataset's claim and the sidecar's template, each with what is wrong with it.
func newChain(w *reference.World, source reference.Source, findings reference.Findings) chain {
	c := chain{Dataset: w.Key().String()}
	isReference := source.Key() != w.Key()
	add := func(name string, object reference.Object, exists bool, state string) {
		for _, finding := range findings {
			if finding.Object == object.String() && finding.Severity != reference.Note {
				c.Links = append(c.Links, link{name, object.String(), string(finding.Code) + ": " + finding.Message})
				return
			}
		}
		if !exists {
			state = "doesn't exist"
		}
		c.Links = append(c.Links, link{name, object.String(), state})
	}
	dataset := reference.Object{Kind: datav1alpha1.DatasetKind, Namespace: w.Dataset.Namespace, Name: w.Dataset.Name}
	physical := reference.Object{Kind: datav1alpha1.DatasetKind, Namespace: source.Namespace, Name: source.Name}
	if isReference {
		add("claim", reference.Object{Kind: "PersistentVolumeClaim", Namespace: dataset.Namespace, Name: dataset.Name}, w.Claim != nil, "OK")
		add("reference", dataset, true, orNone(string(w.Dataset.Status.Phase)))
	} else {
		add("claim", reference.Object{Kind: "PersistentVolumeClaim", Namespace: dataset.Namespace, Name: dataset.Name}, w.PhysicalClaim != nil, "OK")
	}
	if source.Name == "" || w.Physical == nil {
		if source.Name != "" {
			add("physical", physical, false, "")
		}
		return c
	}
	add("physical", physical, true, orNone(string(w.Physical.Status.Phase)))
	if runtime, known := reference.RuntimeOfDataset(w.Physical); known {
		state := "named by the physical Dataset's status"
		if w.RuntimeStatus != nil {
			state = "FUSE " + orNone(string(w.RuntimeStatus.FusePhase))
		}
		add("runtime", reference.Object{Kind: runtime.Kind, Namespace: source.Namespace, Name: source.Name}, true, state)
		add("template", reference.Object{Kind: "DaemonSet", Namespace: source.Namespace, Name: runtime.FuseDaemonSet(source.Name)}, w.Fuse != nil, "OK")
	}
	c.Links = append(c.Links, mirrorLinks(w, source, findings)...)
	return c
}

// mirrorLinks returns the copies that a reference's sidecar needs.
func mirrorLinks(w *reference.World, source reference.Source, findings reference.Findings) []link {
	var links []link
	_, mirrors, _ := reference.NewSidecar(w, source)
	for _, mirror := range mirrors {
		state := "OK"
		switch {
		case w.Unread[mirror.Target] != "":
			state = "couldn't be read"
		case w.Taken[mirror.Target] == nil:
			state = "doesn't exist"
		}
		for _, finding := range findings {
			if finding.Object == mirror.Target.String() && finding.Severity != reference.Note {
				state = string(finding.Code) + ": " + finding.Message
			}
		}
		links = append(links, link{"copy of " + mirror.Source.Namespace + "/" + mirror.Source.Name, mirror.Target.String(), state})
	}
	return links
}

// askedFor reports whether a pod's labels ask for sidecars.
func askedFor(pod *corev1.Pod) bool {
	return pod.Labels[datav1alpha1.LabelInject] == "true" &&
		pod.Labels[datav1alpha1.LabelEnableInjection] != "false"
}

// explainAbsence adds the first reason why a pod has no sidecar.
func (i *inspector) explainAbsence(pod *corev1.Pod, claims int) {
	object := podObject(pod)
	switch {
	case claims == 0:
		i.find(reference.CodePodNoDataset, object, "it has no sidecar, and none of its volumes is the claim of a Dataset")
	case pod.Labels[datav1alpha1.LabelEnableInjection] == "false":
		i.find(reference.CodePodInjectionOff, object, "its label %s is false", datav1alpha1.LabelEnableInjection)
	case pod.Labels[datav1alpha1.LabelInject] != "true":
		also := ""
		if _, deprecated := pod.Labels[labelDeprecatedInject]; deprecated {
			also = "; the label " + labelDeprecatedInject + " that it has is deprecated, and no webhook looks at it"
		}
		i.find(reference.CodePodNotLabelled, object, "it has no label %s=true%s", datav1alpha1.LabelInject, also)
	case pod.Labels[datav1alpha1.LabelInjectionDone] == "true":
		i.find(reference.CodePodInjectionOff, object, "its label %s is true, so webhooks take it for injected, but it has no sidecar", datav1alpha1.LabelInjectionDone)
	case len(i.report.Findings.Of(reference.Error)) == 0:
		i.find(reference.CodePodNotInjected, object, "its claims and their Datasets are fine; %s", i.webhooks())
	}
}

// webhooks says which webhooks that inject sidecars the cluster has.
func (i *inspector) webhooks() string {
	found := map[string]bool{}
	for _, name := range []string{ownWebhook, fluidWebhook} {
		switch _, err := webhookAnnotations(i.ctx, i.reader, name); {
		case err == nil:
			found[name] = true
		case apierrors.IsForbidden(err):
			return "which webhooks there are couldn't be read"
		}
	}
	if len(found) == 0 {
		return "no webhook that injects sidecars is installed"
	}
	return "it was created before " + strings.Join(slices.Sorted(maps.Keys(found)), " and ") + " answered, or after an error there"
}
