package inspect

import (
	"slices"
	"strconv"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/inject"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// chain leads from a claim to what a sidecar is made from.
type chain struct {
	// Dataset is the Dataset of the claim as namespace/name.
	Dataset string `json:"dataset"`
	Links   []link `json:"links"`
	// Would is the sidecar that a pod which is created now gets; nil if none can be made.
	Would *wouldBe `json:"sidecar,omitempty"`
}

// link is one object of a chain.
type link struct {
	// Link says what the object is in the chain.
	Link   string `json:"link"`
	Object string `json:"object"`
	State  string `json:"state"`
	// Fine says that nothing is wrong with it.
	Fine bool `json:"fine"`
}

// wouldBe is a sidecar that could be injected.
type wouldBe struct {
	Container string   `json:"container"`
	Image     string   `json:"image"`
	MountType string   `json:"mountType"`
	Mirrors   []string `json:"mirrors"`
}

func newWouldBe(sidecar *reference.Sidecar, mirrors []reference.Mirror, index int) *wouldBe {
	if sidecar == nil {
		return nil
	}
	w := &wouldBe{Container: inject.ContainerNamePrefix + strconv.Itoa(index), Image: sidecar.Container.Image, MountType: sidecar.MountType, Mirrors: []string{}}
	for _, mirror := range mirrors {
		w.Mirrors = append(w.Mirrors, mirror.Target.String())
	}
	return w
}

// broken returns the first link that isn't fine.
func (c *chain) broken() (link, bool) {
	i := slices.IndexFunc(c.Links, func(l link) bool { return !l.Fine })
	if i < 0 {
		return link{}, false
	}
	return c.Links[i], true
}

// chainBuilder collects links, each with what was found about its object.
type chainBuilder struct {
	findings finding.List
	world    *reference.World
	links    []link
}

// add adds an object. Findings about it that only note something leave it fine; so does that the physical Dataset
// doesn't know the reference yet, which is no obstacle to a sidecar.
func (b *chainBuilder) add(name string, object finding.Object, exists bool, state string) {
	for _, f := range b.findings {
		if f.Object == object && f.Severity != finding.Note {
			b.links = append(b.links, link{name, object.String(), string(f.Code) + ": " + f.Message,
				!f.Severity.Blocks() || f.Code == finding.CodeNotRecorded})
			return
		}
	}
	switch reason := b.world.Unread(object); {
	case reason != "":
		b.links = append(b.links, link{name, object.String(), "it couldn't be read: " + reason, false})
	case !exists:
		b.links = append(b.links, link{name, object.String(), "doesn't exist", false})
	default:
		b.links = append(b.links, link{name, object.String(), state, true})
	}
}

// newChain lists the objects between a Dataset's claim and the sidecar's template, each with what is wrong with it.
func newChain(w *reference.World, source reference.Source, findings finding.List) chain {
	b := &chainBuilder{findings: findings, world: w}
	isReference := source.Key() != w.Key()
	dataset := finding.Object{Kind: datav1alpha1.DatasetKind, Namespace: w.Dataset.Namespace, Name: w.Dataset.Name}
	claim := finding.Object{Kind: "PersistentVolumeClaim", Namespace: dataset.Namespace, Name: dataset.Name}
	if isReference {
		b.add("claim", claim, w.Claim != nil, "OK")
		b.add("reference", dataset, true, terminal.OrNone(string(w.Dataset.Status.Phase)))
	} else {
		b.add("claim", claim, w.PhysicalClaim != nil, "OK")
	}
	if source.Name != "" {
		b.addPhysical(w, source)
	}
	return chain{Dataset: w.Key().String(), Links: b.links}
}

// addPhysical adds the physical Dataset, its runtime, and what the sidecar is made from.
func (b *chainBuilder) addPhysical(w *reference.World, source reference.Source) {
	physical := finding.Object{Kind: datav1alpha1.DatasetKind, Namespace: source.Namespace, Name: source.Name}
	if w.Physical == nil {
		b.add("physical", physical, false, "")
		return
	}
	b.add("physical", physical, true, terminal.OrNone(string(w.Physical.Status.Phase)))
	runtime, known := reference.RuntimeOfDataset(w.Physical)
	if !known {
		return
	}
	state := "named by the physical Dataset's status"
	if w.RuntimeStatus != nil {
		state = "FUSE " + terminal.OrNone(string(w.RuntimeStatus.FusePhase))
	}
	b.add("runtime", finding.Object{Kind: runtime.Kind, Namespace: source.Namespace, Name: source.Name}, true, state)
	if runtime.NoSidecar != "" {
		return
	}
	b.add("volume", finding.Object{Kind: "PersistentVolume", Name: reference.VolumeName(source.Key())}, w.PhysicalVolume != nil, "OK")
	b.add("template", finding.Object{Kind: "DaemonSet", Namespace: source.Namespace, Name: runtime.FuseDaemonSet(source.Name)}, w.Fuse != nil, "OK")
}
