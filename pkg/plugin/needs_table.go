package plugin

import (
	"slices"
	"strings"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// needs says what each command asks the API server for. What everybody may ask (its version, and one's own rights) isn't
// mentioned. A test compares it with the requests that the commands make.
func needs() map[string][]need {
	nothing := []need{}
	return map[string][]need{
		"completion bash":       nothing,
		"completion fish":       nothing,
		"completion install":    nothing,
		"completion powershell": nothing,
		"completion zsh":        nothing,
		"doctor":                doctorNeeds(),
		"explain":               nothing,
		"inject":                injectNeeds(),
		"inspect dataset":       slices.Concat([]need{settingsNeed(), on(inNamespace, "list", "", "pods").only("who uses it"), on(inSource, "list", "", "pods").only("who uses a physical Dataset")}, referenceNeeds()),
		"inspect sidecar":       sidecarNeeds(),
		"options":               nothing,
		"rbac print":            nothing,
		"ref can-i": {settingsNeed(), on(inSource, "get", fluidGroup, "datasets").only("whether the owner shares it"),
			on(inNamespace, "create", fluidGroup, "datasets").only("a dry run, without the other rights")},
		"ref check": slices.Concat([]need{on(inNamespace, "list", fluidGroup, "datasets"), settingsNeed()}, operationNeeds(), referenceNeeds()),
		"ref create": slices.Concat([]need{on(inNamespace, "patch", fluidGroup, "datasets"), settingsNeed(),
			on(inNamespace, "list", fluidGroup, "datasets").only("--wait"), on(inNamespace, "watch", fluidGroup, "datasets").only("--wait")}, referenceNeeds()),
		"ref delete": {on(inNamespace, "get", fluidGroup, "datasets"), on(inNamespace, "delete", fluidGroup, "datasets"),
			on(inNamespace, "list", "", "pods").only("who uses it"),
			on(inNamespace, "list", fluidGroup, "datasets").only("--wait"), on(inNamespace, "watch", fluidGroup, "datasets").only("--wait")},
		"ref describe": slices.Concat([]need{settingsNeed(), on(inNamespace, "list", "", "pods").only("who uses it"),
			on(inNamespace, "list", "", "events").only("its events")}, referenceNeeds()),
		"ref diff": slices.Concat([]need{settingsNeed(), on(inNamespace, "list", "", "pods").only("sidecars of running pods"),
			on(inNamespace, "get", "apps", "daemonsets").only("the copy that Fluid makes")}, referenceNeeds()),
		"ref list":    {on(inNamespace, "list", fluidGroup, "datasets")},
		"ref share":   {on(inSource, "get", fluidGroup, "datasets"), on(inSource, "patch", fluidGroup, "datasets")},
		"ref tree":    treeNeeds(),
		"ref unshare": {on(inSource, "get", fluidGroup, "datasets"), on(inSource, "patch", fluidGroup, "datasets")},
		"version":     nothing,
	}
}

func on(where place, verb, group, resource string) need {
	return need{where: where, verb: verb, group: group, resource: resource}
}

// only says what for a right is needed that isn't needed always.
func (n need) only(purpose string) need {
	n.purpose = purpose
	return n
}

// settingsNeed is for the annotations by which the cluster says how copies are named and whose consent references need.
func settingsNeed() need {
	n := on(inCluster, "get", "admissionregistration.k8s.io", "mutatingwebhookconfigurations").only("how copies are named, and whose consent counts")
	n.names = []string{ownWebhook, fluidWebhook}
	return n
}

// referenceNeeds are for everything that a plan of a reference depends on.
func referenceNeeds() []need {
	list := []need{
		on(inNamespace, "get", fluidGroup, "datasets"),
		on(inNamespace, "get", fluidGroup, "thinruntimes"),
		on(inNamespace, "get", "", "persistentvolumeclaims"),
		on(inNamespace, "get", "", "configmaps").only("who has the names of copies"),
		on(inNamespace, "get", "", "secrets").only("who has the names of copies"),
		on(inSource, "get", fluidGroup, "datasets"),
		on(inSource, "get", "", "persistentvolumeclaims"),
		on(inSource, "get", "apps", "daemonsets"),
		on(inSource, "get", "", "configmaps").only("what copies are made from"),
		on(inSource, "get", "", "secrets").only("what copies are made from"),
		on(inCluster, "get", "", "persistentvolumes"),
		on(inCluster, "get", "", "namespaces").only("the Pod Security level"),
	}
	for _, runtime := range reference.Runtimes() {
		if runtime.NoSidecar == "" {
			list = append(list, on(inSource, "get", fluidGroup, strings.ToLower(runtime.Kind)+"s").only("the runtime's state"))
		}
	}
	return list
}

// operationNeeds are for data operations on a reference, which Fluid doesn't have.
func operationNeeds() []need {
	var list []need
	for _, resource := range []string{"databackups", "dataloads", "datamigrates", "dataprocesses"} {
		list = append(list, on(inNamespace, "list", fluidGroup, resource).only("data operations"))
	}
	return list
}

// sidecarNeeds are for a pod and the chains of its Datasets, for what sidecars read, and for workloads, whose pods go
// through the webhook's engine.
func sidecarNeeds() []need {
	const ofWorkload, new = "TYPE/NAME", "what new pods get"
	list := []need{
		on(inNamespace, "get", "", "pods"),
		on(inNamespace, "get", "", "persistentvolumeclaims"),
		on(inNamespace, "get", fluidGroup, "datasets"),
		on(inSource, "get", fluidGroup, "datasets"),
		on(inSource, "get", "apps", "daemonsets"),
		on(inCluster, "get", "", "persistentvolumes"),
		settingsNeed(),
		on(inNamespace, "get", "", "configmaps").only("what sidecars read"),
		on(inNamespace, "get", "", "secrets").only("what sidecars read"),
		on(inNamespace, "list", "", "events").only("why a sidecar isn't ready"),
		on(inNamespace, "list", "", "pods").only("the pods of a workload"),
		on(inNamespace, "get", fluidGroup, "thinruntimes").only(new),
		on(inSource, "get", "", "persistentvolumeclaims").only(new),
		on(inCluster, "get", "", "namespaces").only(new),
	}
	for _, w := range workloads() {
		if w.template != nil {
			list = append(list, on(inNamespace, "get", w.kind.Group, w.names[1]).only(ofWorkload))
		}
	}
	for _, runtime := range reference.Runtimes() {
		if runtime.Metrics {
			list = append(list, on(inSource, "get", fluidGroup, strings.ToLower(runtime.Kind)+"s").only(new))
		}
	}
	return list
}

// injectNeeds are for the sidecars of Datasets that the manifests don't have.
func injectNeeds() []need {
	return []need{
		settingsNeed(),
		on(inNamespace, "get", fluidGroup, "datasets"),
		on(inNamespace, "get", fluidGroup, "thinruntimes"),
		on(inNamespace, "get", "", "persistentvolumeclaims"),
		on(inSource, "get", fluidGroup, "datasets"),
		on(inSource, "get", "", "persistentvolumeclaims"),
		on(inSource, "get", "apps", "daemonsets"),
		on(inCluster, "get", "", "persistentvolumes"),
	}
}

func treeNeeds() []need {
	return []need{
		on(inCluster, "list", fluidGroup, "datasets"),
		on(inNamespace, "list", "", "persistentvolumeclaims"),
		on(inNamespace, "list", "", "pods").only("the pods"),
		on(inSource, "list", "", "persistentvolumeclaims").only("the physical Dataset's claim"),
		on(inSource, "list", "", "pods").only("the pods of the physical Dataset"),
		on(inCluster, "list", "", "persistentvolumeclaims").only("references of other namespaces"),
		on(inCluster, "list", "", "pods").only("references of other namespaces"),
	}
}

// doctorNeeds are all for single checks: doctor says what it couldn't look at.
func doctorNeeds() []need {
	webhooks := settingsNeed().only("webhooks, certificates")
	validating := on(inCluster, "get", "admissionregistration.k8s.io", "validatingwebhookconfigurations").only("webhooks, certificates")
	validating.names = []string{ownWebhook}
	return []need{
		on(inCluster, "list", "", "nodes").only("nodes"),
		on(inCluster, "list", "apiextensions.k8s.io", "customresourcedefinitions").only("definitions"),
		webhooks, validating,
		on(inCluster, "get", "apps", "deployments").only("controllers"),
		on(inNamespace, "list", fluidGroup, "datasets").only("webhooks"),
		on(inNamespace, "create", fluidGroup, "datasets").only("webhooks: a dry run"),
		on(inNamespace, "create", "", "pods").only("webhooks: a dry run"),
		on(inCluster, "create", "authorization.k8s.io", "subjectaccessreviews").only("controller-rights"),
		on(inCluster, "get", "", "namespaces").only("pod-security"),
	}
}
