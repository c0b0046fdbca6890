package inject

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr/funcr"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/observe"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference/referencetest"
)

// podRequest is the admission request for a new pod of a namespace.
func podRequest(namespace string, raw []byte) admission.Request {
	return admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{
		UID: "3f0c", Namespace: namespace, Operation: admissionv1.Create, Object: runtime.RawExtension{Raw: raw},
	}}
}

// admit asks for a pod of the namespace ref.
func admit(t testing.TB, c *cluster, pod string) admission.Response {
	t.Helper()
	handler := &PodHandler{Reader: c.reader(t), MirrorNames: reference.UniqueNames, NativeSidecars: true, SelfHealing: true}
	return handler.Handle(t.Context(), podRequest("ref", readPod(t, pod)))
}

func TestPodsOfAReferenceGetTheSidecar(t *testing.T) {
	for _, runtime := range referencetest.Runtimes() {
		// The reference's claim isn't there yet: a pod that comes together with its reference is welcome.
		response := admit(t, newCluster(t, runtime), "nginx")
		if !response.Allowed || response.Patch == nil || *response.PatchType != admissionv1.PatchTypeJSONPatch || len(response.Warnings) > 0 {
			t.Fatalf("%s: %+v", runtime, response)
		}
		patched := apply(t, readPod(t, "nginx"), response.Patch)
		if !bytes.Contains(patched, []byte(runtime)) || !bytes.Contains(patched, []byte("/ref-3f0c/")) || !bytes.Contains(patched, []byte("RestartAllContainers")) {
			t.Errorf("%s: %s", runtime, patched)
		}
		checkPod(t, patched, true)
	}
}

func TestPodsOfAPhysicalDatasetGetTheSidecarWithoutMirrors(t *testing.T) {
	c := newCluster(t, "alluxio")
	raw := readPod(t, "own-namespace")
	for _, claimed := range []bool{true, false} {
		if !claimed {
			c.physicalClaim = nil
		}
		handler := &PodHandler{Reader: c.reader(t), MirrorNames: reference.UniqueNames, NativeSidecars: true}
		response := handler.Handle(t.Context(), podRequest("default", raw))
		if !response.Allowed || !bytes.Contains(response.Patch, []byte(`{"configMapRef":{"name":"phy-config"}}`)) {
			t.Errorf("with claim %t: %+v", claimed, response)
		}
	}
	c.physicalClaim = claim("default", "phy")
	handler := &PodHandler{Reader: c.reader(t), NativeSidecars: true}
	response := handler.Handle(t.Context(), podRequest("default", raw))
	if !response.Allowed || response.Patch != nil || len(response.Warnings) != 1 {
		t.Errorf("with a claim that isn't the Dataset's: %+v", response)
	}
}

func TestPodsThatCantHaveTheirSidecarAreDeniedWithReasonAndRemedy(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*cluster)
		pod    string
		want   finding.Code
	}{
		{"physical missing", func(c *cluster) { c.physical = nil }, "nginx", finding.CodePhysicalMissing},
		{"physical not Bound", func(c *cluster) { c.physical.Status.Phase = datav1alpha1.NotBoundPhase }, "nginx", finding.CodePhysicalUnbound},
		{"physical being deleted", func(c *cluster) {
			c.physical.Status.DatasetRef, c.physical.DeletionTimestamp = nil, new(metav1.Now())
		}, "nginx", finding.CodePhysicalDeleted},
		{"chain", func(c *cluster) { c.physical.Spec.Mounts[0].MountPoint = "dataset://a/b" }, "nginx", finding.CodeChain},
		{"self", func(c *cluster) { c.reference.Spec.Mounts[0].MountPoint = "dataset://ref/refdemo" }, "nginx", finding.CodeSelfReference},
		{"mount point", func(c *cluster) { c.reference.Spec.Mounts[0].MountPoint = "dataset://default/phy/a;id" }, "nginx", finding.CodeMountPointMalformed},
		{"two mounts", func(c *cluster) {
			c.reference.Spec.Mounts = append(c.reference.Spec.Mounts, datav1alpha1.Mount{MountPoint: "s3://b"})
		}, "nginx", finding.CodeMountsMixed},
		{"no FUSE pods", func(c *cluster) { c.fuse = nil }, "nginx", finding.CodeFuseMissing},
		{"no volume", func(c *cluster) { c.physicalVolume = nil }, "nginx", finding.CodeVolumeMissing},
		{"runtime", func(c *cluster) { c.physical.Status.Runtimes[0].Type = "efc" }, "nginx", finding.CodeRuntimeNoSidecar},
		{"template without container", func(c *cluster) { c.fuse.Spec.Template.Spec.Containers = nil }, "nginx", finding.CodeTemplateUnusable},
		{"template with a claim", func(c *cluster) {
			c.fuse.Spec.Template.Spec.Volumes[1].VolumeSource = corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "refdemo"}}
		}, "nginx", finding.CodeTemplateClaim},
		{"foreign claim", func(c *cluster) { c.others = append(c.others, claim("ref", "refdemo")) }, "nginx", finding.CodeClaimNameTaken},
		{"foreign volume", func(c *cluster) {
			c.others = append(c.others, &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "ref-refdemo"}})
		}, "nginx", finding.CodeVolumeNameTaken},
		{"foreign ThinRuntime", func(c *cluster) {
			c.others = append(c.others, &datav1alpha1.ThinRuntime{ObjectMeta: metav1.ObjectMeta{Namespace: "ref", Name: "refdemo"}})
		}, "nginx", finding.CodeRuntimeNameTaken},
		{"raw block device", func(*cluster) {}, "block-device", finding.CodePodUnsupportedUsage},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCluster(t, "thin")
			test.change(c)
			response := admit(t, c, test.pod)
			if response.Allowed || response.Patch != nil || response.Result.Code != http.StatusForbidden {
				t.Fatalf("%+v", response)
			}
			message := response.Result.Message
			entry, _ := finding.Explain(test.want)
			if got := codes(message); !slices.Equal(got, []finding.Code{test.want}) || !strings.Contains(message, entry.Remedy) {
				t.Errorf("codes %v in %q, want %s and %q", got, message, test.want, entry.Remedy)
			}
		})
	}
}

func TestAllThatIsWrongIsSaidAtOnce(t *testing.T) {
	c := newCluster(t, "thin")
	c.fuse, c.physicalVolume = nil, nil
	c.others = append(c.others, claim("ref", "refdemo"))
	want := []finding.Code{finding.CodeClaimNameTaken, finding.CodeFuseMissing, finding.CodeVolumeMissing}
	if got := codes(admit(t, c, "nginx").Result.Message); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestPodsWithoutDatasetAreAdmittedWithAWarning(t *testing.T) {
	// other-claim uses a claim that nobody has, or that belongs to somebody else; ephemeral brings one of its own.
	for _, pod := range []string{"other-claim", "ephemeral"} {
		c := newCluster(t, "thin")
		c.others = append(c.others, claim("ref", "database"))
		c.reference.Name = "unused"
		response := admit(t, c, pod)
		if !response.Allowed || response.Patch != nil || len(response.Warnings) != 1 ||
			!slices.Equal(codes(response.Warnings[0]), []finding.Code{finding.CodePodNoDataset}) {
			t.Errorf("%s: %+v", pod, response)
		}
	}
}

func TestPodsThatDontAskAreAdmittedUnread(t *testing.T) {
	raw := readPod(t, "nginx")
	for _, labels := range []string{`{}`, `null`, `{"serverless.fluid.io/inject":"false"}`,
		`{"serverless.fluid.io/inject":"true","done.sidecar.fluid.io/inject":"true"}`,
		`{"serverless.fluid.io/inject":"true","fluid.io/enable-injection":"false"}`} {
		reader := newCluster(t, "thin").reader(t)
		handler := &PodHandler{Reader: reader, NativeSidecars: true}
		changed := bytes.Replace(raw, []byte(`{"serverless.fluid.io/inject":"true"}`), []byte(labels), 1)
		response := handler.Handle(t.Context(), podRequest("ref", changed))
		if !response.Allowed || response.Patch != nil || len(response.Warnings) > 0 || reader.reads > 0 {
			t.Errorf("%s: %d reads, %+v", labels, reader.reads, response)
		}
	}
}

func TestWithoutNativeSidecarsPodsOfDatasetsAreDenied(t *testing.T) {
	handler := &PodHandler{Reader: newCluster(t, "thin").reader(t), Mode: ModeNative}
	response := handler.Handle(t.Context(), podRequest("ref", readPod(t, "nginx")))
	if response.Allowed || !slices.Equal(codes(response.Result.Message), []finding.Code{finding.CodeNoNativeSidecars}) {
		t.Errorf("%+v", response)
	}
	response = handler.Handle(t.Context(), podRequest("ref", readPod(t, "other-claim")))
	if !response.Allowed {
		t.Errorf("a pod without Datasets needs no sidecar: %+v", response)
	}
}

func TestWhatIsNotAPodIsRefused(t *testing.T) {
	handler := &PodHandler{Reader: newCluster(t, "thin").reader(t), NativeSidecars: true}
	for _, raw := range []string{``, `[]`, `{"spec":{"volumes":"x"}}`} {
		if response := handler.Handle(t.Context(), podRequest("ref", []byte(raw))); response.Allowed || response.Result.Code != http.StatusBadRequest {
			t.Errorf("%q: %+v", raw, response)
		}
	}
}

// TestNoPodIsAdmittedWithoutSidecarWhateverCantBeRead fails one read after the other.
func TestNoPodIsAdmittedWithoutSidecarWhateverCantBeRead(t *testing.T) {
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "things"}, "x", errors.New("not for you"))
	for _, failure := range []error{errors.New("the cache isn't filled"), forbidden} {
		for _, namespace := range []string{"ref", "default"} {
			pod := map[string]string{"ref": "nginx", "default": "own-namespace"}[namespace]
			for fail := 1; ; fail++ {
				reader := newCluster(t, "thin").reader(t)
				reader.fails = func(string, string) error {
					if reader.reads == fail {
						return failure
					}
					return nil
				}
				handler := &PodHandler{Reader: reader, MirrorNames: reference.UniqueNames, NativeSidecars: true}
				response := handler.Handle(t.Context(), podRequest(namespace, readPod(t, pod)))
				if reader.reads < fail {
					break
				}
				if response.Allowed && response.Patch == nil {
					t.Errorf("%v at read %d: a pod of %s is admitted without sidecar: %+v", failure, fail, namespace, response)
				}
				if !response.Allowed && !slices.Contains(codes(response.Result.Message), finding.CodeUnread) {
					t.Errorf("%v at read %d: %s", failure, fail, response.Result.Message)
				}
			}
		}
	}
}

// TestAnAdmissionReadsAFewObjectsAndIsRepeatable counts reads, and asks twice as a dry run and the run after it do.
func TestAnAdmissionReadsAFewObjectsAndIsRepeatable(t *testing.T) {
	reader := newCluster(t, "alluxio").reader(t)
	handler := &PodHandler{Reader: reader, MirrorNames: reference.UniqueNames, NativeSidecars: true, SelfHealing: true}
	request := podRequest("ref", readPod(t, "nginx"))
	request.DryRun = new(true)
	first := handler.Handle(t.Context(), request)
	// The namespace, the reference, its runtime, claim and volume; the physical Dataset, its volume, claim and FUSE DaemonSet.
	if reader.reads != 9 {
		t.Errorf("%d reads", reader.reads)
	}
	request.DryRun = nil
	second := handler.Handle(t.Context(), request)
	if first.Patch == nil || !bytes.Equal(first.Patch, second.Patch) {
		t.Errorf("a dry run gives %s, the run %s", first.Patch, second.Patch)
	}
	request.UID = "other"
	if third := handler.Handle(t.Context(), request); bytes.Equal(first.Patch, third.Patch) {
		t.Error("two pods share a directory on the node")
	}
}

// TestAllThatAnAdmissionReadsHasAnInformer from the beginning, for each runtime.
func TestAllThatAnAdmissionReadsHasAnInformer(t *testing.T) {
	for _, runtime := range referencetest.Runtimes() {
		for pod, namespace := range map[string]string{"nginx": "ref", "own-namespace": "default"} {
			reader := newCluster(t, runtime).reader(t)
			handler := &PodHandler{Reader: reader, MirrorNames: reference.UniqueNames, NativeSidecars: true}
			if response := handler.Handle(t.Context(), podRequest(namespace, readPod(t, pod))); response.Patch == nil {
				t.Errorf("%s: %+v", runtime, response)
			}
			for kind := range reader.kinds {
				if !slices.ContainsFunc(slices.Concat(Kinds(), observe.RuntimeKinds()), func(object client.Object) bool { return kindOf(object) == kind }) {
					t.Errorf("%s: it reads %s, which nobody has put into the caches", runtime, kind)
				}
			}
		}
	}
}

// TestOneLineIsLoggedPerDecision and none about pods in which there is nothing to do, unless somebody wants to know.
func TestOneLineIsLoggedPerDecision(t *testing.T) {
	for _, test := range []struct {
		name, pod, want string
		change          func(*cluster)
		verbosity       int
	}{
		{"injected", "nginx", `"level"=0 "msg"="Injected" "namespace"="ref" "pod"="nginx" "datasets"=1`, func(*cluster) {}, 0},
		{"denied", "nginx", `"level"=0 "msg"="Denied" "namespace"="ref" "pod"="nginx" "code"="KF2003" "finding"="it doesn't exist, and the sidecar is made from it"`,
			func(c *cluster) { c.fuse = nil }, 0},
		{"nothing to do", "ephemeral", "", func(*cluster) {}, 0},
		{"nothing to do, verbosely", "ephemeral", `"level"=1 "msg"="Nothing to inject" "namespace"="ref" "pod"="nginx"`, func(*cluster) {}, 1},
	} {
		var lines []string
		logger := funcr.New(func(_, line string) { lines = append(lines, line) }, funcr.Options{Verbosity: test.verbosity})
		c := newCluster(t, "thin")
		test.change(c)
		handler := &PodHandler{Reader: c.reader(t), MirrorNames: reference.UniqueNames, NativeSidecars: true}
		handler.Handle(log.IntoContext(t.Context(), logger), podRequest("ref", readPod(t, test.pod)))
		if got := strings.Join(lines, "\n"); got != test.want {
			t.Errorf("%s: logged %s, want %s", test.name, got, test.want)
		}
	}
}
