package inject

import (
	"fmt"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/jsonscan"
)

// Finder finds the sidecar of a claim, mostly by Lookup.
type Finder func(claim types.NamespacedName, variant Variant) Claimed

// TemplateOptions are what the injection into objects depends on beside them and their Datasets.
type TemplateOptions struct {
	// Namespace is that of objects which name none.
	Namespace string
	// Unasked injects also where the label that asks for sidecars is missing; what forbids them still counts.
	Unasked bool
	// Variant is that of pods which ask for no other.
	Variant Variant
	// Privileged says of a namespace whether its sidecars are privileged where the Variant is Served; nil stands for none.
	Privileged func(namespace string) bool
}

// Result is what one object gets.
type Result struct {
	// Object is the object that was looked at.
	Object finding.Object
	// Patch is a JSON patch of the whole document, which gives this object its sidecars; nil if it gets none. The patches
	// of several objects in one document apply one after the other, in any order.
	Patch []byte
	// Findings say why it gets none, or what may surprise.
	Findings finding.List
}

// Template gives objects that aren't in a cluster yet their sidecars: a pod, an object with a pod template (of a known
// kind, or with one at spec.template as workloads have it), or a list of such. The document is JSON. The error says what
// isn't an object about it; what is wrong with a single object is among the findings of its result.
//
// All pods of one template have the same directory on a node, other than pods that are injected at admission: their
// sidecars mount one over the other.
func Template(document []byte, find Finder, options TemplateOptions) ([]Result, error) {
	s := jsonscan.New(string(document))
	var top header
	if err := s.Document(func() { top = scanHeader(s) }); err != nil {
		return nil, fmt.Errorf("reading the object: %w", err)
	}
	if top.kind == "" {
		return nil, fmt.Errorf("reading the object: it has no kind")
	}
	if !strings.HasSuffix(top.kind, "List") || top.items == nil {
		return []Result{inObject(top, "", find, options)}, nil
	}
	var results []Result
	for i, item := range top.items {
		if item.kind == "" {
			item.kind = strings.TrimSuffix(top.kind, "List")
		}
		results = append(results, inObject(item, "/items/"+strconv.Itoa(i), find, options))
	}
	return results, nil
}

// header is what tells objects apart.
type header struct {
	text            string
	kind            string
	namespace, name string
	// items are the headers of a list's elements; nil if the object isn't one.
	items []header
}

func scanHeader(s *jsonscan.Scanner) (h header) {
	h.text = s.Text(func() { h.scan(s) })
	return h
}

func (h *header) scan(s *jsonscan.Scanner) {
	s.Object(func(field string) bool {
		switch field {
		case "kind":
			s.String(&h.kind)
		case "metadata":
			var metadata podMetadata
			metadata.scan(s)
			h.namespace, h.name = metadata.Namespace, metadata.Name
			if h.name == "" && metadata.GenerateName != "" {
				h.name = metadata.GenerateName + "*"
			}
		case "items":
			if s.Next() != '[' {
				return false // something else's items
			}
			h.items = scanList(s, scanHeader)
		default:
			return false
		}
		return true
	})
}

// podTemplates are the paths of pods in objects of Kubernetes that aren't at spec.template.
func podTemplate(kind string) []string {
	switch kind {
	case "Pod":
		return nil
	case "PodTemplate":
		return []string{"template"}
	case "CronJob":
		return []string{"spec", "jobTemplate", "spec", "template"}
	}
	return []string{"spec", "template"}
}

// inObject gives one object its sidecars. The JSON pointer is that of the object in the document: empty, or /items/0 and
// so on in a list.
func inObject(h header, pointer string, find Finder, options TemplateOptions) Result {
	namespace := h.namespace
	if namespace == "" {
		namespace = options.Namespace
	}
	result := Result{Object: finding.Object{Kind: h.kind, Namespace: namespace, Name: h.name}}
	add := func(code finding.Code, format string, args ...any) Result {
		result.Findings = append(result.Findings, finding.New(code, result.Object, format, args...))
		return result
	}
	path := podTemplate(h.kind)
	s := jsonscan.New(h.text)
	var text string
	var pod *Pod
	err := s.Document(func() { text = s.Find(path...) })
	if err == nil && text != "" {
		pod, err = scanPod(jsonscan.New(text))
	}
	switch {
	case err != nil:
		return add(finding.CodeTemplateUnreadable, "%v", err)
	case pod == nil || pod.Spec.Containers == nil:
		return add(finding.CodeNoPodTemplate, "it has no containers at %s", "/"+strings.Join(append(path, "spec", "containers"), "/"))
	case pod.Verdict().Has(Forbidden | Done):
		return add(finding.CodePodInjectionOff, "its pods' labels forbid sidecars")
	case pod.Verdict().Has(NotAsked) && !options.Unasked:
		return add(finding.CodePodNotLabelled, "its pods don't have the label that asks for sidecars")
	}
	for _, element := range path {
		pointer += "/" + element
	}
	directory := strings.ToLower(strings.Join([]string{namespace, h.kind, strings.TrimSuffix(h.name, "*")}, "-"))
	patch := Options{HostDirectory: directory, prefix: pointer, subject: result.Object}
	defaults := options.Variant
	if defaults.Served && options.Privileged != nil && options.Privileged(namespace) {
		defaults.Served = false
	}
	if defaults.Served {
		// Nothing of the node is shared.
	} else if h.kind != "Pod" || h.name == "" || strings.HasSuffix(h.name, "*") { // or many pods may be made of it
		add(finding.CodeSharedDirectory, "its pods have the directory %s in common", directory)
		defaults.Shared = true
	}
	result.inPod(pod, find, defaults, patch)
	return result
}

// inPod gives a pod or a pod template its sidecars.
func (r *Result) inPod(pod *Pod, find Finder, defaults Variant, options Options) {
	variant, findings := pod.Variant(r.Object, defaults)
	sidecars, found, _ := resolve(pod, func(claim string) Claimed {
		return find(types.NamespacedName{Namespace: r.Object.Namespace, Name: claim}, variant)
	})
	findings = append(findings, found...)
	if len(sidecars) == 0 && !findings.Blocked() {
		findings = finding.List{finding.New(finding.CodePodNoDataset, r.Object,
			"none of its volumes is a claim of a Dataset in namespace %s", r.Object.Namespace)}
		r.Findings = findings
		return
	}
	if !findings.Blocked() {
		r.Patch, found = Patch(pod, sidecars, options)
		findings = append(findings, found...)
	}
	r.Findings = append(r.Findings, findings...)
}
