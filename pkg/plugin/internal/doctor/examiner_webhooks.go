package doctor

import (
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/cert"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/workload"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// webhookSet is the webhook configurations of this project and of Fluid by name.
type webhookSet struct {
	mutating   map[string]*admissionregistrationv1.MutatingWebhookConfiguration
	validating map[string]*admissionregistrationv1.ValidatingWebhookConfiguration
	// err says why one of them isn't known.
	err error
}

// readWebhooks reads the webhook configurations once.
func (e *examiner) readWebhooks() *webhookSet {
	if e.webhooks != nil {
		return e.webhooks
	}
	w := &webhookSet{mutating: map[string]*admissionregistrationv1.MutatingWebhookConfiguration{},
		validating: map[string]*admissionregistrationv1.ValidatingWebhookConfiguration{}}
	e.webhooks = w
	for _, name := range []string{cluster.OwnWebhook, reference.FluidWebhook} {
		configuration := &admissionregistrationv1.MutatingWebhookConfiguration{}
		if w.read(e, name, configuration) {
			w.mutating[name] = configuration
		}
	}
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{}
	if w.read(e, cluster.OwnWebhook, configuration) {
		w.validating[cluster.OwnWebhook] = configuration
	}
	return w
}

func (w *webhookSet) read(e *examiner, name string, into client.Object) bool {
	err := e.client.Get(e.ctx, client.ObjectKey{Name: name}, into)
	if w.err == nil && err != nil && !apierrors.IsNotFound(err) {
		w.err = err
	}
	return err == nil
}

// namespaceOf returns the namespace of the Service of a webhook.
func (w *webhookSet) namespaceOf(name, otherwise string) string {
	if configuration := w.mutating[name]; configuration != nil {
		for i := range configuration.Webhooks {
			if service := configuration.Webhooks[i].ClientConfig.Service; service != nil {
				return service.Namespace
			}
		}
	}
	return otherwise
}

// bundles returns the CA bundles of all webhooks by what they are of.
func (w *webhookSet) bundles() map[string][]byte {
	bundles := map[string][]byte{}
	for name, configuration := range w.mutating {
		for _, webhook := range configuration.Webhooks {
			bundles["MutatingWebhookConfiguration "+name+" webhook "+webhook.Name] = webhook.ClientConfig.CABundle
		}
	}
	for name, configuration := range w.validating {
		for _, webhook := range configuration.Webhooks {
			bundles["ValidatingWebhookConfiguration "+name+" webhook "+webhook.Name] = webhook.ClientConfig.CABundle
		}
	}
	return bundles
}

func (e *examiner) checkCertificates() {
	w := e.readWebhooks()
	if w.err != nil {
		e.unread(thing("webhook configurations"), w.err)
	}
	bundles := w.bundles()
	if len(bundles) == 0 && w.err == nil {
		e.skip("there is no webhook")
	}
	for _, name := range slices.Sorted(maps.Keys(bundles)) {
		e.checkBundle(thing(name), bundles[name])
	}
}

// checkBundle looks at the certificates of which the API server accepts one. A third of its life before the end the
// controller has a new one (package certificate); Fluid's lasts ten years. The API server parses a caBundle with the same
// function, of client-go.
func (e *examiner) checkBundle(object finding.Object, bundle []byte) {
	certificates, err := cert.ParseCertsPEM(bundle)
	if err != nil {
		e.find(finding.CodeCertificateInvalid, object, "its caBundle can't be parsed: %v", err)
		return
	}
	now := e.env.Now()
	var last *x509.Certificate
	for _, certificate := range certificates {
		if now.Before(certificate.NotAfter) && !now.Before(certificate.NotBefore) && (last == nil || certificate.NotAfter.After(last.NotAfter)) {
			last = certificate
		}
	}
	switch {
	case last == nil:
		e.find(finding.CodeCertificateInvalid, object, "none of the %d certificates of its caBundle is valid now; the first ends at %s", len(certificates), certificates[0].NotAfter.UTC().Format(time.RFC3339))
	case last.NotAfter.Sub(now) < last.NotAfter.Sub(last.NotBefore)/10:
		e.find(finding.CodeCertificateExpires, object, "its caBundle is valid until %s", last.NotAfter.UTC().Format(time.RFC3339))
	default:
		e.pass(object, "its caBundle is valid until %s", last.NotAfter.UTC().Format(time.RFC3339))
	}
}

// ProbeName is the name of objects that are created in dry runs only.
const ProbeName = "kubectl-fluid-doctor"

// checkWebhooks says which webhooks there are, and tries them.
func (e *examiner) checkWebhooks() {
	w := e.readWebhooks()
	if w.err != nil {
		e.unread(thing("webhook configurations"), w.err)
	}
	for _, name := range slices.Sorted(maps.Keys(w.mutating)) {
		e.pass(finding.Object{Kind: "MutatingWebhookConfiguration", Name: name}, "it exists, with %s", terminal.Counted(len(w.mutating[name].Webhooks), "webhook"))
	}
	switch {
	case len(w.mutating) == 0 && w.err == nil:
		e.find(finding.CodeWebhookMissing, thing("MutatingWebhookConfigurations"), "neither %s nor %s exists", cluster.OwnWebhook, reference.FluidWebhook)
		return
	case len(w.mutating) == 0:
		return
	}
	if w.validating[cluster.OwnWebhook] != nil {
		e.probeReference()
	}
	e.probePod()
}

// probeReference has a reference refused that refers to itself, which only this project's webhook does.
func (e *examiner) probeReference() {
	object := thing("dry run of Dataset " + e.namespace + "/" + ProbeName)
	probe := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: e.namespace, Name: ProbeName}}
	probe.Spec.Mounts = []datav1alpha1.Mount{{MountPoint: reference.Source{Namespace: e.namespace, Name: ProbeName}.MountPoint()}}
	err := e.client.Create(e.ctx, probe, client.DryRunAll)
	switch {
	case err == nil:
		e.find(finding.CodeWebhookFails, object, "a reference to itself was admitted: the webhook isn't asked")
	case strings.Contains(err.Error(), string(finding.CodeSelfReference)):
		e.pass(object, "the webhook refuses a reference that can't work")
	default:
		e.probeFailed(object, err)
	}
}

// probePod has a pod with a Dataset admitted, which must come back with a sidecar.
func (e *examiner) probePod() {
	object := thing("dry run of Pod " + e.namespace + "/" + ProbeName)
	dataset, err := e.boundDataset()
	switch {
	case err != nil:
		e.unread(thing("Datasets of namespace "+e.namespace), err)
		return
	case dataset == "":
		e.skip("no Dataset of namespace %s is Bound, so that a pod could try it; name another with -n", e.namespace)
		return
	}
	pod := probedPod(e.namespace, dataset)
	err = e.client.Create(e.ctx, pod, client.DryRunAll)
	switch {
	case err == nil && len(workload.Sidecars(pod)) > 0:
		e.pass(object, "the webhook gives a pod with Dataset %s a sidecar", dataset)
	case err == nil:
		e.find(finding.CodeWebhookFails, object, "a pod with Dataset %s that asks for a sidecar was admitted without one", dataset)
	case strings.Contains(err.Error(), "violates PodSecurity"):
		e.find(finding.CodePodSecurity, finding.Object{Kind: "Namespace", Name: e.namespace}, "it refuses a pod with a sidecar: %v", err)
	case cluster.IsRefusal(err):
		e.find(finding.CodePodClaimUnresolved, object, "the webhook answers, and refuses a pod with Dataset %s: %v", dataset, err)
	default:
		e.probeFailed(object, err)
	}
}

// boundDataset returns the name of a Dataset of the namespace that pods can use; empty if there is none.
func (e *examiner) boundDataset() (string, error) {
	for page, err := range cluster.Pages(e.ctx, e.client, &datav1alpha1.DatasetList{}, client.InNamespace(e.namespace)) {
		if err != nil {
			return "", err
		}
		for _, dataset := range page.Items {
			if dataset.Status.Phase == datav1alpha1.BoundPhase {
				return dataset.Name, nil
			}
		}
	}
	return "", nil
}

// probedPod asks for a sidecar, and meets the strictest Pod Security level until it has one.
func probedPod(namespace, claim string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: ProbeName, Labels: map[string]string{datav1alpha1.LabelInject: "true"}},
		Spec: corev1.PodSpec{
			SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: new(true), RunAsUser: new(int64(65532)),
				SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			Containers: []corev1.Container{{Name: "probe", Image: "kubectl-fluid/none:probe",
				SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: new(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
				VolumeMounts:    []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}}},
			Volumes: []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim}}}},
		},
	}
}

// probeFailed tells a webhook that can't be called from a user who may not create the probe.
func (e *examiner) probeFailed(object finding.Object, err error) {
	if strings.Contains(err.Error(), "failed calling webhook") || apierrors.IsInternalError(err) {
		e.find(finding.CodeWebhookFails, object, "%v", err)
		return
	}
	e.unread(object, fmt.Errorf("the probe wasn't tried: %w", err))
}
