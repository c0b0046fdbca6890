package manifests

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/kubectl-fluid/kubectl-fluid/hack/release/archive"
	"github.com/kubectl-fluid/kubectl-fluid/hack/release/build"
)

// value is something in the manifests that a user of the chart may set.
type value struct {
	// name is its name in values.yaml, and text what is said of it there.
	name, text string
	// standard is its value in config, in YAML.
	standard string
	// in is where it is in the manifests, a regular expression; its only group is the value.
	in string
	// everywhere says that it is there more than once.
	everywhere bool
	// kind, if not empty, is that of the only objects in which it is replaced.
	kind string
}

func values(image string) []value {
	return []value{
		{name: "image", text: "The image of the controller and the node plugin by its full name.", standard: image, in: `image: (\S+)\n`, everywhere: true},
		{name: "replicas", text: "How many replicas answer the webhooks; one of them is the leader of the controllers.", standard: "2", in: `replicas: (\d+)\n`},
		{name: "cpuRequest", text: "Processor time and memory of each replica. Keep memoryTarget (Go's GOMEMLIMIT) below memoryLimit.", standard: "50m", in: `cpu: (\S+)\n`, kind: "Deployment"},
		{name: "memoryRequest", standard: "64Mi", in: `requests:\n\s+cpu: .*\n\s+memory: (\S+)\n`, kind: "Deployment"},
		{name: "memoryLimit", standard: "512Mi", in: `limits:\n\s+memory: (\S+)\n`, kind: "Deployment"},
		{name: "memoryTarget", standard: "460MiB", in: `name: GOMEMLIMIT\n\s+value: (\S+)\n`, kind: "Deployment"},
		{name: "mirrorNames", text: "unique, or source for the names that Fluid gives its copies.", standard: "unique", in: `kubectl-fluid.dev/mirror-names: (\S+)\n`, everywhere: true},
		{name: "sharing", text: "Whose consent a reference needs: rbac, owner or open.", standard: "rbac", in: `kubectl-fluid.dev/sharing: (\S+)\n`, everywhere: true},
		{name: "sidecarPrivileges", text: "none, or allowed for privileged sidecars in namespaces with the label kubectl-fluid.dev/sidecar-privileges=allowed.", standard: "none", in: `kubectl-fluid.dev/sidecar-privileges: (\S+)\n`},
		{name: "kubeletDirectory", text: "Kubelet's --root-dir on the nodes: /var/lib/k0s/kubelet with k0s, /var/snap/microk8s/common/var/lib/kubelet with MicroK8s.", standard: "/var/lib/kubelet", in: `(/var/lib/kubelet)\b`, everywhere: true, kind: "DaemonSet"},
	}
}

// Chart returns the files of a Helm chart, by their paths in its directory, that installs what the manifests of
// config/default and config/crd have. With the chart's own values, in the namespace of config, it renders them.
func Chart(version, image, install, crds string) (map[string][]byte, error) {
	template, err := chartTemplate(image, install)
	if err != nil {
		return nil, err
	}
	var settings strings.Builder
	for _, v := range values(image) {
		if v.text != "" {
			fmt.Fprintf(&settings, "# %s\n", v.text)
		}
		fmt.Fprintf(&settings, "%s: %s\n", v.name, v.standard)
	}
	settings.WriteString("# More arguments of the controller, as in [--thin-runtimes=false] beside Fluid.\nextraArgs: []\n")
	number := strings.TrimPrefix(version, "v")
	return map[string][]byte{
		"Chart.yaml": []byte(fmt.Sprintf(`apiVersion: v2
name: kubectl-fluid
description: Reference Datasets of Fluid, and the FUSE sidecars of their pods
type: application
version: %s
appVersion: %s
kubeVersion: ">=1.29.0-0"
home: https://github.com/kubectl-fluid/kubectl-fluid
`, number, version)),
		"values.yaml":            []byte(settings.String()),
		"templates/install.yaml": []byte(template),
		// Helm creates what is here if it isn't there, and never replaces it.
		"crds/crds.yaml": []byte(crds),
	}, nil
}

// chartTemplate turns manifests into a template.
func chartTemplate(image, install string) (string, error) {
	if strings.Contains(install, "{{") {
		return "", fmt.Errorf("making the chart: the manifests have {{, which Helm would take for its own")
	}
	var documents []string
	namespaces := 0
	for _, document := range strings.Split(install, "---\n") {
		if strings.Contains(document, "\nkind: Namespace\n") && strings.Contains(document, "\n  name: "+standardNamespace+"\n") {
			// Helm makes the namespace of a release, with --create-namespace.
			namespaces++
			continue
		}
		documents = append(documents, document)
	}
	if namespaces != 1 {
		return "", fmt.Errorf("making the chart: the manifests have %d Namespaces %s, not one", namespaces, standardNamespace)
	}
	for _, v := range values(image) {
		if err := v.replace(documents); err != nil {
			return "", err
		}
	}
	template := strings.Join(documents, "---\n")
	const argument = "        - --leader-elect\n"
	if strings.Count(template, argument) != 1 {
		return "", fmt.Errorf("making the chart: the manifests don't have the line %q once", argument)
	}
	template = strings.Replace(template, argument, argument+
		"{{- if ne .Values.mirrorNames \"unique\" }}\n        - --mirror-names={{ .Values.mirrorNames }}\n{{- end }}\n"+
		"{{- if ne .Values.sharing \"rbac\" }}\n        - --sharing={{ .Values.sharing }}\n{{- end }}\n"+
		"{{- if ne .Values.sidecarPrivileges \"none\" }}\n        - --sidecar-privileges={{ .Values.sidecarPrivileges }}\n{{- end }}\n"+
		"{{- range .Values.extraArgs }}\n        - {{ . }}\n{{- end }}\n", 1)
	return strings.ReplaceAll(template, standardNamespace, "{{ .Release.Namespace }}"), nil
}

// standardNamespace is the controller's namespace in config.
const standardNamespace = "kubectl-fluid-system"

// replace puts a value's place into manifests instead of its standard.
func (v value) replace(documents []string) error {
	place, found := regexp.MustCompile(v.in), 0
	for i, document := range documents {
		if v.kind != "" && !strings.Contains(document, "\nkind: "+v.kind+"\n") {
			continue
		}
		matches := place.FindAllStringSubmatchIndex(document, -1)
		for j := len(matches) - 1; j >= 0; j-- {
			from, to := matches[j][2], matches[j][3]
			if got := document[from:to]; got != v.standard {
				return fmt.Errorf("making the chart: the manifests have the %s %q, the chart %q", v.name, got, v.standard)
			}
			document = document[:from] + "{{ .Values." + v.name + " }}" + document[to:]
		}
		documents[i], found = document, found+len(matches)
	}
	if found == 0 || found > 1 && !v.everywhere {
		return fmt.Errorf("making the chart: the value %s is there %d times in the manifests", v.name, found)
	}
	return nil
}

// PackChart writes the chart of a release into a directory, packed as Helm packs it.
func PackChart(release build.Release, image, directory string) error {
	install, err := Render(release.Source, "default", image)
	if err != nil {
		return err
	}
	crds, err := Render(release.Source, "crd", image)
	if err != nil {
		return err
	}
	contents, err := Chart(release.Version, image, install, crds)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "chart")
	if err != nil {
		return fmt.Errorf("packing the chart: %w", err)
	}
	defer os.RemoveAll(work)
	var files []archive.File
	for i, name := range slices.Sorted(maps.Keys(contents)) {
		file := filepath.Join(work, fmt.Sprint(i))
		if err := os.WriteFile(file, contents[name], 0o644); err != nil {
			return fmt.Errorf("packing the chart: %w", err)
		}
		files = append(files, archive.File{Name: "kubectl-fluid/" + name, Source: file})
	}
	return archive.Write(filepath.Join(directory, "kubectl-fluid-"+strings.TrimPrefix(release.Version, "v")+".tgz"), release.Date, files)
}
