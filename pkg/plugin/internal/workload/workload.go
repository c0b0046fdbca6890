package workload

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Kind is a kind that has pods, or is one.
type Kind struct {
	GVK schema.GroupVersionKind
	// Names are those of its type on a command line, the usual one first.
	Names []string
	// Template is where its pod template is; nil for pods.
	Template []string
}

// Kinds returns the kinds that have pods, and Pod.
func Kinds() []Kind {
	apps, batch := schema.GroupVersion{Group: "apps", Version: "v1"}, schema.GroupVersion{Group: "batch", Version: "v1"}
	template := []string{"spec", "template"}
	return []Kind{
		{corev1.SchemeGroupVersion.WithKind("Pod"), []string{"pod", "pods", "po"}, nil},
		{apps.WithKind("Deployment"), []string{"deployment", "deployments", "deploy"}, template},
		{apps.WithKind("StatefulSet"), []string{"statefulset", "statefulsets", "sts"}, template},
		{apps.WithKind("DaemonSet"), []string{"daemonset", "daemonsets", "ds"}, template},
		{apps.WithKind("ReplicaSet"), []string{"replicaset", "replicasets", "rs"}, template},
		{batch.WithKind("Job"), []string{"job", "jobs"}, template},
		{batch.WithKind("CronJob"), []string{"cronjob", "cronjobs", "cj"}, []string{"spec", "jobTemplate", "spec", "template"}},
	}
}
