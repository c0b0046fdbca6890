package plugin

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

func objectMeta(key types.NamespacedName) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}
}

// TestKindsMissing runs commands against a server that knows no Dataset.
func TestKindsMissing(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	for _, command := range []string{"ref list", "ref create a --from default/phy", "ref create a --from default/phy --dry-run=client", "ref check a"} {
		r := run(t.Context(), nil, command+" -n ref --server "+server.URL)
		if r.code != ExitFailed || r.out != "" || !strings.Contains(r.err, "datasets.data.fluid.io isn't installed") {
			t.Errorf("%s: %s", command, r.text())
		}
	}
}

func TestServerCannotBeReached(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	r := run(t.Context(), nil, "ref list --server "+server.URL)
	if r.code != ExitFailed || !strings.Contains(r.err, "listing Datasets: the API server can't be reached: ") {
		t.Error(r.text())
	}
	r = run(t.Context(), nil, "version --server "+server.URL)
	if r.code != ExitFailed || !strings.Contains(r.out, "Client Version: v1.2.3") || !strings.Contains(r.err, "can't be reached") {
		t.Error(r.text())
	}
}

// TestForbidden has a user who may not read some kinds: what isn't known is said, and never taken for fine.
func TestForbidden(t *testing.T) {
	forbid := func(kinds ...string) interceptor.Funcs {
		return interceptor.Funcs{
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
				gvk, err := c.GroupVersionKindFor(object)
				if err != nil {
					return err
				}
				for _, kind := range kinds {
					if kind == gvk.Kind {
						return apierrors.NewForbidden(schema.GroupResource{Group: gvk.Group, Resource: kind}, key.Name, errors.New("no right"))
					}
				}
				return c.Get(ctx, key, object, options...)
			},
		}
	}
	t.Run("volumes and webhooks", func(t *testing.T) {
		c := fakeClientWith(t, forbid("PersistentVolume", "MutatingWebhookConfiguration"), "alluxio.yaml")
		r := run(t.Context(), connectTo(c), "ref create refdemo -n ref --from default/phy")
		compare(t, "forbidden-volumes.txt", r.text())
	})
	t.Run("datasets", func(t *testing.T) {
		c := fakeClientWith(t, forbid("Dataset"), "alluxio.yaml")
		r := run(t.Context(), connectTo(c), "ref create refdemo -n ref --from default/phy")
		compare(t, "forbidden-datasets.txt", r.text())
	})
	t.Run("secrets", func(t *testing.T) {
		c := fakeClientWith(t, forbid("Secret"), "thin.yaml")
		r := run(t.Context(), connectTo(c), "ref check --from default/nfs -n ref --mirror-names=source")
		compare(t, "forbidden-secrets.txt", r.text())
	})
}

// TestKubeconfigThatCantBeRead: no command takes it for a wrong command line, and those that ask no cluster don't mind.
func TestKubeconfigThatCantBeRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte("clusters: ["), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, s := range shownCommands() {
		want := ExitFailed
		if s.files == nil && s.arguments[0] != "version" && s.arguments[0] != "inject" {
			want = ExitOK
		}
		r := runIn(t.Context(), Environment{}, append(slices.Clone(s.arguments), "--kubeconfig", file))
		if r.code != want || want == ExitFailed && !strings.Contains(r.err, "reading the kubeconfig") {
			t.Errorf("%q: %s", s.arguments, r.text())
		}
	}
	if r := run(t.Context(), nil, "ref list --context nosuch"); r.code != ExitFailed || !strings.Contains(r.err, "nosuch") {
		t.Error(r.text())
	}
}
