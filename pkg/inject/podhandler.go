package inject

import (
	"context"
	"net/http"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// PodPath is where the API server reaches the PodHandler.
const PodPath = "/inject-sidecars"

// PodHandler gives pods their sidecars at admission. It reads its Reader only, which should be informer caches, and
// writes nothing. A pod that asks for sidecars and can't have them is denied with the reason and the remedy.
type PodHandler struct {
	Reader client.Reader
	// Changes tells of what comes into the caches: with it, pods wait a moment for what isn't there yet.
	Changes     *Changes
	MirrorNames reference.MirrorNames
	// Sharing says whose consent references need: without it there are no new pods.
	Sharing reference.Sharing
	// NativeSidecars says that the API server has them (on by default from Kubernetes 1.29).
	NativeSidecars bool
	// SelfHealing says that it has RestartAllContainers (on by default from Kubernetes 1.36).
	SelfHealing bool
	// Mode is that of pods which ask for no other, and whose namespace doesn't; empty stands for native sidecars where
	// the API server has them, and classic ones otherwise.
	Mode Mode
	// Privileges says whether there are privileged sidecars; empty stands for all of them.
	Privileges Privileges
	// User is who sidecars without privileges are where neither their FUSE pods nor their pod say; 0 stands for DefaultUser.
	User int64

	claims memo[claimKey, Claimed]
	modes  memo[string, namespaceSwitches]
}

var _ admission.Handler = &PodHandler{}

// Handle answers an admission request for a pod.
func (h *PodHandler) Handle(ctx context.Context, request admission.Request) admission.Response {
	pod, err := ReadPod(request.Object.Raw)
	if err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	if !pod.Wants() {
		return admission.Allowed("")
	}
	variant, findings := h.variant(ctx, request.Namespace, pod)
	sidecars, found := h.resolveSoon(ctx, request.Namespace, pod, variant)
	findings = append(findings, found...)
	var patch []byte
	if !findings.Blocked() {
		patch, found = Patch(pod, sidecars, Options{HostDirectory: request.Namespace + "-" + string(request.UID)})
		findings = append(findings, found...)
	}
	findings, warnings := findings.Blocking(), warnings(findings)
	if len(findings) > 0 {
		log.FromContext(ctx).Info("Denied", "namespace", request.Namespace, "pod", pod.Name(), "code", findings[0].Code, "finding", findings[0].Message)
		return denied(denial(findings), findings[0]).WithWarnings(warnings...)
	}
	if patch == nil {
		log.FromContext(ctx).V(1).Info("Nothing to inject", "namespace", request.Namespace, "pod", pod.Name())
		return admission.Allowed("").WithWarnings(warnings...)
	}
	log.FromContext(ctx).Info("Injected", "namespace", request.Namespace, "pod", pod.Name(), "datasets", len(sidecars))
	return admission.Response{AdmissionResponse: admissionv1.AdmissionResponse{
		Allowed: true, Patch: patch, PatchType: new(admissionv1.PatchTypeJSONPatch), Warnings: warnings,
	}}
}

// denial says everything that is wrong, the first finding first.
func denial(findings finding.List) string {
	lines := make([]string, len(findings))
	for i, f := range findings {
		lines[i] = f.String()
	}
	return "the FUSE sidecar can't be injected: " + strings.Join(lines, "; ")
}

// soon is how long the handler waits for objects that are needed and not there: they may have been created a moment ago,
// by whoever creates the pod, and caches hear of that some milliseconds later.
const soon = 200 * time.Millisecond

// resolveSoon is resolve that waits a moment for what isn't there, and looks again whenever something changes.
func (h *PodHandler) resolveSoon(ctx context.Context, namespace string, pod *Pod, variant Variant) (map[string]*Sidecar, finding.List) {
	sidecars, findings, complete := h.resolve(ctx, namespace, pod, variant)
	if complete || h.Changes == nil {
		return sidecars, findings
	}
	waiting, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	for {
		changed := h.Changes.Next()
		if sidecars, findings, complete = h.resolve(ctx, namespace, pod, variant); complete {
			return sidecars, findings
		}
		select {
		case <-changed:
		case <-waiting.Done():
			return sidecars, findings
		}
	}
}

// resolve finds the sidecars of a pod's claims by claim name, and those of the sidecars' own claims. It is complete unless
// something isn't there that is waited for, or a claim that nobody knows.
func (h *PodHandler) resolve(ctx context.Context, namespace string, pod *Pod, variant Variant) (map[string]*Sidecar, finding.List, bool) {
	sidecars, findings, known := resolve(pod, func(claim string) Claimed {
		key := claimKey{types.NamespacedName{Namespace: namespace, Name: claim}, variant}
		return h.claims.of(h.Reader, key, func(reader client.Reader) Claimed {
			return Lookup(ctx, reader, key.NamespacedName, reference.Policy{MirrorNames: h.MirrorNames, Sharing: h.Sharing}, variant)
		})
	})
	complete := known && len(findings.Of(finding.Waiting)) == 0
	subject := podObject(namespace, pod)
	if len(sidecars) == 0 && len(findings) == 0 && len(pod.injectedVolumes()) == 0 {
		findings = append(findings, finding.New(finding.CodePodNoDataset, subject,
			"it has the label %s=true, but none of its volumes is a claim of a Dataset in namespace %s", datav1alpha1.LabelInject, namespace))
	}
	if len(sidecars) > 0 && !h.NativeSidecars && !variant.Classic {
		findings = append(findings, finding.New(finding.CodeNoNativeSidecars, subject, "this API server would reject its sidecars"))
	}
	return sidecars, findings, complete
}

// claimKey says whose sidecar is asked for, and which.
type claimKey struct {
	types.NamespacedName
	variant Variant
}
