package load

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/test/harness"
)

// writers is how many requests are under way at a time, of those who create references and of the bare client.
const writers = 32

// BenchmarkReferences creates references and waits until all of them are Bound. Run it with -benchtime 1x.
func BenchmarkReferences(b *testing.B) {
	if testing.Short() {
		b.Skip("a benchmark on a cluster")
	}
	e := newEnvironment(b)
	b.Run("one by one", e.oneByOne)
	for _, load := range []struct{ references, physicals, rounds int }{{100, 1, 9}, {1000, 1, 3}, {100, 100, 9}, {1000, 100, 3}} {
		b.Run(fmt.Sprintf("%d to %d", load.references, load.physicals), func(b *testing.B) {
			for b.Loop() {
				e.many(b, load.references, load.physicals, load.rounds)
			}
		})
	}
}

// oneByOne measures how long a single reference takes on a cluster that has nothing else to do.
func (e *environment) oneByOne(b *testing.B) {
	physical := e.newPhysical(b)
	stop := e.startController(b)
	defer stop()
	namespace := e.newNamespace(b)
	for b.Loop() {
		var took []time.Duration
		for i := range 100 {
			r := newReference(namespace, fmt.Sprintf("one-%03d", i), physical)
			took = append(took, e.createAll(b, []*datav1alpha1.Dataset{r})...)
			time.Sleep(20 * time.Millisecond)
		}
		reportPercentiles(b, took)
	}
}

// round is what was measured of many references at once.
type round struct {
	took                               []time.Duration
	rate, heap, written, refused, read float64
	bare, ratio                        float64
}

// many measures many references at once several times, and the bare client before and after each round on the same cluster,
// since neither is alone on its machine. The round of the middle ratio counts, so that a slow phase doesn't decide.
func (e *environment) many(b *testing.B, references, physicals, rounds int) {
	var namespaces []string
	for range physicals {
		namespaces = append(namespaces, e.newPhysical(b))
	}
	e.awaitDaemonSets(b)
	var measured []round
	before := e.bareRate(b, references, physicals)
	for range rounds {
		r := e.measure(b, references, namespaces)
		after := e.bareRate(b, references, physicals)
		r.bare = (before + after) / 2
		r.ratio = r.rate / r.bare
		b.Logf("%.1f references per second, %.1f by the bare client before and %.1f after", r.rate, before, after)
		measured, before = append(measured, r), after
	}
	slices.SortFunc(measured, func(a, b round) int { return cmp.Compare(a.ratio, b.ratio) })
	measured[rounds/2].report(b)
	writes := e.writes.Load()
	stop := e.startController(b)
	defer stop()
	if made := e.writes.Load() - writes; made > 0 {
		b.Errorf("a controller that starts to %d healthy references makes %d writes", e.references, made)
	}
}

// measure creates references to the Datasets phy of some namespaces, and waits until all are Bound.
func (e *environment) measure(b *testing.B, references int, physicals []string) round {
	b.Helper()
	stop := e.startController(b)
	defer stop()
	namespaces := make([]string, 10)
	for i := range namespaces {
		namespaces[i] = e.newNamespace(b)
	}
	refs := make([]*datav1alpha1.Dataset, references)
	for i := range refs {
		refs[i] = newReference(namespaces[i%len(namespaces)], fmt.Sprintf("ref-%04d", i), physicals[i%len(physicals)])
	}
	each := func(n int64) float64 { return float64(n) / float64(references) }
	heap, writes, refused, reads := heapInUse(), e.writes.Load(), e.refused.Load(), e.reads.Load()
	started := time.Now()
	took := e.createAll(b, refs)
	r := round{took: took, rate: float64(references) / time.Since(started).Seconds()}
	e.settle(b) // the last events reach the caches
	clear(refs) // which the answers to their creation have filled
	r.refused, r.read = each(e.refused.Load()-refused), each(e.reads.Load()-reads)
	r.written = each(e.writes.Load()-writes) - r.refused
	r.heap = (heapInUse() - heap) / 1024 / float64(references)
	if r.written > 7+1 || r.refused > 0.5 {
		b.Errorf("%.2f writes for each reference, which has one mirror, and %.2f in vain", r.written, r.refused)
	}
	return r
}

func (r round) report(b *testing.B) {
	b.ReportMetric(r.heap, "KiB/ref")
	b.ReportMetric(r.written, "writes/ref")
	b.ReportMetric(r.refused, "in-vain/ref")
	b.ReportMetric(r.read, "reads/ref")
	b.ReportMetric(r.rate, "refs/s")
	b.ReportMetric(r.bare, "bare/s")
	b.ReportMetric(100*r.ratio, "%bare")
	reportPercentiles(b, r.took)
}

func newReference(namespace, name, physical string) *datav1alpha1.Dataset {
	r := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	r.Spec.Mounts = []datav1alpha1.Mount{{MountPoint: "dataset://" + physical + "/phy"}}
	return r
}

func reportPercentiles(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	milliseconds := func(percent int) float64 { return float64(took[(len(took)-1)*percent/100].Microseconds()) / 1000 }
	b.ReportMetric(milliseconds(50), "p50-ms")
	b.ReportMetric(milliseconds(99), "p99-ms")
	b.ReportMetric(0, "ns/op") // the time of everything, which says nothing
}

func heapInUse() float64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return float64(stats.HeapAlloc)
}

// createAll creates references and returns how long each of them took from its creation until it was seen Bound.
func (e *environment) createAll(b *testing.B, refs []*datav1alpha1.Dataset) []time.Duration {
	b.Helper()
	bound := e.watchBound(b, refs)
	created := map[string]time.Time{}
	var mutex sync.Mutex
	inParallel(b, len(refs), func(i int) error {
		mutex.Lock()
		created[refs[i].Namespace+"/"+refs[i].Name] = time.Now()
		mutex.Unlock()
		return e.client.Create(e.ctx, refs[i])
	})
	seen := <-bound
	if len(seen) < len(refs) {
		b.Fatalf("only %d of %d references became Bound", len(seen), len(refs))
	}
	e.references += len(refs)
	took := make([]time.Duration, 0, len(refs))
	for key, start := range created {
		took = append(took, seen[key].Sub(start))
	}
	return took
}

// watchBound returns when each of n references became Bound, or fewer if that takes too long. The controller's own cache
// tells: another watch would be work for the API server that the bare client doesn't make.
func (e *environment) watchBound(b *testing.B, refs []*datav1alpha1.Dataset) <-chan map[string]time.Time {
	b.Helper()
	awaited := map[string]bool{}
	for _, ref := range refs {
		awaited[client.ObjectKeyFromObject(ref).String()] = true
	}
	bound := make(chan string, len(refs))
	look := func(object any) {
		if dataset, ok := object.(*datav1alpha1.Dataset); ok && dataset.Status.Phase == datav1alpha1.BoundPhase {
			if key := client.ObjectKeyFromObject(dataset).String(); awaited[key] {
				delete(awaited, key)
				bound <- key
			}
		}
	}
	registration, err := e.datasets.AddEventHandler(toolscache.ResourceEventHandlerFuncs{AddFunc: look, UpdateFunc: func(_, now any) { look(now) }})
	if err != nil {
		b.Fatal(err)
	}
	result := make(chan map[string]time.Time, 1)
	go func() {
		defer func() { _ = e.datasets.RemoveEventHandler(registration) }()
		seen := map[string]time.Time{}
		timeout := time.After(3 * time.Minute)
		for len(seen) < len(refs) {
			select {
			case key := <-bound:
				seen[key] = time.Now()
			case <-timeout:
				result <- seen
				return
			}
		}
		result <- seen
	}()
	return result
}

// bareRate returns how many sets of a reference's objects a client writes per second that does nothing else, with one list of
// references for each physical Dataset.
func (e *environment) bareRate(b *testing.B, n, physicals int) float64 {
	b.Helper()
	namespace := e.newNamespace(b)
	sets := make([]*bareSet, n)
	for i := range sets {
		sets[i] = newBareSet(b, namespace, fmt.Sprintf("bare-%04d", i))
		if i < physicals {
			sets[i].list = listPatch(b, namespace, n/physicals)
		}
	}
	started := time.Now()
	inParallel(b, n, func(i int) error { return sets[i].write(e) })
	rate := float64(n) / time.Since(started).Seconds()
	e.awaitClaims(b, namespace)
	for _, set := range sets[:physicals] {
		// The controller would: nobody refers to these.
		if err := e.client.Status().Patch(e.ctx, set.dataset, listPatch(b, namespace, 0)); err != nil {
			b.Fatal(err)
		}
	}
	return rate
}

// inParallel calls do with 0 to n-1, several at a time.
func inParallel(b *testing.B, n int, do func(int) error) {
	b.Helper()
	next := make(chan int)
	errs := make(chan error, n)
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			for i := range next {
				errs <- do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	group.Wait()
	for range n {
		if err := <-errs; err != nil {
			b.Fatal(err)
		}
	}
}

// awaitClaims waits until Kubernetes has bound all claims of a namespace, so that it doesn't work on them any more.
func (e *environment) awaitClaims(b *testing.B, namespace string) {
	b.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		claims := &corev1.PersistentVolumeClaimList{}
		if err := e.client.List(e.ctx, claims, client.InNamespace(namespace)); err != nil {
			b.Fatal(err)
		}
		if !slices.ContainsFunc(claims.Items, func(c corev1.PersistentVolumeClaim) bool { return c.Status.Phase != corev1.ClaimBound }) {
			return
		}
	}
	b.Fatal("the bare client's claims weren't bound")
}

// awaitDaemonSets waits until Kubernetes has looked at all DaemonSets, so that it doesn't work on them any more.
func (e *environment) awaitDaemonSets(b *testing.B) {
	b.Helper()
	err := harness.Await(time.Minute, func() error {
		list := &appsv1.DaemonSetList{}
		if err := e.client.List(e.ctx, list); err != nil {
			return err
		}
		for _, set := range list.Items {
			if set.Status.ObservedGeneration == 0 {
				return fmt.Errorf("DaemonSet %s/%s has no status", set.Namespace, set.Name)
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}
