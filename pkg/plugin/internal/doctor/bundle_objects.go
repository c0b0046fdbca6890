package doctor

import (
	"context"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// bundledKind is a kind whose objects go into the archive, by the fields that are named and no others: what isn't known
// to be harmless stays out, also what Kubernetes or Fluid will add.
type bundledKind struct {
	kind schema.GroupVersionKind
	// inNamespace lists those of the namespace only.
	inNamespace bool
	// only are the names of the objects that go in; nil for all.
	only []string
	// fields are paths; * stands for each element of a list.
	fields []string
}

// metadataFields of every object.
func metadataFields() []string {
	return []string{"metadata.name", "metadata.namespace", "metadata.uid", "metadata.resourceVersion", "metadata.generation",
		"metadata.creationTimestamp", "metadata.deletionTimestamp", "metadata.finalizers", "metadata.labels", "metadata.ownerReferences"}
}

func bundledKinds() []bundledKind {
	kind := func(group, version, kind string) schema.GroupVersionKind {
		return schema.GroupVersionKind{Group: group, Version: version, Kind: kind}
	}
	fluid := func(name string) schema.GroupVersionKind { return datav1alpha1.GroupVersion.WithKind(name) }
	conditions := []string{"status.conditions"}
	containers := []string{"spec.nodeName", "spec.schedulerName", "spec.containers.*.name", "spec.containers.*.image", "spec.containers.*.volumeMounts",
		"spec.initContainers.*.name", "spec.initContainers.*.image", "spec.initContainers.*.restartPolicy", "spec.initContainers.*.volumeMounts",
		"spec.volumes.*.name", "spec.volumes.*.hostPath", "spec.volumes.*.persistentVolumeClaim",
		"status.phase", "status.reason", "status.conditions"}
	// Not the message of a container that ended: it may be the end of its log.
	for _, list := range []string{"status.initContainerStatuses.*.", "status.containerStatuses.*."} {
		for _, field := range []string{"name", "ready", "started", "restartCount", "state.running", "state.waiting.reason",
			"state.terminated.exitCode", "state.terminated.reason", "lastState.terminated.exitCode", "lastState.terminated.reason"} {
			containers = append(containers, list+field)
		}
	}
	webhook := []string{"webhooks.*.name", "webhooks.*.clientConfig.service", "webhooks.*.failurePolicy", "webhooks.*.objectSelector",
		"webhooks.*.namespaceSelector", "webhooks.*.reinvocationPolicy", "webhooks.*.timeoutSeconds"}
	return []bundledKind{
		{kind: kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition"), only: []string{"datasets." + datav1alpha1.GroupName, "thinruntimes." + datav1alpha1.GroupName,
			"thinruntimeprofiles." + datav1alpha1.GroupName, "alluxioruntimes." + datav1alpha1.GroupName}, fields: []string{"spec.group", "spec.scope", "spec.versions.*.name", "spec.versions.*.served", "spec.versions.*.storage", "status.storedVersions"}},
		{kind: kind("admissionregistration.k8s.io", "v1", "MutatingWebhookConfiguration"), only: []string{cluster.OwnWebhook, reference.FluidWebhook}, fields: webhook},
		{kind: kind("admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration"), only: []string{cluster.OwnWebhook}, fields: webhook},
		{kind: fluid(datav1alpha1.DatasetKind), inNamespace: true, fields: append([]string{"spec.mounts.*.mountPoint", "spec.accessModes", "status.phase",
			"status.runtimes", "status.datasetRef"}, conditions...)},
		{kind: fluid(datav1alpha1.ThinRuntimeKind), inNamespace: true, fields: []string{"spec.profileName", "status.fusePhase", "status.conditions"}},
		{kind: kind("", "v1", "PersistentVolumeClaim"), inNamespace: true, fields: []string{"spec.volumeName", "spec.accessModes", "spec.storageClassName", "status.phase"}},
		{kind: kind("", "v1", "Pod"), inNamespace: true, fields: containers},
		{kind: kind("", "v1", "Event"), inNamespace: true, fields: []string{"involvedObject", "type", "reason", "message", "count", "lastTimestamp", "eventTime", "reportingComponent"}},
	}
}

// file lists the objects of a kind into a file of the archive; what couldn't be listed is said in it.
func (k bundledKind) file(ctx context.Context, e *examiner) (bundleFile, error) {
	name := strings.ToLower(k.kind.Kind) + "s"
	namespace := client.InNamespace("")
	if k.inNamespace {
		namespace = client.InNamespace(e.namespace)
	}
	objects := []any{}
	for page, err := range cluster.Pages(ctx, e.client, cluster.NewList(k.kind), namespace) {
		if err != nil {
			return yamlFile(name, map[string]any{"error": err.Error()})
		}
		for _, object := range page.Items {
			if k.wants(object.GetName()) {
				objects = append(objects, k.harmless(object.Object))
			}
		}
	}
	return yamlFile(name, objects)
}

func (k bundledKind) wants(name string) bool {
	for _, only := range k.only {
		if only == name {
			return true
		}
	}
	return len(k.only) == 0
}

// harmless returns the fields of an object that go into the archive.
func (k bundledKind) harmless(object map[string]any) map[string]any {
	kept := map[string]any{"apiVersion": object["apiVersion"], "kind": object["kind"]}
	for _, field := range append(metadataFields(), k.fields...) {
		copyField(kept, object, strings.Split(field, "."))
	}
	return kept
}

// copyField copies what is at a path from one object to another.
func copyField(to, from map[string]any, path []string) {
	value, ok := from[path[0]]
	switch {
	case !ok:
		return
	case len(path) == 1:
		if text, isText := value.(string); isText && path[0] == "mountPoint" && !reference.IsMountPoint(text) {
			value = "left out"
		}
		to[path[0]] = value
		return
	}
	switch v := value.(type) {
	case map[string]any:
		inner, _ := to[path[0]].(map[string]any)
		if inner == nil {
			inner = map[string]any{}
			to[path[0]] = inner
		}
		copyField(inner, v, path[1:])
	case []any:
		list, _ := to[path[0]].([]any)
		if list == nil {
			list = make([]any, len(v))
			for i := range list {
				list[i] = map[string]any{}
			}
			to[path[0]] = list
		}
		for i := range v {
			element, isObject := v[i].(map[string]any)
			if isObject && len(path) > 2 {
				copyField(list[i].(map[string]any), element, path[2:])
			}
		}
	}
}

// withoutCredentials takes what is before the @ out of URLs: messages repeat mount points.
func withoutCredentials(text string) string {
	return regexp.MustCompile(`://[^/@\s"']+@`).ReplaceAllString(text, "://REDACTED@")
}
