package inject

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"k8s.io/apimachinery/pkg/types"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/inject/scripts"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/jsonscan"
)

// lookupRefdemo knows the Dataset of the claim refdemo in the namespace ref.
func lookupRefdemo(t testing.TB) Finder {
	return func(claim types.NamespacedName, variant Variant) Claimed {
		if claim.Namespace != "ref" || claim.Name != "refdemo" {
			return Claimed{}
		}
		return Claimed{Sidecar: Compile(dataset{"thin", physical, nil}.sidecar(t, claim.Name), variant), Known: true}
	}
}

// workload returns an object of a kind with the pod nginx as its template.
func workload(t testing.TB, kind string) map[string]any {
	t.Helper()
	var pod map[string]any
	if err := json.Unmarshal(readPod(t, "nginx"), &pod); err != nil {
		t.Fatal(err)
	}
	template := map[string]any{"metadata": map[string]any{"labels": map[string]any{"serverless.fluid.io/inject": "true"}}, "spec": pod["spec"]}
	object := map[string]any{"apiVersion": "x/v1", "kind": kind, "metadata": map[string]any{"name": "w", "namespace": "ref"}}
	switch kind {
	case "Pod":
		return pod
	case "PodTemplate":
		object["template"] = template
	case "CronJob":
		object["spec"] = map[string]any{"jobTemplate": map[string]any{"spec": map[string]any{"template": template}}}
	default:
		object["spec"] = map[string]any{"future": 1, "template": template}
	}
	return object
}

func TestTemplatesOfAllKindsGetTheSidecar(t *testing.T) {
	for _, kind := range []string{"Pod", "PodTemplate", "ReplicationController", "ReplicaSet", "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Rollout"} {
		raw := encode(t, workload(t, kind))
		results, err := Template(raw, lookupRefdemo(t), TemplateOptions{})
		if err != nil || len(results) != 1 || results[0].Patch == nil || results[0].Findings.Blocked() {
			t.Fatalf("%s: %+v, %v", kind, results, err)
		}
		s := jsonscan.New(string(apply(t, raw, results[0].Patch)))
		template := s.Find(podTemplate(kind)...)
		checkPod(t, []byte(template), true)
		var pod corev1.Pod
		if err = json.Unmarshal([]byte(template), &pod); err != nil {
			t.Fatal(err)
		}
		if len(pod.Spec.InitContainers) != 1 || pod.Spec.Volumes[0].HostPath == nil {
			t.Errorf("%s: %s", kind, template)
		}
		// Pods of one template share what it says, and know it.
		script := pod.Spec.InitContainers[0].Command[2]
		shares := slices.Equal(findingCodes(results[0].Findings), []finding.Code{finding.CodeSharedDirectory})
		if own := kind == "Pod"; own != (script == scripts.Supervise()) || own == (script == scripts.SuperviseShared()) || own == shares {
			t.Errorf("%s: %v %s", kind, results[0].Findings, script)
		}
		again, err := Template(apply(t, raw, results[0].Patch), lookupRefdemo(t), TemplateOptions{})
		if err != nil || again[0].Patch != nil {
			t.Errorf("%s: a second time: %+v, %v", kind, again, err)
		}
	}
}

// TestPodsWithAGeneratedNameShareADirectory: a file that is created twice makes two pods.
func TestPodsWithAGeneratedNameShareADirectory(t *testing.T) {
	pod := workload(t, "Pod")
	metadata := pod["metadata"].(map[string]any)
	delete(metadata, "name")
	metadata["generateName"] = "nginx-"
	results, err := Template(encode(t, pod), lookupRefdemo(t), TemplateOptions{})
	if err != nil || results[0].Patch == nil || !slices.Equal(findingCodes(results[0].Findings), []finding.Code{finding.CodeSharedDirectory}) {
		t.Error(results, err)
	}
}

func TestEachElementOfAListGetsWhatItNeeds(t *testing.T) {
	foreign := workload(t, "Deployment")
	foreign["metadata"].(map[string]any)["namespace"] = "elsewhere"
	list := map[string]any{"kind": "List", "items": []any{
		workload(t, "Pod"), map[string]any{"kind": "ConfigMap", "metadata": map[string]any{"name": "c"}}, workload(t, "CronJob"), foreign, workload(t, "Deployment")}}
	raw := encode(t, list)
	results, err := Template(raw, lookupRefdemo(t), TemplateOptions{})
	if err != nil || len(results) != 5 {
		t.Fatal(results, err)
	}
	patched := raw
	for _, i := range []int{4, 0, 2, 1, 3} { // in any order
		if results[i].Patch != nil {
			patched = apply(t, patched, results[i].Patch)
		}
	}
	if n := bytes.Count(patched, []byte(`"fluid-fuse-0"`)); n != 3 {
		t.Errorf("%d sidecars in %s", n, patched)
	}
	for i, want := range map[int]finding.Code{1: finding.CodeNoPodTemplate, 3: finding.CodePodNoDataset} {
		if results[i].Patch != nil || !slices.Equal(findingCodes(results[i].Findings), []finding.Code{want}) {
			t.Errorf("%d: %+v", i, results[i])
		}
	}
	if got := results[4].Object; got != (finding.Object{Kind: "Deployment", Namespace: "ref", Name: "w"}) {
		t.Error(got)
	}
	// The elements of a list of one kind may leave it out.
	pods := map[string]any{"kind": "PodList", "items": []any{workload(t, "Pod")}}
	delete(pods["items"].([]any)[0].(map[string]any), "kind")
	if results, err := Template(encode(t, pods), lookupRefdemo(t), TemplateOptions{}); err != nil || results[0].Patch == nil {
		t.Error(results, err)
	}
}

func TestWhatCantBeInjectedOfflineSaysWhy(t *testing.T) {
	for _, test := range []struct {
		name, object string
		options      TemplateOptions
		want         []finding.Code
	}{
		{"no label", `{kind: Deployment, metadata: {namespace: ref}, spec: {template: {spec: {containers: [], volumes: [{name: d, persistentVolumeClaim: {claimName: refdemo}}]}}}}`,
			TemplateOptions{}, []finding.Code{finding.CodePodNotLabelled}},
		{"forbidden", `{kind: Deployment, metadata: {namespace: ref}, spec: {template: {metadata: {labels: {fluid.io/enable-injection: "false"}}, spec: {containers: []}}}}`,
			TemplateOptions{Unasked: true}, []finding.Code{finding.CodePodInjectionOff}},
		{"by Fluid", `{kind: Deployment, metadata: {namespace: ref}, spec: {template: {metadata: {labels: {done.sidecar.fluid.io/inject: "true"}}, spec: {containers: []}}}}`,
			TemplateOptions{Unasked: true}, []finding.Code{finding.CodePodInjectionOff}},
		{"broken template", `{kind: Deployment, spec: {template: {spec: {containers: {}}}}}`, TemplateOptions{}, []finding.Code{finding.CodeTemplateUnreadable}},
		{"something else at the place", `{kind: Deployment, spec: {template: {spec: []}}}`, TemplateOptions{}, []finding.Code{finding.CodeTemplateUnreadable}},
		{"no template", `{kind: ConfigMap, data: {a: b}}`, TemplateOptions{}, []finding.Code{finding.CodeNoPodTemplate}},
		{"null", `{kind: Deployment, spec: null}`, TemplateOptions{}, []finding.Code{finding.CodeNoPodTemplate}},
		{"switch", `{kind: Pod, metadata: {name: p, namespace: ref, labels: {serverless.fluid.io/inject: "true"}, annotations: {serverless.fluid.io/platform: x}}, spec: {containers: [], volumes: [{name: d, persistentVolumeClaim: {claimName: refdemo}}]}}`,
			TemplateOptions{}, []finding.Code{finding.CodeSwitchUnknown}},
	} {
		raw, err := yaml.YAMLToJSON([]byte(test.object))
		if err != nil {
			t.Fatal(err)
		}
		results, err := Template(raw, lookupRefdemo(t), test.options)
		if err != nil || len(results) != 1 || results[0].Patch != nil || !slices.Equal(findingCodes(results[0].Findings), test.want) {
			t.Errorf("%s: %+v, %v", test.name, results, err)
		}
	}
	for _, raw := range []string{``, `{`, `[]`, `{}`, `{"kind":7}`, `{"kind":"Pod","kind":"Pod"}`} {
		if results, err := Template([]byte(raw), lookupRefdemo(t), TemplateOptions{}); err == nil {
			t.Errorf("%q: %+v", raw, results)
		}
	}
}

func TestUnaskedTemplatesWithoutLabelsAndNamespaceGetTheSidecar(t *testing.T) {
	raw, err := yaml.YAMLToJSON([]byte(`{kind: Deployment, metadata: {name: w}, spec: {template: {spec: {containers: [{name: a, volumeMounts: [{name: d, mountPath: /d}]}], volumes: [{name: d, persistentVolumeClaim: {claimName: refdemo}}]}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	results, err := Template(raw, lookupRefdemo(t), TemplateOptions{Namespace: "ref", Unasked: true, Variant: Variant{Classic: true}})
	if err != nil || results[0].Patch == nil {
		t.Fatal(results, err)
	}
	s := jsonscan.New(string(apply(t, raw, results[0].Patch)))
	if names := s.Find("spec", "template", "spec", "containers"); !bytes.HasPrefix([]byte(names), []byte(`[{"name":"fluid-fuse-0"`)) {
		t.Error(names)
	}
}

func FuzzTemplate(f *testing.F) {
	for _, kind := range []string{"Pod", "Deployment", "CronJob"} {
		f.Add(encode(f, workload(f, kind)))
		f.Add(encode(f, map[string]any{"kind": "List", "items": []any{workload(f, kind)}}))
	}
	sidecar := dataset{"thin", physical, nil}.compiled(f, "refdemo")
	f.Fuzz(func(t *testing.T, raw []byte) {
		results, err := Template(raw, func(types.NamespacedName, Variant) Claimed { return Claimed{Sidecar: sidecar, Known: true} }, TemplateOptions{Unasked: true})
		if err != nil {
			return
		}
		for _, result := range results {
			if result.Patch != nil {
				apply(t, raw, result.Patch)
			}
		}
	})
}
