package reconcile

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admission/v1"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/livetest"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/tell"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// refusalText is what the policies and the webhook of these tests say.
const refusalText = "label team is required"

// refusing is something that refuses an operation on a reference's object of one kind.
type refusing struct {
	group, resource string
	operation       admissionregistrationv1.OperationType
	reason          metav1.StatusReason // of a policy; empty for a webhook that gives no code
	remove          func()
}

// install makes it refuse the objects of a namespace, or of names that begin with it, and waits until it does.
func (r *refusing) install(t *testing.T, namespace string) {
	t.Helper()
	name := "refuse-" + namespace
	rules := []admissionregistrationv1.RuleWithOperations{{Operations: []admissionregistrationv1.OperationType{r.operation},
		Rule: admissionregistrationv1.Rule{APIGroups: []string{r.group}, APIVersions: []string{"*"}, Resources: []string{r.resource}}}}
	concerned := []admissionregistrationv1.MatchCondition{{Name: "here",
		Expression: fmt.Sprintf(`request.namespace == %q || request.name.startsWith(%q)`, namespace, namespace+"-")}}
	meta := metav1.ObjectMeta{Name: name}
	if r.reason == "" {
		r.remove = installRefusingWebhook(t, meta, rules, concerned)
		return
	}
	policy := &admissionregistrationv1.ValidatingAdmissionPolicy{ObjectMeta: meta, Spec: admissionregistrationv1.ValidatingAdmissionPolicySpec{
		MatchConstraints: &admissionregistrationv1.MatchResources{}, MatchConditions: concerned,
		Validations: []admissionregistrationv1.Validation{{Expression: "false", Message: refusalText, Reason: &r.reason}}}}
	for _, rule := range rules {
		policy.Spec.MatchConstraints.ResourceRules = append(policy.Spec.MatchConstraints.ResourceRules, admissionregistrationv1.NamedRuleWithOperations{RuleWithOperations: rule})
	}
	binding := &admissionregistrationv1.ValidatingAdmissionPolicyBinding{ObjectMeta: meta, Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
		PolicyName: name, ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny}}}
	livetest.Create(t, policy, binding)
	r.remove = func() {
		for _, object := range []client.Object{binding, policy} {
			if err := client.IgnoreNotFound(livetest.Client().Delete(context.Background(), object)); err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(r.remove)
}

// installRefusingWebhook lets a webhook refuse without a code, as policy engines do.
func installRefusingWebhook(t *testing.T, meta metav1.ObjectMeta, rules []admissionregistrationv1.RuleWithOperations,
	concerned []admissionregistrationv1.MatchCondition) (remove func()) {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		review := &admissionv1.AdmissionReview{}
		if err := json.NewDecoder(request.Body).Decode(review); err != nil {
			t.Error(err)
			return
		}
		review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Result: &metav1.Status{Message: refusalText}}
		if err := json.NewEncoder(w).Encode(review); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: meta, Webhooks: []admissionregistrationv1.ValidatingWebhook{{
		Name: "refuse.example.com", Rules: rules, MatchConditions: concerned, AdmissionReviewVersions: []string{"v1"},
		ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: &server.URL, CABundle: authority},
		SideEffects:  new(admissionregistrationv1.SideEffectClassNone),
	}}}
	livetest.Create(t, configuration)
	remove = func() {
		if err := client.IgnoreNotFound(livetest.Client().Delete(context.Background(), configuration)); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(remove)
	return remove
}

// awaitWarning waits for an event of type Warning about a reference that has a text.
func awaitWarning(t *testing.T, ref *datav1alpha1.Dataset, reason, text string) {
	t.Helper()
	livetest.Eventually(t, "a Warning", func() string {
		list := &eventsv1.EventList{}
		if err := livetest.Client().List(t.Context(), list, client.InNamespace(ref.Namespace)); err != nil {
			t.Fatal(err)
		}
		var notes []string
		for _, event := range list.Items {
			if event.Type == corev1.EventTypeWarning && event.Reason == reason && strings.Contains(event.Note, text) {
				return ""
			}
			notes = append(notes, event.Type+" "+event.Reason+": "+event.Note)
		}
		return strings.Join(notes, "; ")
	})
}

// TestEachRefusedWriteIsSaid: whichever of a reference's objects the API server refuses to create, and with whatever answer,
// the reference says so with the answer's text, the rest of its objects is made, and it heals when the refusal ends.
func TestEachRefusedWriteIsSaid(t *testing.T) {
	startReferencesOn(t, &wire{}, logr.Discard(), reference.UniqueNames)
	physical := newPhysicalOf(t, "alluxio")
	const policy, forbidding, webhook = metav1.StatusReasonInvalid, metav1.StatusReasonForbidden, metav1.StatusReason("")
	for name, r := range map[string]*refusing{
		"a mirror by a policy":        {"", "configmaps", admissionregistrationv1.Create, policy, nil},
		"a mirror by a webhook":       {"", "configmaps", admissionregistrationv1.Create, webhook, nil},
		"a mirror by a right":         {"", "configmaps", admissionregistrationv1.Create, forbidding, nil},
		"the claim by a policy":       {"", "persistentvolumeclaims", admissionregistrationv1.Create, policy, nil},
		"the claim by a webhook":      {"", "persistentvolumeclaims", admissionregistrationv1.Create, webhook, nil},
		"the volume by a policy":      {"", "persistentvolumes", admissionregistrationv1.Create, policy, nil},
		"the ThinRuntime by a policy": {datav1alpha1.GroupVersion.Group, "thinruntimes", admissionregistrationv1.Create, policy, nil},
		"the finalizer by a policy":   {datav1alpha1.GroupVersion.Group, "datasets", admissionregistrationv1.Update, policy, nil},
		"the finalizer by a webhook":  {datav1alpha1.GroupVersion.Group, "datasets", admissionregistrationv1.Update, webhook, nil},
	} {
		t.Run(name, func(t *testing.T) {
			namespace := livetest.NewNamespace(t)
			r.install(t, namespace)
			awaitInForce(t, r, namespace)
			ref := newReference(t, namespace, "refdemo", physical)
			awaitReason(t, ref, "WriteRefused")
			if message := readyCondition(ref.Status.Conditions).Message; !strings.Contains(message, refusalText) {
				t.Errorf("the condition says %q", message)
			}
			awaitWarning(t, ref, "WriteRefused", refusalText)
			claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "refdemo"}}
			volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: namespace + "-refdemo"}}
			for object, made := range map[client.Object]bool{
				claim:  r.resource == "persistentvolumes" || r.resource == "thinruntimes",
				volume: r.resource != "persistentvolumes" && r.resource != "datasets",
			} {
				if livetest.Exists(t, object) != made {
					t.Errorf("there is a %T: %t", object, !made)
				}
			}
			r.remove()
			livetest.Eventually(t, "Bound", func() string {
				if livetest.Refresh(t, ref); ref.Status.Phase == datav1alpha1.BoundPhase {
					return ""
				}
				// Or it is tried again after unreadDelay. The refusal may last for a moment, also that of this write.
				touched := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"touched":"`+ref.ResourceVersion+`"}}}`))
				return fmt.Sprint(readyCondition(ref.Status.Conditions).Message, livetest.Client().Patch(t.Context(), ref, touched))
			})
		})
	}
}

// awaitInForce waits until something refuses what it is to refuse.
func awaitInForce(t *testing.T, r *refusing, namespace string) {
	t.Helper()
	meta := metav1.ObjectMeta{Namespace: namespace, Name: "try"}
	object := map[string]client.Object{
		"configmaps": foreignConfigMap(meta), "persistentvolumeclaims": foreignClaim(meta), "thinruntimes": foreignThinRuntime(meta),
		"persistentvolumes": foreignVolume(namespace+"-try", &datav1alpha1.Dataset{ObjectMeta: meta}), "datasets": dataset(namespace, "try", "https://example.com/"),
	}[r.resource]
	if r.operation == admissionregistrationv1.Update {
		livetest.Create(t, object)
	}
	livetest.Eventually(t, "the refusal", func() string {
		var err error
		if r.operation == admissionregistrationv1.Update {
			object.SetLabels(map[string]string{"try": "it"})
			err = livetest.Client().Update(t.Context(), object, client.DryRunAll)
		} else {
			err = livetest.Client().Create(t.Context(), object.DeepCopyObject().(client.Object), client.DryRunAll)
		}
		if err != nil && strings.Contains(err.Error(), refusalText) {
			return ""
		}
		return fmt.Sprint("the answer is ", err)
	})
}

// TestRefusedDeletionIsSaid: where a policy keeps an object of a reference's from being deleted, an event says it, and the
// reference goes when the policy does.
func TestRefusedDeletionIsSaid(t *testing.T) {
	startReferencesOn(t, &wire{}, logr.Discard(), reference.UniqueNames)
	ref := newBoundReference(t, newPhysicalOf(t, "alluxio"))
	r := &refusing{"", "persistentvolumeclaims", admissionregistrationv1.Delete, metav1.StatusReasonInvalid, nil}
	r.install(t, ref.Namespace)
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: ref.Namespace, Name: "refdemo"}}
	livetest.Eventually(t, "the refusal", func() string {
		if err := livetest.Client().Delete(t.Context(), claim, client.DryRunAll); err == nil || !strings.Contains(err.Error(), refusalText) {
			return fmt.Sprint("the answer is ", err)
		}
		return ""
	})
	livetest.Remove(t, ref)
	awaitWarning(t, ref, tell.ReasonErrorDeleteDataset, refusalText)
	r.remove()
	livetest.Eventually(t, "the end", func() string {
		if !livetest.Exists(t, ref) {
			return ""
		}
		touched := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"touched":"`+ref.ResourceVersion+`"}}}`))
		return fmt.Sprint("it is still there ", livetest.Client().Patch(t.Context(), ref, touched))
	})
	livetest.EventuallyGone(t, claim, &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: ref.Namespace + "-refdemo"}})
}
