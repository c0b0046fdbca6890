package engine

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// services are headless: their names stand for pods. One for each master, which exists for clients while that master is
// ready, that is, has its mounts; one by which masters find each other before, if there are several; one for the workers.
func (e *Engine) services() []*corev1.Service {
	var list []*corev1.Service
	clients := []corev1.ServicePort{servicePort("rpc", portMasterRPC), servicePort("web", PortMasterWeb),
		servicePort("job-rpc", portJobMasterRPC), servicePort("job-web", portJobMasterWeb)}
	journal := []corev1.ServicePort{servicePort("embedded", portMasterJournal), servicePort("job-embedded", portJobMasterJournal)}
	for i := range e.Masters() {
		service := e.service(MasterPod(e.runtime.Name, i), RoleMaster, clients)
		service.Spec.Selector["statefulset.kubernetes.io/pod-name"] = MasterPod(e.runtime.Name, i)
		if !e.runtime.Spec.DisablePrometheus {
			service.Labels["monitor"] = "alluxio_runtime_metrics"
		}
		list = append(list, service)
	}
	if e.Masters() > 1 {
		peers := e.service(MasterName(e.runtime.Name), RoleMaster, journal)
		peers.Spec.PublishNotReadyAddresses = true
		list = append(list, peers)
	}
	workers := e.service(WorkerName(e.runtime.Name), RoleWorker, []corev1.ServicePort{servicePort("rpc", portWorkerRPC), servicePort("web", portWorkerWeb)})
	workers.Spec.PublishNotReadyAddresses = true
	return append(list, workers)
}

func (e *Engine) service(name, role string, ports []corev1.ServicePort) *corev1.Service {
	return &corev1.Service{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Service"}, ObjectMeta: e.meta(name, role, nil),
		Spec: corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone, Selector: e.selector(role), Ports: ports},
	}
}

func servicePort(name string, number int32) corev1.ServicePort {
	return corev1.ServicePort{Name: name, Port: number, TargetPort: intstr.FromInt32(number), Protocol: corev1.ProtocolTCP}
}

// policy lets the Dataset's namespace, the controller and the namespaces of consumers reach masters and workers, and nobody
// else: Alluxio believes every user name, so who reaches it may read and free everything.
func (e *Engine) policy() *networkingv1.NetworkPolicy {
	from := []networkingv1.NetworkPolicyPeer{
		{PodSelector: &metav1.LabelSelector{}},
		namespacePeer(e.settings.Controller),
	}
	for _, namespace := range e.Consumers {
		from = append(from, namespacePeer(namespace))
	}
	return &networkingv1.NetworkPolicy{
		TypeMeta: metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"}, ObjectMeta: e.meta(PolicyName(e.runtime.Name), "", nil),
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{"app": "alluxio", "release": e.runtime.Name},
				MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "role", Operator: metav1.LabelSelectorOpIn, Values: []string{RoleMaster, RoleWorker}}}},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			Ingress:     []networkingv1.NetworkPolicyIngressRule{{From: from}},
		},
	}
}

func namespacePeer(namespace string) networkingv1.NetworkPolicyPeer {
	return networkingv1.NetworkPolicyPeer{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: namespace}}}
}
