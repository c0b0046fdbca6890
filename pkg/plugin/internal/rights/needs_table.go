package rights

import (
	"slices"
	"strings"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/workload"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// Needs says what each command asks the API server for. What everybody may ask (its version, and one's own rights) isn't
// mentioned. A test compares it with the requests that the commands make.
func Needs() map[string][]Need {
	nothing := []Need{}
	return map[string][]Need{
		"completion bash":       nothing,
		"completion fish":       nothing,
		"completion install":    nothing,
		"completion powershell": nothing,
		"completion zsh":        nothing,
		"doctor":                doctorNeeds(),
		"explain":               nothing,
		"inject":                injectNeeds(),
		"inspect dataset":       slices.Concat([]Need{settingsNeed(), on(InNamespace, "list", "", "pods").only("who uses it"), on(InSource, "list", "", "pods").only("who uses a physical Dataset")}, referenceNeeds()),
		"inspect sidecar":       sidecarNeeds(),
		"options":               nothing,
		"rbac print":            nothing,
		"ref can-i": {settingsNeed(), on(InSource, "get", datav1alpha1.GroupName, "datasets").only("whether the owner shares it"),
			on(InNamespace, "create", datav1alpha1.GroupName, "datasets").only("a dry run, without the other rights")},
		"ref check": slices.Concat([]Need{on(InNamespace, "list", datav1alpha1.GroupName, "datasets"), settingsNeed()}, operationNeeds(), referenceNeeds()),
		"ref create": slices.Concat([]Need{on(InNamespace, "patch", datav1alpha1.GroupName, "datasets"), settingsNeed(),
			on(InNamespace, "list", datav1alpha1.GroupName, "datasets").only("--wait"), on(InNamespace, "watch", datav1alpha1.GroupName, "datasets").only("--wait")}, referenceNeeds()),
		"ref delete": {on(InNamespace, "get", datav1alpha1.GroupName, "datasets"), on(InNamespace, "delete", datav1alpha1.GroupName, "datasets"),
			on(InNamespace, "list", "", "pods").only("who uses it"),
			on(InNamespace, "list", datav1alpha1.GroupName, "datasets").only("--wait"), on(InNamespace, "watch", datav1alpha1.GroupName, "datasets").only("--wait")},
		"ref describe": slices.Concat([]Need{settingsNeed(), on(InNamespace, "list", "", "pods").only("who uses it"),
			on(InNamespace, "list", "", "events").only("its events")}, referenceNeeds()),
		"ref diff": slices.Concat([]Need{settingsNeed(), on(InNamespace, "list", "", "pods").only("sidecars of running pods"),
			on(InNamespace, "get", "apps", "daemonsets").only("the copy that Fluid makes")}, referenceNeeds()),
		"ref list":    {on(InNamespace, "list", datav1alpha1.GroupName, "datasets")},
		"ref share":   {on(InSource, "get", datav1alpha1.GroupName, "datasets"), on(InSource, "patch", datav1alpha1.GroupName, "datasets")},
		"ref tree":    treeNeeds(),
		"ref unshare": {on(InSource, "get", datav1alpha1.GroupName, "datasets"), on(InSource, "patch", datav1alpha1.GroupName, "datasets")},
		"version":     nothing,
	}
}

func on(where place, verb, group, resource string) Need {
	return Need{Where: where, Verb: verb, Group: group, Resource: resource}
}

// only says what for a right is needed that isn't needed always.
func (n Need) only(purpose string) Need {
	n.Purpose = purpose
	return n
}

// settingsNeed is for the annotations by which the cluster says how copies are named and whose consent references need.
func settingsNeed() Need {
	n := on(InCluster, "get", "admissionregistration.k8s.io", "mutatingwebhookconfigurations").only("how copies are named, and whose consent counts")
	n.Names = []string{cluster.OwnWebhook, reference.FluidWebhook}
	return n
}

// referenceNeeds are for everything that a plan of a reference depends on.
func referenceNeeds() []Need {
	list := []Need{
		on(InNamespace, "get", datav1alpha1.GroupName, "datasets"),
		on(InNamespace, "get", datav1alpha1.GroupName, "thinruntimes"),
		on(InNamespace, "get", "", "persistentvolumeclaims"),
		on(InNamespace, "get", "", "configmaps").only("who has the names of copies"),
		on(InNamespace, "get", "", "secrets").only("who has the names of copies"),
		on(InSource, "get", datav1alpha1.GroupName, "datasets"),
		on(InSource, "get", "", "persistentvolumeclaims"),
		on(InSource, "get", "apps", "daemonsets"),
		on(InSource, "get", "", "configmaps").only("what copies are made from"),
		on(InSource, "get", "", "secrets").only("what copies are made from"),
		on(InCluster, "get", "", "persistentvolumes"),
		on(InCluster, "get", "", "namespaces").only("the Pod Security level"),
	}
	for _, runtime := range reference.Runtimes() {
		if runtime.NoSidecar == "" {
			list = append(list, on(InSource, "get", datav1alpha1.GroupName, strings.ToLower(runtime.Kind)+"s").only("the runtime's state"))
		}
	}
	return list
}

// operationNeeds are for data operations on a reference, which Fluid doesn't have.
func operationNeeds() []Need {
	var list []Need
	for _, resource := range []string{"databackups", "dataloads", "datamigrates", "dataprocesses"} {
		list = append(list, on(InNamespace, "list", datav1alpha1.GroupName, resource).only("data operations"))
	}
	return list
}

// sidecarNeeds are for a pod and the chains of its Datasets, for what sidecars read, and for workloads, whose pods go
// through the webhook's engine.
func sidecarNeeds() []Need {
	const ofWorkload, new = "TYPE/NAME", "what new pods get"
	list := []Need{
		on(InNamespace, "get", "", "pods"),
		on(InNamespace, "get", "", "persistentvolumeclaims"),
		on(InNamespace, "get", datav1alpha1.GroupName, "datasets"),
		on(InSource, "get", datav1alpha1.GroupName, "datasets"),
		on(InSource, "get", "apps", "daemonsets"),
		on(InCluster, "get", "", "persistentvolumes"),
		settingsNeed(),
		on(InNamespace, "get", "", "configmaps").only("what sidecars read"),
		on(InNamespace, "get", "", "secrets").only("what sidecars read"),
		on(InNamespace, "list", "", "events").only("why a sidecar isn't ready"),
		on(InNamespace, "list", "", "pods").only("the pods of a workload"),
		on(InNamespace, "get", datav1alpha1.GroupName, "thinruntimes").only(new),
		on(InSource, "get", "", "persistentvolumeclaims").only(new),
		on(InCluster, "get", "", "namespaces").only(new),
	}
	for _, w := range workload.Kinds() {
		if w.Template != nil {
			list = append(list, on(InNamespace, "get", w.GVK.Group, w.Names[1]).only(ofWorkload))
		}
	}
	for _, runtime := range reference.Runtimes() {
		if runtime.Metrics {
			list = append(list, on(InSource, "get", datav1alpha1.GroupName, strings.ToLower(runtime.Kind)+"s").only(new))
		}
	}
	return list
}

// injectNeeds are for the sidecars of Datasets that the manifests don't have.
func injectNeeds() []Need {
	return []Need{
		settingsNeed(),
		on(InNamespace, "get", datav1alpha1.GroupName, "datasets"),
		on(InNamespace, "get", datav1alpha1.GroupName, "thinruntimes"),
		on(InNamespace, "get", "", "persistentvolumeclaims"),
		on(InSource, "get", datav1alpha1.GroupName, "datasets"),
		on(InSource, "get", "", "persistentvolumeclaims"),
		on(InSource, "get", "apps", "daemonsets"),
		on(InCluster, "get", "", "persistentvolumes"),
	}
}

func treeNeeds() []Need {
	return []Need{
		on(InCluster, "list", datav1alpha1.GroupName, "datasets"),
		on(InNamespace, "list", "", "persistentvolumeclaims"),
		on(InNamespace, "list", "", "pods").only("the pods"),
		on(InSource, "list", "", "persistentvolumeclaims").only("the physical Dataset's claim"),
		on(InSource, "list", "", "pods").only("the pods of the physical Dataset"),
		on(InCluster, "list", "", "persistentvolumeclaims").only("references of other namespaces"),
		on(InCluster, "list", "", "pods").only("references of other namespaces"),
	}
}

// doctorNeeds are all for single checks: doctor says what it couldn't look at.
func doctorNeeds() []Need {
	webhooks := settingsNeed().only("webhooks, certificates")
	validating := on(InCluster, "get", "admissionregistration.k8s.io", "validatingwebhookconfigurations").only("webhooks, certificates")
	validating.Names = []string{cluster.OwnWebhook}
	return []Need{
		on(InCluster, "list", "", "nodes").only("nodes"),
		on(InCluster, "list", "apiextensions.k8s.io", "customresourcedefinitions").only("definitions"),
		webhooks, validating,
		on(InCluster, "get", "apps", "deployments").only("controllers"),
		on(InNamespace, "list", datav1alpha1.GroupName, "datasets").only("webhooks"),
		on(InNamespace, "create", datav1alpha1.GroupName, "datasets").only("webhooks: a dry run"),
		on(InNamespace, "create", "", "pods").only("webhooks: a dry run"),
		on(InCluster, "create", "authorization.k8s.io", "subjectaccessreviews").only("controller-rights"),
		on(InCluster, "get", "", "namespaces").only("pod-security"),
	}
}
