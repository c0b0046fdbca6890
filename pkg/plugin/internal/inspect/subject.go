package inspect

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/workload"
)

// podSubject is a pod to look at: one that exists, or one that a workload or a manifest would make.
type podSubject struct {
	// kind and key name what the pod is from; kind is Pod for one that exists.
	kind string
	key  types.NamespacedName
	file string
	pod  *corev1.Pod
	// raw is the pod's JSON as the API server would send it to a webhook.
	raw    []byte
	exists bool
	// selector finds the pods of a workload; nil if there is none.
	selector labels.Selector
}

// subjects returns what to look at.
func (o *inspectSidecarOptions) subjects(ctx context.Context, c *cluster.View) ([]*podSubject, error) {
	if o.kind == "" {
		var found []*podSubject
		for _, object := range c.Manifests {
			for _, w := range workload.Kinds() {
				if w.GVK.GroupKind() != object.GroupVersionKind().GroupKind() {
					continue
				}
				subject, err := newSubject(w, object.Unstructured, object.File)
				if err != nil {
					return nil, err
				}
				found = append(found, subject)
			}
		}
		return found, nil
	}
	for _, w := range workload.Kinds() {
		if w.GVK.Kind == o.kind {
			subject, err := readSubject(ctx, c, w, o.object)
			return []*podSubject{subject}, err
		}
	}
	return nil, nil
}

// readSubject reads an object of a kind that has pods.
func readSubject(ctx context.Context, c *cluster.View, w workload.Kind, key types.NamespacedName) (*podSubject, error) {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(w.GVK)
	if err := c.Get(ctx, key, object); err != nil {
		doing := fmt.Sprintf("reading %s %s", w.GVK.Kind, key)
		if apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("%s: it doesn't exist; kubectl get %s -n %s shows those that do", doing, w.Names[1], key.Namespace)
		}
		return nil, cluster.ExplainAPI(doing, err)
	}
	subject, err := newSubject(w, object, "")
	if err == nil && w.Template == nil {
		subject.exists = object.GetUID() != "" || !c.Offline() && c.Overlay == nil
	}
	return subject, err
}

// newSubject returns the pod that an object is, or makes.
func newSubject(w workload.Kind, object *unstructured.Unstructured, file string) (*podSubject, error) {
	s := &podSubject{kind: w.GVK.Kind, key: client.ObjectKeyFromObject(object), file: file}
	doing := fmt.Sprintf("reading %s %s", w.GVK.Kind, s.key)
	fields := object.Object
	if w.Template != nil {
		template, found, err := unstructured.NestedMap(object.Object, w.Template...)
		if err != nil || !found {
			return nil, fmt.Errorf("%s: it has no %s", doing, strings.Join(w.Template, "."))
		}
		fields = template
		selector, found, err := unstructured.NestedMap(object.Object, "spec", "selector")
		if err == nil && found {
			if s.selector, err = selectorOf(selector); err != nil {
				return nil, fmt.Errorf("%s: its selector: %w", doing, err)
			}
		}
	}
	s.pod = &corev1.Pod{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(fields, s.pod); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	s.pod.Namespace = s.key.Namespace
	pod := runtime.DeepCopyJSON(fields)
	delete(pod, "status")
	pod["apiVersion"], pod["kind"] = "v1", "Pod"
	metadata, _ := pod["metadata"].(map[string]any)
	if metadata == nil {
		metadata = map[string]any{}
		pod["metadata"] = metadata
	}
	metadata["namespace"] = s.key.Namespace
	if w.Template != nil {
		delete(metadata, "creationTimestamp")
		metadata["generateName"] = s.key.Name + "-"
		s.pod.GenerateName = s.key.Name + "-"
	}
	var err error
	s.raw, err = json.Marshal(pod)
	return s, err
}

func selectorOf(fields map[string]any) (labels.Selector, error) {
	selector := &metav1.LabelSelector{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(fields, selector); err != nil {
		return nil, err
	}
	return metav1.LabelSelectorAsSelector(selector)
}
