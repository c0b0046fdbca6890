package inject

import (
	"context"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/lru"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// maxCompiled is how many sidecars a handler keeps. One takes about 10 KB.
const maxCompiled = 1024

// compiled keeps the sidecars that were last used, each for the versions of all objects that it was made from: when one
// of them changes, so does the key, and the sidecar is made anew. The zero value is empty and ready.
type compiled struct {
	once  sync.Once
	cache *lru.Cache
}

// compiledKey says what a sidecar was made from, and how.
type compiledKey struct {
	variant  Variant
	names    reference.MirrorNames
	sharing  reference.Sharing
	versions string
}

// outcome is a sidecar, or why there is none.
type outcome struct {
	sidecar  *Sidecar
	findings reference.Findings
}

// of returns the sidecar of a World, which it makes if it has none of the same sources.
func (c *compiled) of(world *reference.World, variant Variant, plan func() (*reference.Sidecar, reference.Findings)) (*Sidecar, reference.Findings) {
	versions, known := versionsOf(world)
	key := compiledKey{variant, world.MirrorNames, world.Sharing, versions}
	c.once.Do(func() { c.cache = lru.New(maxCompiled) })
	if kept, ok := c.cache.Get(key); ok && known {
		return kept.(outcome).sidecar, kept.(outcome).findings
	}
	planned, findings := plan()
	made := outcome{findings: findings}
	if planned != nil {
		made.sidecar = Compile(planned, variant)
	}
	if known {
		c.cache.Add(key, made)
	}
	return made.sidecar, made.findings
}

// versionsOf names each object of a World with its version. It returns false if the World has more than objects with
// versions: something that couldn't be read, or what admission never reads.
func versionsOf(w *reference.World) (string, bool) {
	if len(w.Unread) > 0 || w.RuntimeStatus != nil || w.Sources != nil || w.Taken != nil || w.NamespaceLabels != nil ||
		w.Rivals != nil || w.Operations != nil || w.Refused != nil || w.Stale != nil || w.Controller != nil {
		return "", false
	}
	var text strings.Builder
	text.Grow(512)
	known := true
	add := func(present bool, object metav1.Object) {
		if present {
			known = known && object.GetResourceVersion() != ""
			for _, word := range []string{object.GetNamespace(), "/", object.GetName(), "/", string(object.GetUID()), "/", object.GetResourceVersion()} {
				text.WriteString(word)
			}
		}
		text.WriteByte(';')
	}
	add(w.Dataset != nil, w.Dataset)
	add(w.Physical != nil, w.Physical)
	add(w.Runtime != nil, w.Runtime)
	add(w.Fuse != nil, w.Fuse)
	add(w.PhysicalVolume != nil, w.PhysicalVolume)
	add(w.PhysicalClaim != nil, w.PhysicalClaim)
	add(w.ThinRuntime != nil, w.ThinRuntime)
	add(w.Volume != nil, w.Volume)
	add(w.Claim != nil, w.Claim)
	return text.String(), known
}

// shared reads objects of informer caches without copying them: what reads them here changes nothing of them.
type shared struct {
	client.Reader
	options []client.GetOption
}

func newShared(reader client.Reader) *shared {
	return &shared{reader, []client.GetOption{&client.GetOptions{UnsafeDisableDeepCopy: new(true)}}}
}

// Get ignores options: nobody here has any.
func (s *shared) Get(ctx context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	return s.Reader.Get(ctx, key, object, s.options...)
}
