package inject

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	toolscachetesting "k8s.io/client-go/tools/cache/testing"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// TestInformersHaveWhatTheyTellOf: with a channel taken before an object comes, changes or goes, a real informer's cache has
// that by the time the channel is closed.
func TestInformersHaveWhatTheyTellOf(t *testing.T) {
	source := toolscachetesting.NewFakeControllerSource()
	defer source.Shutdown()
	informer := toolscache.NewSharedInformer(source, &corev1.PersistentVolumeClaim{}, 0)
	changes := &Changes{}
	if _, err := informer.AddEventHandler(changes); err != nil {
		t.Fatal(err)
	}
	go informer.RunWithContext(t.Context())
	if !toolscache.WaitForCacheSync(t.Context().Done(), informer.HasSynced) {
		t.Fatal("the informer has no list")
	}
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "ref", Name: "refdemo"}}
	labelled := claim.DeepCopy()
	labelled.Labels = map[string]string{"a": "b"}
	version := func() string {
		object, present, err := informer.GetStore().GetByKey("ref/refdemo")
		if err != nil {
			t.Fatal(err)
		}
		if !present {
			return "none"
		}
		return object.(*corev1.PersistentVolumeClaim).Labels["a"]
	}
	for _, step := range []struct {
		change func()
		want   string
	}{
		{func() { source.Add(claim) }, ""},
		{func() { source.Modify(labelled) }, "b"},
		{func() { source.Delete(labelled) }, "none"},
	} {
		changed := changes.Next()
		step.change()
		select {
		case <-changed:
		case <-time.After(10 * time.Second):
			t.Fatalf("nothing was told on the way to %q", step.want)
		}
		if got := version(); got != step.want {
			t.Errorf("the cache has %q, not %q", got, step.want)
		}
	}
}

// BenchmarkChanges measures what an event costs while nobody waits, and while a pod waits for its reference.
func BenchmarkChanges(b *testing.B) {
	changes := &Changes{}
	b.Run("nobody waits", func(b *testing.B) {
		for b.Loop() {
			changes.OnUpdate(nil, nil)
		}
	})
	b.Run("a pod waits", func(b *testing.B) {
		m := newMemory(b)
		handler := &PodHandler{Reader: m, MirrorNames: reference.UniqueNames, NativeSidecars: true}
		pod, err := ReadPod(readPod(b, "nginx"))
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			changes.Next()
			changes.OnUpdate(nil, nil)
			if _, _, complete := handler.resolve(b.Context(), "elsewhere", pod, Variant{}); complete {
				b.Fatal("it has what it waits for")
			}
		}
	})
}
