package inject

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/test/soak"
)

// TestUndoOfAPatchIsThePod: whatever way a random pod is injected, Undo gives it back, but for what doesn't show any more.
func TestUndoOfAPatchIsThePod(t *testing.T) {
	patched, sidecars := map[Variant]int{}, map[Variant]map[string]*Sidecar{}
	for _, variant := range randomVariants() {
		sidecars[variant] = randomSidecars(t, variant)
	}
	for seed := range uint64(soak.Times(t, 2000)) {
		g := generator{rand.New(rand.NewPCG(seed, 3))}
		variant := randomVariants()[seed%uint64(len(randomVariants()))]
		raw, err := json.Marshal(g.pod())
		if err != nil {
			t.Fatal(err)
		}
		patch, _ := Patch(mustRead(t, raw), sidecars[variant], Options{HostDirectory: "x"})
		if patch == nil {
			continue
		}
		patched[variant]++
		before, after := typedPod(t, raw), typedPod(t, apply(t, raw, patch))
		undone := Undo(after)
		forget(before, after, undone, variant)
		if want, got := podText(t, before), podText(t, undone); got != want {
			t.Fatalf("seed %d, %+v:\nthe pod was\n%s\nis\n%s\nand undone\n%s", seed, variant, want, podText(t, after), got)
		}
	}
	for _, variant := range randomVariants() {
		if patched[variant] < 50 {
			t.Errorf("only %d pods were patched with %+v: the generator is of no use", patched[variant], variant)
		}
	}
}

// TestUndoLeavesAPodThatNobodyInjectedAlone: a container and volumes that only look injected are the app's.
func TestUndoLeavesAPodThatNobodyInjectedAlone(t *testing.T) {
	for seed := range uint64(500) {
		raw, err := json.Marshal(generator{rand.New(rand.NewPCG(seed, 4))}.pod())
		if err != nil {
			t.Fatal(err)
		}
		pod := typedPod(t, raw)
		pod.Annotations = map[string]string{"a": "b"}
		if want, got := podText(t, pod), podText(t, Undo(pod)); got != want {
			t.Fatalf("seed %d: the pod is\n%s\nundone\n%s", seed, want, got)
		}
	}
}

func typedPod(t *testing.T, raw []byte) *corev1.Pod {
	t.Helper()
	pod := &corev1.Pod{}
	if err := json.Unmarshal(raw, pod); err != nil {
		t.Fatal(err)
	}
	return pod
}

func podText(t *testing.T, pod *corev1.Pod) string {
	t.Helper()
	text, err := json.MarshalIndent(pod, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// forget takes off two pods, the one before a patch and the one that Undo made of it, what Undo says doesn't show.
func forget(before, patched, undone *corev1.Pod, variant Variant) {
	undone.Spec.ImagePullSecrets = undone.Spec.ImagePullSecrets[:min(len(before.Spec.ImagePullSecrets), len(undone.Spec.ImagePullSecrets))]
	if before.Spec.ImagePullSecrets == nil {
		undone.Spec.ImagePullSecrets = nil
	}
	delete(undone.Annotations, annotationScrape)
	delete(before.Annotations, datav1alpha1.AnnotationDatasetsInUse)
	wasClaim := injectedVolumes(patched.Labels, patched.Annotations)
	untold := variant.Unprivileged && strings.Contains(patched.Annotations[datav1alpha1.AnnotationDatasetsInUse], ",")
	for _, pod := range []*corev1.Pod{before, undone} {
		mounted := map[string]bool{}
		undo{pod: pod}.containers(func(c *corev1.Container, _ bool) {
			for m := range c.VolumeMounts {
				mount := &c.VolumeMounts[m]
				mounted[mount.Name] = true
				if readOnly, ok := wasClaim[mount.Name]; ok {
					mount.MountPropagation, mount.RecursiveReadOnly = nil, nil
					mount.ReadOnly = mount.ReadOnly || readOnly
				}
			}
			if c.Lifecycle != nil && *c.Lifecycle == (corev1.Lifecycle{}) {
				c.Lifecycle = nil
			}
		})
		for v := range pod.Spec.Volumes {
			if _, ok := wasClaim[pod.Spec.Volumes[v].Name]; ok && (untold || !mounted[pod.Spec.Volumes[v].Name]) {
				pod.Spec.Volumes[v].VolumeSource = corev1.VolumeSource{}
			}
		}
	}
}
