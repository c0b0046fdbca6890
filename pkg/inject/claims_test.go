package inject

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// labelledClaim returns a claim of the namespace default with one label.
func labelledClaim(name, label, value string) *corev1.PersistentVolumeClaim {
	labelled := claim("default", name)
	labelled.Labels = map[string]string{label: value}
	return labelled
}

// ownPod returns a pod of the namespace default that mounts a claim at /data, and others beside.
func ownPod(t *testing.T, claims ...string) []byte {
	t.Helper()
	pod := mustTyped(t, readPod(t, "own-namespace"))
	pod.Spec.Volumes, pod.Spec.Containers[0].VolumeMounts = nil, nil
	for _, name := range claims {
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name}}})
		pod.Spec.Containers[0].VolumeMounts = append(pod.Spec.Containers[0].VolumeMounts, corev1.VolumeMount{Name: name, MountPath: "/" + name})
	}
	return encode(t, pod)
}

// TestAClaimsLabelsSayWhichDatasetItIs by Fluid's rules: its storage label, that Fluid made it, or the Dataset that wraps
// a claim of somebody else's.
func TestAClaimsLabelsSayWhichDatasetItIs(t *testing.T) {
	for _, test := range []struct {
		name     string
		claim    *corev1.PersistentVolumeClaim
		pod      string
		injected bool
		code     finding.Code
	}{
		{"storage label", labelledClaim("phy", datav1alpha1.LabelStoragePrefix+"default-phy", "true"), "phy", true, ""},
		{"made by Fluid", labelledClaim("phy", datav1alpha1.LabelManagedBy, "fluid"), "phy", true, ""},
		{"no label", claim("default", "phy"), "phy", false, finding.CodePodNoDataset},
		{"no claim yet", nil, "phy", true, ""},
		{"wrapped", labelledClaim("storage", datav1alpha1.LabelWrappedBy, "phy"), "storage", true, ""},
		{"wrapped by a Dataset that isn't there", labelledClaim("storage", datav1alpha1.LabelWrappedBy, "gone"), "storage", false, finding.CodePodNoDataset},
		{"of a Dataset that isn't there", labelledClaim("gone", datav1alpha1.LabelStoragePrefix+"default-gone", "true"), "gone", false, finding.CodePodClaimUnresolved},
	} {
		c := newCluster(t, "thin")
		c.physicalClaim = test.claim
		raw := ownPod(t, test.pod)
		response := (&PodHandler{Reader: c.reader(t), NativeSidecars: true}).Handle(t.Context(), podRequest("default", raw))
		if injected := response.Patch != nil; injected != test.injected {
			t.Errorf("%s: %+v", test.name, response)
		}
		said := strings.Join(response.Warnings, " ")
		if !response.Allowed {
			said += response.Result.Message
		}
		if got := codes(said); test.code == "" && len(got) > 0 || test.code != "" && !slices.Equal(got, []finding.Code{test.code}) {
			t.Errorf("%s: %q", test.name, said)
		}
		if denied := !response.Allowed; denied != (test.code == finding.CodePodClaimUnresolved) {
			t.Errorf("%s: denied %t", test.name, denied)
		}
	}
}

// TestTwoClaimsOfOneDatasetHaveOneSidecar: two would mount one over the other.
func TestTwoClaimsOfOneDatasetHaveOneSidecar(t *testing.T) {
	c := newCluster(t, "thin")
	c.others = []client.Object{labelledClaim("storage", datav1alpha1.LabelWrappedBy, "phy")}
	raw := ownPod(t, "storage", "phy")
	response := (&PodHandler{Reader: c.reader(t), NativeSidecars: true}).Handle(t.Context(), podRequest("default", raw))
	if response.Patch == nil {
		t.Fatalf("%+v", response)
	}
	pod := mustTyped(t, apply(t, raw, response.Patch))
	if len(pod.Spec.InitContainers) != 1 || pod.Spec.Volumes[0].HostPath == nil || pod.Spec.Volumes[1].HostPath == nil ||
		pod.Spec.Volumes[0].HostPath.Path != pod.Spec.Volumes[1].HostPath.Path || pod.Annotations["fluid.io/datasets-in-use"] != "phy" {
		t.Errorf("%+v", pod)
	}
}

// TestASidecarHasTheClaimThatItsDatasetWraps and not itself, also where the pod mounts that claim.
func TestASidecarHasTheClaimThatItsDatasetWraps(t *testing.T) {
	c := newCluster(t, "thin")
	needsClaim("storage")(&c.fuse.Spec.Template.Spec)
	c.others = []client.Object{labelledClaim("storage", datav1alpha1.LabelWrappedBy, "phy")}
	for _, name := range []string{"phy", "storage"} {
		raw := ownPod(t, name)
		response := (&PodHandler{Reader: c.reader(t), NativeSidecars: true}).Handle(t.Context(), podRequest("default", raw))
		if response.Patch == nil {
			t.Fatalf("%s: %+v", name, response)
		}
		pod := mustTyped(t, apply(t, raw, response.Patch))
		i := slices.IndexFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == "upstream-0" })
		if pod.Spec.Volumes[0].HostPath == nil || i < 0 || pod.Spec.Volumes[i].PersistentVolumeClaim == nil {
			t.Errorf("%s: %+v", name, pod.Spec.Volumes)
		}
	}
}

// TestWhatWasCreatedAMomentAgoIsWaitedFor: caches hear of a reference, of its physical Dataset, and of what belongs to
// that, a little later than the webhook is called for a pod that was created with them. The pod is answered in the moment in
// which they come, and the caches are read only when something has changed.
func TestWhatWasCreatedAMomentAgoIsWaitedFor(t *testing.T) {
	raw := readPod(t, "nginx")
	for _, late := range []string{"*v1alpha1.Dataset refdemo", "*v1alpha1.Dataset phy", "*v1.DaemonSet phy-fuse", "*v1.PersistentVolume default-phy"} {
		for _, arrives := range []time.Duration{soon / 2, 2 * soon} {
			synctest.Test(t, func(t *testing.T) {
				started, looks := time.Now(), 0
				reader := newCluster(t, "thin").reader(t)
				reader.fails = func(kind, name string) error {
					if kind+" "+name != late {
						return nil
					}
					looks++
					if time.Since(started) < arrives {
						return notFound(name)
					}
					return nil
				}
				changes := &Changes{}
				for _, event := range []time.Duration{soon / 4, arrives} { // the first one is of something else
					time.AfterFunc(event, func() { changes.OnAdd(nil, false) })
				}
				handler := &PodHandler{Reader: reader, Changes: changes, MirrorNames: reference.UniqueNames, NativeSidecars: true}
				response := handler.Handle(t.Context(), podRequest("ref", raw))
				if injected := response.Patch != nil; injected != (arrives < soon) {
					t.Errorf("%s after %s: %+v", late, arrives, response)
				}
				if took := time.Since(started); took != min(arrives, soon) {
					t.Errorf("%s after %s: it took %s", late, arrives, took)
				}
				// A look reads it at most twice. There is one at once, one with the channel taken, one after the first event, and one
				// after the second if that came in time.
				if most := 2 * (3 + int(soon/(arrives+1))); looks > most {
					t.Errorf("%s after %s: it was looked for %d times", late, arrives, looks)
				}
				time.Sleep(2 * soon) // until all events have been
			})
		}
	}
}

// TestNothingElseIsWaitedFor: a pod whose claims are all known is answered at once, and so is one that can't be injected
// for a reason that doesn't pass.
func TestNothingElseIsWaitedFor(t *testing.T) {
	for _, test := range []struct {
		name, pod string
		change    func(*cluster)
	}{
		{"injected", "nginx", func(*cluster) {}},
		{"a claim of nobody's", "other-claim", func(c *cluster) { c.others = []client.Object{claim("ref", "database")} }},
		{"an ephemeral claim", "ephemeral", func(*cluster) {}},
		{"a chain", "nginx", func(c *cluster) { c.physical.Spec.Mounts[0].MountPoint = "dataset://a/b" }},
		{"a runtime without sidecars", "nginx", func(c *cluster) { c.physical.Status.Runtimes[0].Type = "efc" }},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, "thin")
			test.change(c)
			started := time.Now()
			handler := &PodHandler{Reader: c.reader(t), Changes: &Changes{}, MirrorNames: reference.UniqueNames, NativeSidecars: true}
			response := handler.Handle(t.Context(), podRequest("ref", readPod(t, test.pod)))
			if took := time.Since(started); took > 0 {
				t.Errorf("%s: it took %s: %+v", test.name, took, response)
			}
		})
	}
}
