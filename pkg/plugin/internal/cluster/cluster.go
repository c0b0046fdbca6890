package cluster

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/inject"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// View is what a command looks at: the API server, manifests, or the API server as it will be once they have been
// applied. It reads each object once.
type View struct {
	client.Reader
	// Writer asks the API server what it only answers to a create; nil offline.
	Writer client.Writer
	// Live is the API server without manifests; nil offline.
	Live client.Reader
	// Manifests are the objects of -f.
	Manifests []manifestObject
	Overlay   *manifestReader
	// listed are the Datasets of namespaces.
	listed map[string][]*datav1alpha1.Dataset
}

// Open makes the connection, unless there is to be none, and reads the manifests.
func Open(ctx context.Context, env command.Environment, flags ManifestFlags, namespace string) (*View, error) {
	texts, err := flags.Texts(ctx, env)
	if err != nil {
		return nil, err
	}
	return NewView(env, texts, flags.Offline, namespace)
}

// NewView makes the connection, unless there is to be none, over which manifests count as applied.
func NewView(env command.Environment, texts []ManifestText, offline bool, namespace string) (*View, error) {
	c := &View{}
	var live client.Reader
	if !offline {
		connected, err := env.Connection.Client()
		if err != nil {
			return nil, err
		}
		live, c.Live, c.Writer = connected, connected, connected
	}
	if len(texts) > 0 {
		var err error
		if c.Manifests, err = objectsOf(texts, namespace); err != nil {
			return nil, err
		}
		if c.Overlay, err = newManifestReader(c.Manifests, live); err != nil {
			return nil, err
		}
		live = c.Overlay
	}
	memory, err := NewMemoryReader(live)
	c.Reader = memory
	return c, err
}

// Offline reports whether there is no API server.
func (c *View) Offline() bool { return c.Writer == nil }

// File returns the manifest that an object is from; empty if there is none.
func (c *View) File(object finding.Object) string {
	if c.Overlay == nil {
		return ""
	}
	return c.Overlay.file(object.Kind, client.ObjectKey{Namespace: object.Namespace, Name: object.Name})
}

// Privileged reports whether a namespace asks for privileged sidecars. One that can't be read doesn't.
func (c *View) Privileged(ctx context.Context, name string) bool {
	namespace := &corev1.Namespace{}
	err := c.Get(ctx, client.ObjectKey{Name: name}, namespace)
	return err == nil && namespace.Labels[inject.LabelPrivileges] == string(inject.PrivilegesAllowed)
}

// Settings are those of the cluster; a person is told what about them isn't as it should be. Offline, nobody knows a
// policy that no manifest has.
func (c *View) Settings(ctx context.Context, env command.Environment, naming string) (Settings, error) {
	if !c.Offline() {
		return ResolveSettings(ctx, env, c, naming)
	}
	s, note, err := resolveSettings(ctx, c, naming)
	if err != nil {
		return s, err
	}
	s.Offline = true
	if _, ownErr := WebhookAnnotations(ctx, c, OwnWebhook); ownErr != nil {
		s.Sharing = ""
	}
	if _, fluidErr := WebhookAnnotations(ctx, c, reference.FluidWebhook); note != "" && fluidErr != nil {
		note = "no manifest says how copies are named; --mirror-names=unique is assumed"
	}
	env.Note(note)
	return s, nil
}

// Datasets returns all Datasets of a namespace, asking once.
func (c *View) Datasets(ctx context.Context, namespace string) ([]*datav1alpha1.Dataset, error) {
	if known, ok := c.listed[namespace]; ok {
		return known, nil
	}
	_, datasets, err := listDatasetObjects(ctx, c, namespace)
	if err != nil {
		return nil, err
	}
	if c.listed == nil {
		c.listed = map[string][]*datav1alpha1.Dataset{}
	}
	c.listed[namespace] = datasets
	return datasets, nil
}
