package manifests

import (
	"bytes"
	"strings"
	"testing"
	"text/template"

	"sigs.k8s.io/yaml"
)

const source = "../../.."

func render(t *testing.T, kustomization, image string) string {
	t.Helper()
	text, err := Render(source, kustomization, image)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestInstallationHasNoCRDs: what is applied to any cluster can't replace CRDs that somebody else installed.
func TestInstallationHasNoCRDs(t *testing.T) {
	for _, name := range []string{"default", "with-fluid"} {
		text := render(t, name, "example.com/controller:v1")
		if strings.Contains(text, "kind: CustomResourceDefinition") {
			t.Errorf("config/%s has CRDs", name)
		}
		if strings.Count(text, "image: example.com/controller:v1\n") != 2 || strings.Contains(text, "controller:latest") {
			t.Errorf("config/%s doesn't have the image that was given", name)
		}
	}
	if n := strings.Count(render(t, "crd", ""), "kind: CustomResourceDefinition\n"); n != 3 {
		t.Errorf("config/crd has %d CRDs", n)
	}
	if beside := render(t, "with-fluid", "x"); !strings.Contains(beside, "- --leader-elect\n        - --thin-runtimes=false\n") {
		t.Error("config/with-fluid doesn't leave ThinRuntimes to Fluid")
	}
}

// TestEverythingOfOursCanBeFound: everything that an installation makes has the label by which it is found and removed.
func TestEverythingOfOursCanBeFound(t *testing.T) {
	for _, document := range strings.Split(render(t, "default", "x"), "---\n") {
		var object struct {
			Kind     string
			Metadata struct {
				Name   string
				Labels map[string]string
			}
		}
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Fatal(err)
		}
		if object.Metadata.Labels["app.kubernetes.io/part-of"] != "kubectl-fluid" {
			t.Errorf("%s %s is labelled %v", object.Kind, object.Metadata.Name, object.Metadata.Labels)
		}
	}
}

// execute renders the chart's template as Helm does, with its values and some of them set.
func execute(t *testing.T, files map[string][]byte, namespace, set string) string {
	t.Helper()
	values := map[string]any{}
	for _, text := range [][]byte{files["values.yaml"], []byte(set)} {
		if err := yaml.Unmarshal(text, &values); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := template.New("chart").Option("missingkey=error").Parse(string(files["templates/install.yaml"]))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, map[string]any{"Values": values, "Release": map[string]string{"Namespace": namespace}}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func chart(t *testing.T) (files map[string][]byte, install string) {
	t.Helper()
	install = render(t, "default", "example.com/controller:v1")
	files, err := Chart("v1.2.3", "example.com/controller:v1", install, render(t, "crd", ""))
	if err != nil {
		t.Fatal(err)
	}
	return files, install
}

// TestChartRendersTheManifests: with the values that it has, the chart is install.yaml without the Namespace of the
// release.
func TestChartRendersTheManifests(t *testing.T) {
	files, install := chart(t)
	var want []string
	for _, document := range strings.Split(install, "---\n") {
		if strings.Contains(document, "\nkind: Namespace\n") && strings.Contains(document, "name: kubectl-fluid-system\n") {
			continue
		}
		want = append(want, document)
	}
	if got := execute(t, files, "kubectl-fluid-system", ""); got != strings.Join(want, "---\n") {
		t.Errorf("the chart renders\n%s", got)
	}
	var description map[string]any
	if err := yaml.Unmarshal(files["Chart.yaml"], &description); err != nil || description["version"] != "1.2.3" || description["appVersion"] != "v1.2.3" {
		t.Errorf("Chart.yaml has %v, %v", description, err)
	}
	if strings.Count(string(files["crds/crds.yaml"]), "kind: CustomResourceDefinition\n") != 3 {
		t.Error("the chart doesn't have the three CRDs")
	}
}

// TestChartTakesEachValue sets every value, and another namespace.
func TestChartTakesEachValue(t *testing.T) {
	files, _ := chart(t)
	set := map[string]string{
		"image": "other.example/i:2", "replicas": "5", "cpuRequest": "70m", "memoryRequest": "71Mi", "memoryLimit": "720Mi", "memoryTarget": "650MiB",
		"mirrorNames": "source", "sharing": "owner", "sidecarPrivileges": "allowed", "kubeletDirectory": "/var/lib/k0s/kubelet",
	}
	var text strings.Builder
	for name, value := range set {
		text.WriteString(name + ": " + value + "\n")
	}
	text.WriteString("extraArgs: [--thin-runtimes=false, --mount-root=/mnt]\n")
	got := execute(t, files, "elsewhere", text.String())
	for _, want := range []string{
		"image: other.example/i:2\n", "replicas: 5\n", "cpu: 70m\n", "memory: 71Mi\n", "memory: 720Mi\n", "value: 650MiB\n",
		"kubectl-fluid.dev/mirror-names: source\n", "kubectl-fluid.dev/sharing: owner\n", "kubectl-fluid.dev/sidecar-privileges: allowed\n",
		"        - --leader-elect\n        - --mirror-names=source\n        - --sharing=owner\n        - --sidecar-privileges=allowed\n        - --thin-runtimes=false\n        - --mount-root=/mnt\n",
		"- --kubelet-directory=/var/lib/k0s/kubelet\n", "path: /var/lib/k0s/kubelet/pods\n", "mountPath: /var/lib/k0s/kubelet/pods\n",
		"namespace: elsewhere\n", "      - elsewhere\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the chart renders no %q", want)
		}
	}
	if strings.Contains(got, "/var/lib/kubelet") {
		t.Error("something goes to the standard directory of kubelet")
	}
	if strings.Contains(got, "kubectl-fluid-system") {
		t.Error("something goes to the standard namespace")
	}
	var names map[string]any
	if err := yaml.Unmarshal(files["values.yaml"], &names); err != nil || len(names) != len(set)+1 {
		t.Errorf("the chart has the values %v, %v; this test doesn't set all of them", names, err)
	}
}

func TestChartRefusesManifestsThatItDoesntUnderstand(t *testing.T) {
	_, install := chart(t)
	for name, manifests := range map[string]string{
		"a template":      install + "# {{ x }}\n",
		"no namespace":    strings.ReplaceAll(install, "kind: Namespace\n", "kind: Other\n"),
		"no replicas":     strings.Replace(install, "replicas: 2\n", "", 1),
		"other replicas":  strings.Replace(install, "replicas: 2\n", "replicas: 3\n", 1),
		"other arguments": strings.Replace(install, "- --leader-elect\n", "- --other\n", 1),
		"other images":    install + "image: example.com/other:v1\n",
	} {
		if _, err := Chart("v1.2.3", "example.com/controller:v1", manifests, ""); err == nil {
			t.Errorf("%s: a chart was made", name)
		}
	}
}
