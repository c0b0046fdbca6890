package manifests

import (
	"slices"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

// installation is what concerns the controller's pods in install.yaml.
type installation struct {
	deployment appsv1.Deployment
	budget     policyv1.PodDisruptionBudget
	network    networkingv1.NetworkPolicy
	services   map[string]corev1.Service
	mutating   []admissionregistrationv1.MutatingWebhookConfiguration
	validating admissionregistrationv1.ValidatingWebhookConfiguration
}

func readInstallation(t *testing.T) installation {
	t.Helper()
	i := installation{services: map[string]corev1.Service{}}
	for _, document := range strings.Split(render(t, "default", "x"), "---\n") {
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal([]byte(document), &kind); err != nil {
			t.Fatal(err)
		}
		service, mutating := corev1.Service{}, admissionregistrationv1.MutatingWebhookConfiguration{}
		into := map[string]any{"Deployment": &i.deployment, "PodDisruptionBudget": &i.budget, "NetworkPolicy": &i.network,
			"Service": &service, "MutatingWebhookConfiguration": &mutating, "ValidatingWebhookConfiguration": &i.validating}[kind.Kind]
		if into == nil || strings.Contains(document, nodePluginLabel) {
			continue
		}
		if err := yaml.UnmarshalStrict([]byte(document), into); err != nil {
			t.Fatal(err)
		}
		switch kind.Kind {
		case "Service":
			i.services[service.Name] = service
		case "MutatingWebhookConfiguration":
			i.mutating = append(i.mutating, mutating)
		}
	}
	return i
}

// TestReplicasStandInForEachOther: there are two, of which one is the leader; they are spread, drained one by one and
// replaced before they go, and they are asked whether they live and are ready.
func TestReplicasStandInForEachOther(t *testing.T) {
	i := readInstallation(t)
	spec, pod := i.deployment.Spec, i.deployment.Spec.Template.Spec
	if *spec.Replicas != 2 || !slices.Contains(pod.Containers[0].Args, "--leader-elect") {
		t.Errorf("there are %d replicas with the arguments %q", *spec.Replicas, pod.Containers[0].Args)
	}
	if update := spec.Strategy.RollingUpdate; update.MaxUnavailable.IntValue() != 0 || update.MaxSurge.IntValue() < 1 {
		t.Errorf("they are replaced by %+v", update)
	}
	if len(pod.TopologySpreadConstraints) != 1 || pod.TopologySpreadConstraints[0].TopologyKey != corev1.LabelHostname {
		t.Errorf("they are spread by %+v", pod.TopologySpreadConstraints)
	}
	template := labels.Set(spec.Template.Labels)
	for name, selector := range map[string]*metav1.LabelSelector{
		"budget": i.budget.Spec.Selector, "network policy": &i.network.Spec.PodSelector, "spread": pod.TopologySpreadConstraints[0].LabelSelector, "Deployment": spec.Selector,
	} {
		if s, err := metav1.LabelSelectorAsSelector(selector); err != nil || s.Empty() || !s.Matches(template) {
			t.Errorf("the %s doesn't select the pods: %v, %v", name, selector, err)
		}
	}
	if i.budget.Spec.MaxUnavailable.IntValue() != 1 {
		t.Errorf("%d may be drained at a time", i.budget.Spec.MaxUnavailable.IntValue())
	}
	container := pod.Containers[0]
	for name, probe := range map[string]*corev1.Probe{"readiness": container.ReadinessProbe, "liveness": container.LivenessProbe} {
		if probe == nil || probe.HTTPGet == nil || port(container, probe.HTTPGet.Port.StrVal) == 0 {
			t.Errorf("the %s probe is %+v", name, probe)
		}
	}
}

// TestGoKnowsTheMemoryLimit: GOMEMLIMIT is below the limit of the container, by what isn't Go's heap, and both requests
// are made.
func TestGoKnowsTheMemoryLimit(t *testing.T) {
	container := readInstallation(t).deployment.Spec.Template.Spec.Containers[0]
	target := resource.Quantity{}
	for _, variable := range container.Env {
		if variable.Name == "GOMEMLIMIT" {
			target = resource.MustParse(strings.TrimSuffix(variable.Value, "B"))
		}
	}
	limit := container.Resources.Limits.Memory()
	if share := target.AsApproximateFloat64() / limit.AsApproximateFloat64(); share < 0.8 || share > 0.95 {
		t.Errorf("GOMEMLIMIT is %s of %s", &target, limit)
	}
	if requests := container.Resources.Requests; requests.Memory().IsZero() || requests.Cpu().IsZero() || requests.Memory().Cmp(*limit) > 0 {
		t.Errorf("it requests %v", requests)
	}
}

// TestCallsReachThePods: each webhook has a Service that is there, whose port is one of the container's and open in the
// network policy; health checks are let in too, and nothing else.
func TestCallsReachThePods(t *testing.T) {
	i := readInstallation(t)
	container := i.deployment.Spec.Template.Spec.Containers[0]
	var open []string
	for _, rule := range i.network.Spec.Ingress {
		for _, p := range rule.Ports {
			open = append(open, p.Port.StrVal)
		}
	}
	if slices.Sort(open); !slices.Equal(open, []string{"health", "webhook"}) || !slices.Equal(i.network.Spec.PolicyTypes, []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}) {
		t.Errorf("the network policy lets in calls of %q, and is about %v", open, i.network.Spec.PolicyTypes)
	}
	var called []admissionregistrationv1.WebhookClientConfig
	for _, configuration := range i.mutating {
		for _, webhook := range configuration.Webhooks {
			called = append(called, webhook.ClientConfig)
		}
	}
	for _, webhook := range i.validating.Webhooks {
		called = append(called, webhook.ClientConfig)
	}
	if len(called) != 5 { // four for pods, one for references
		t.Errorf("there are %d webhooks", len(called))
	}
	for _, client := range called {
		service, found := i.services[client.Service.Name]
		if !found || service.Namespace != client.Service.Namespace || service.Spec.Ports[0].Port != *client.Service.Port {
			t.Errorf("there is no Service for %+v", client.Service)
			continue
		}
		if target := service.Spec.Ports[0].TargetPort.StrVal; port(container, target) == 0 || !slices.Contains(open, target) {
			t.Errorf("Service %s leads to the port %q", service.Name, target)
		}
		if !labels.SelectorFromSet(service.Spec.Selector).Matches(labels.Merge(i.deployment.Spec.Template.Labels, labels.Set{"kubectl-fluid.dev/webhook-seat": service.Spec.Selector["kubectl-fluid.dev/webhook-seat"]})) {
			t.Errorf("Service %s doesn't select the pods: %v", service.Name, service.Spec.Selector)
		}
	}
}

// port is the number of a container's port by its name, or 0.
func port(container corev1.Container, name string) int32 {
	for _, p := range container.Ports {
		if p.Name == name {
			return p.ContainerPort
		}
	}
	return 0
}
