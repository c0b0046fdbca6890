//go:build !race

// The race detector allocates for itself.

package inject

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/jsonscan"
)

// sizes are eight sizes of pods up to 1 MB, each twice the one before.
func sizes() []int {
	return []int{8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 512_000, 1_000_000}
}

// growing are ways in which a pod may be large, beside that of podOfSize.
func growing(t testing.TB) map[string]func(size int) []byte {
	nginx := readPod(t, "nginx")
	with := func(change func(pod *corev1.Pod, size int)) func(int) []byte {
		return func(size int) []byte {
			pod := mustTyped(t, nginx)
			change(pod, size)
			return encode(t, pod)
		}
	}
	inside := func(before, repeated, after string) func(int) []byte {
		return func(size int) []byte {
			text := before + strings.Repeat(repeated, (size-len(nginx))/len(repeated)) + after
			return []byte(strings.Replace(string(nginx), `"spec":{`, `"spec":{"future":`+text+`,`, 1))
		}
	}
	return map[string]func(int) []byte{
		"as usual": func(size int) []byte { return podOfSize(t, size) },
		"containers that mount the Dataset": with(func(pod *corev1.Pod, size int) {
			for i := range size / 120 {
				container := pod.Spec.Containers[0]
				container.Name = fmt.Sprintf("more-%d", i)
				pod.Spec.Containers = append(pod.Spec.Containers, container)
			}
		}),
		"volumes of the Dataset": with(func(pod *corev1.Pod, size int) {
			for i := range size / 130 {
				volume, mount := pod.Spec.Volumes[0], pod.Spec.Containers[0].VolumeMounts[0]
				volume.Name = fmt.Sprintf("more-%d", i)
				mount.Name, mount.MountPath = volume.Name, "/"+volume.Name
				pod.Spec.Volumes = append(pod.Spec.Volumes, volume)
				pod.Spec.Containers[0].VolumeMounts = append(pod.Spec.Containers[0].VolumeMounts, mount)
			}
		}),
		"volumes that have the names which the sidecar's would like": with(func(pod *corev1.Pod, size int) {
			for i := range size / 60 {
				name := "alluxio-fuse-mount-0"
				if i > 0 {
					name += fmt.Sprintf("-%d", i)
				}
				pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: name})
			}
		}),
		"containers that are called as sidecars": with(func(pod *corev1.Pod, size int) {
			for i := range size / 50 {
				pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: fmt.Sprintf("fluid-fuse-%d", i)})
			}
		}),
		"annotations": with(func(pod *corev1.Pod, size int) {
			pod.Annotations = map[string]string{}
			for i := range size / 60 {
				pod.Annotations[fmt.Sprintf("example.com/annotation-%d", i)] = "the value of an annotation"
			}
		}),
		"one annotation with escapes": with(func(pod *corev1.Pod, size int) {
			pod.Annotations = map[string]string{"example.com/document": strings.Repeat("\"日志\"\n", size/14)}
		}),
		"Datasets in use": with(func(pod *corev1.Pod, size int) {
			pod.Annotations = map[string]string{"fluid.io/datasets-in-use": strings.Repeat("dataset,", size/8)}
		}),
		"an unknown list":   inside(`[0`, `,{"a":[true,null,-1.5e3],"b":"c"}`, `]`),
		"an unknown string": inside(`"`, `\u65e5 text `, `"`),
		"blanks":            inside(" ", " \n\t", "1"),
	}
}

// cost is how much memory reading and patching a pod takes, and in how many pieces.
type cost struct{ pieces, bytes float64 }

// costOf returns the least of several measurements: others of this process may be allocating too.
func costOf(f func()) cost {
	least := cost{-1, -1}
	for range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		pieces, bytes := float64(after.Mallocs-before.Mallocs), float64(after.TotalAlloc-before.TotalAlloc)
		if least.pieces < 0 || pieces < least.pieces {
			least.pieces = pieces
		}
		if least.bytes < 0 || bytes < least.bytes {
			least.bytes = bytes
		}
	}
	return least
}

// TestAPatchGrowsAtMostLinearlyWithThePod in memory, over eight sizes up to 1 MB, in whatever a pod is large: one of twice
// the size takes at most twice as much, and a little for lists that grow by leaps. If it grew with the square of the size,
// it would take four times as much.
func TestAPatchGrowsAtMostLinearlyWithThePod(t *testing.T) {
	sidecars := map[string]*Sidecar{"refdemo": dataset{runtime: "alluxio", mountPoint: physical}.compiled(t, "refdemo")}
	for name, podOf := range growing(t) {
		var before cost
		var sizeBefore int
		for _, size := range sizes() {
			raw := podOf(size)
			patch := func() {
				if _, findings := Patch(mustRead(t, raw), sidecars, Options{HostDirectory: "x"}); findings.Blocked() {
					t.Fatalf("%s: %v", name, findings)
				}
			}
			got := costOf(patch)
			times := float64(len(raw)) / float64(sizeBefore)
			if sizeBefore > 0 && (got.pieces > 1.15*times*before.pieces+200 || got.bytes > 1.4*times*before.bytes+20_000) {
				t.Errorf("%s: a pod of %d bytes takes %.0f allocations of %.0f bytes, one of %d bytes %.0f of %.0f",
					name, len(raw), got.pieces, got.bytes, sizeBefore, before.pieces, before.bytes)
			}
			before, sizeBefore = got, len(raw)
		}
	}
}

// TestThePodIsReadOnce from its first byte to its last: wherever the scanner asks what to do with a field, it is behind the
// place where it asked before, and so it takes steps in proportion to the pod's length.
func TestThePodIsReadOnce(t *testing.T) {
	for name, podOf := range growing(t) {
		for _, size := range sizes() {
			raw := podOf(size)
			s := jsonscan.New(string(raw))
			last, asked := -1, 0
			var value func()
			value = func() {
				if s.Next(); s.At() <= last {
					t.Fatalf("%s: after byte %d it goes on at byte %d", name, last, s.At())
				}
				last = s.At()
				asked++
				switch s.Next() {
				case '{':
					s.Members(func(string) { value() })
				case '[':
					s.List(value)
				default:
					s.Skip()
				}
			}
			if err := s.Document(value); err != nil || asked > len(raw) || s.At() != len(raw) {
				t.Errorf("%s: %v, %d values in %d bytes, at byte %d", name, err, asked, len(raw), s.At())
			}
		}
	}
}
