package plugin

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/inject"
)

// clusterView is what a command looks at: the API server, manifests, or the API server as it will be once they have been
// applied. It reads each object once.
type clusterView struct {
	client.Reader
	// writer asks the API server what it only answers to a create; nil offline.
	writer client.Writer
	// live is the API server without manifests; nil offline.
	live client.Reader
	// manifests are the objects of -f.
	manifests []manifestObject
	reader    *manifestReader
	// listed are the Datasets of namespaces.
	listed map[string][]*datav1alpha1.Dataset
}

// openCluster makes the connection, unless there is to be none, and reads the manifests.
func openCluster(ctx context.Context, env Environment, flags manifestFlags, namespace string) (*clusterView, error) {
	texts, err := flags.texts(ctx, env)
	if err != nil {
		return nil, err
	}
	return newClusterView(env, texts, flags.offline, namespace)
}

// newClusterView makes the connection, unless there is to be none, over which manifests count as applied.
func newClusterView(env Environment, texts []manifestText, offline bool, namespace string) (*clusterView, error) {
	c := &clusterView{}
	var live client.Reader
	if !offline {
		connected, err := env.connection.Client()
		if err != nil {
			return nil, err
		}
		live, c.live, c.writer = connected, connected, connected
	}
	if len(texts) > 0 {
		var err error
		if c.manifests, err = objectsOf(texts, namespace); err != nil {
			return nil, err
		}
		if c.reader, err = newManifestReader(c.manifests, live); err != nil {
			return nil, err
		}
		live = c.reader
	}
	memory, err := newMemoryReader(live)
	c.Reader = memory
	return c, err
}

// offline reports whether there is no API server.
func (c *clusterView) offline() bool { return c.writer == nil }

// file returns the manifest that an object is from; empty if there is none.
func (c *clusterView) file(object finding.Object) string {
	if c.reader == nil {
		return ""
	}
	return c.reader.file(object.Kind, client.ObjectKey{Namespace: object.Namespace, Name: object.Name})
}

// privileged reports whether a namespace asks for privileged sidecars. One that can't be read doesn't.
func (c *clusterView) privileged(ctx context.Context, name string) bool {
	namespace := &corev1.Namespace{}
	err := c.Get(ctx, client.ObjectKey{Name: name}, namespace)
	return err == nil && namespace.Labels[inject.LabelPrivileges] == string(inject.PrivilegesAllowed)
}

// settings are those of the cluster, with a note about them for a person. Offline, nobody knows a policy that no
// manifest has.
func (c *clusterView) settings(ctx context.Context, naming string) (settings, string, error) {
	s, note, err := resolveSettings(ctx, c, naming)
	if err != nil || !c.offline() {
		return s, note, err
	}
	s.offline = true
	if _, err := webhookAnnotations(ctx, c, ownWebhook); err != nil {
		s.sharing = ""
	}
	_, err = webhookAnnotations(ctx, c, fluidWebhook)
	if note != "" && err != nil {
		note = "no manifest says how copies are named; --mirror-names=unique is assumed"
	}
	return s, note, nil
}

// datasets returns all Datasets of a namespace, asking once.
func (c *clusterView) datasets(ctx context.Context, namespace string) ([]*datav1alpha1.Dataset, error) {
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
