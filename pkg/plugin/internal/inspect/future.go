package inspect

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/go-logr/logr"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	apiversion "k8s.io/apimachinery/pkg/util/version"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	webhookadmission "sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/inject"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/output"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/workload"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// requestUID stands in a pod's directory on the node for what only admission knows.
const requestUID = "UID-OF-THE-ADMISSION-REQUEST"

// inspectFuture says what the webhook would make of a pod that is created now, and which pods its workload has.
func (i *inspector) inspectFuture(subject *podSubject, r *podReport) error {
	if err := i.listPods(subject, r); err != nil {
		return err
	}
	if verdictOn(subject.pod).Has(inject.NotAsked | inject.Forbidden) {
		return nil
	}
	s, err := i.settings()
	if err != nil {
		return err
	}
	handler := &inject.PodHandler{Reader: i.c, MirrorNames: s.MirrorNames, Sharing: s.Sharing, NativeSidecars: true, SelfHealing: i.selfHealing(), Privileges: s.Privileges}
	response := handler.Handle(log.IntoContext(i.ctx, logr.Discard()), webhookadmission.Request{AdmissionRequest: admissionv1.AdmissionRequest{
		UID: types.UID(requestUID), Namespace: subject.key.Namespace, Operation: admissionv1.Create,
		Object: runtime.RawExtension{Raw: subject.raw},
	}})
	switch {
	case !response.Allowed:
		reason := "it couldn't be read"
		if response.Result != nil {
			reason = response.Result.Message
		}
		i.noteDenial(r, reason)
	case response.Patch != nil:
		// A claim that isn't there yet is none of the webhook's business.
		r.BrokenLink = ""
		if r.Diff, err = diffOfPatch(subject.raw, response.Patch); err == nil && !i.c.Offline() {
			err = i.needWebhook(r)
		}
	}
	return err
}

// noteDenial adds why the webhook would deny a pod. Where that is only what the user may not read, nobody knows what the
// webhook, which may, would do.
func (i *inspector) noteDenial(r *podReport, reason string) {
	switch {
	case !strings.Contains(reason, string(finding.CodeUnread)+": "):
		r.find(finding.CodePodWouldBeDenied, "%s", reason)
	case len(r.findings.Of(finding.Inconclusive)) == 0:
		r.find(finding.CodeUnread, "whether it gets a sidecar can't be said: %s", reason)
	}
}

// needWebhook adds a finding if the cluster has nobody who would inject what could be injected.
func (i *inspector) needWebhook(r *podReport) error {
	webhooks, err := i.webhooks()
	if err == nil && len(webhooks.found) == 0 && !webhooks.forbidden {
		r.find(finding.CodeWebhookMissing, "new pods get no sidecar: neither %s nor %s exists", cluster.OwnWebhook, reference.FluidWebhook)
		r.BrokenLink = "webhook: " + noWebhook
	}
	return err
}

// selfHealing reports whether the server has RestartAllContainers. A server of unknown version has.
func (i *inspector) selfHealing() bool {
	if i.c.Offline() {
		return true
	}
	version, err := i.env.Connection.ServerVersion(i.ctx)
	if err != nil {
		return true
	}
	parsed, err := apiversion.ParseGeneric(version.GitVersion)
	return err != nil || reference.FeaturesOf(parsed).SelfHealing
}

// listPods lists the pods of a workload.
func (i *inspector) listPods(subject *podSubject, r *podReport) error {
	if subject.selector == nil || i.c.Offline() || subject.file != "" {
		return nil
	}
	pods, unread, err := workload.ListPods(i.ctx, i.c.Live, subject.key.Namespace, client.MatchingLabelsSelector{Selector: subject.selector})
	if unread != "" {
		r.find(finding.CodeUnread, "its pods couldn't be listed: %s", unread)
	}
	for n := range pods {
		r.PodsOfWorkload = append(r.PodsOfWorkload, workloadPod{pods[n].Name, len(workload.Sidecars(&pods[n])) > 0})
	}
	return err
}

// diffOfPatch returns what a JSON patch changes in a pod.
func diffOfPatch(before, patch []byte) (string, error) {
	decoded, err := jsonpatch.DecodePatch(patch)
	if err != nil {
		return "", fmt.Errorf("reading the patch: %w", err)
	}
	after, err := decoded.Apply(before)
	if err != nil {
		return "", fmt.Errorf("applying the patch: %w", err)
	}
	return output.DiffYAML("before injection", "after injection", before, after)
}

// warningOf returns the message of the last Warning event about a container of a pod.
func warningOf(ctx context.Context, reader client.Reader, pod *corev1.Pod, container string) (string, error) {
	of := client.MatchingFields{"involvedObject.uid": string(pod.UID), "type": corev1.EventTypeWarning}
	var last *corev1.Event
	for page, err := range cluster.Pages(ctx, reader, &corev1.EventList{}, client.InNamespace(pod.Namespace), of) {
		if err != nil {
			return "", err
		}
		for n := range page.Items {
			event := &page.Items[n]
			if strings.HasSuffix(event.InvolvedObject.FieldPath, "{"+container+"}") && (last == nil || last.LastTimestamp.Before(&event.LastTimestamp)) {
				last = event
			}
		}
	}
	if last == nil {
		return "", nil
	}
	return last.Reason + ": " + strings.TrimSpace(last.Message), nil
}

// podJSON returns a pod as JSON without its status and what the server adds.
func podJSON(pod *corev1.Pod) ([]byte, error) {
	pod = pod.DeepCopy()
	pod.Status = corev1.PodStatus{}
	pod.ManagedFields, pod.ResourceVersion, pod.UID = nil, "", ""
	return json.Marshal(pod)
}
