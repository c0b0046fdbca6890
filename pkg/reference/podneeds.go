package reference

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

// checkTemplate warns of what the FUSE container has in its own pod and won't have as a sidecar: of a FUSE pod only one
// container and the volumes that it mounts become part of the app's pod, as with Fluid v1.0.8. That the FUSE pods are in
// the node's network isn't lost but meant: Fluid's runtimes have addresses that are valid in every pod.
func (p *Plan) checkTemplate(w *World) {
	template := &w.Fuse.Spec.Template.Spec
	if len(template.Containers) == 0 {
		return
	}
	fuse := finding.Object{Kind: kindDaemonSet, Namespace: w.Fuse.Namespace, Name: w.Fuse.Name}
	if prepared := initContainers(template); len(prepared) > 0 {
		p.Findings.Add(finding.CodeInitContainersLost, fuse, "its pods prepare the FUSE container in init containers, which a sidecar doesn't have: %s",
			strings.Join(prepared, ", "))
	}
	if lost := slices.Concat(podSettings(template), ownFields(&template.Containers[0])); len(lost) > 0 {
		p.Findings.Add(finding.CodePodSettingsLost, fuse, "its pods have what a sidecar doesn't have: %s", strings.Join(lost, ", "))
	}
	if needs := nodeNeeds(template); len(needs) > 0 {
		p.Findings.Add(finding.CodeNodeNeeds, fuse, "its FUSE container needs of the node: %s", strings.Join(needs, ", "))
	}
	if account := accountNeeds(template); account != "" {
		p.Findings.Add(finding.CodeServiceAccountNeeded, fuse, "%s; a sidecar has the app's ServiceAccount", account)
	}
}

// initContainers returns the names of the init containers, with the volumes that they share with the FUSE container.
func initContainers(template *corev1.PodSpec) []string {
	mounted := map[string]bool{}
	for _, mount := range template.Containers[0].VolumeMounts {
		mounted[mount.Name] = true
	}
	var names []string
	for i := range template.InitContainers {
		var shared []string
		for _, mount := range template.InitContainers[i].VolumeMounts {
			if mounted[mount.Name] && !slices.Contains(shared, mount.Name) {
				shared = append(shared, mount.Name)
			}
		}
		name := template.InitContainers[i].Name
		if len(shared) > 0 {
			name += fmt.Sprintf(" (on %s)", strings.Join(shared, " and "))
		}
		names = append(names, name)
	}
	return names
}

// podSettings returns what is set for the whole FUSE pod and doesn't come along. User and group do: see inheritUser.
func podSettings(template *corev1.PodSpec) []string {
	var lost []string
	note := func(name string, set bool) {
		if set {
			lost = append(lost, name)
		}
	}
	for _, container := range template.Containers[1:] {
		lost = append(lost, "container "+container.Name)
	}
	note("hostPID", template.HostPID)
	note("hostIPC", template.HostIPC)
	note("shareProcessNamespace", isTrue(template.ShareProcessNamespace))
	note("hostAliases", len(template.HostAliases) > 0)
	note("runtimeClassName", template.RuntimeClassName != nil)
	note("dnsPolicy "+string(template.DNSPolicy), template.DNSPolicy == corev1.DNSDefault || template.DNSPolicy == corev1.DNSNone)
	note("dnsConfig", template.DNSConfig != nil && len(template.DNSConfig.Nameservers)+len(template.DNSConfig.Searches) > 0)
	if context := template.SecurityContext; context != nil {
		note("securityContext.fsGroup", context.FSGroup != nil)
		note("securityContext.supplementalGroups", len(context.SupplementalGroups) > 0)
		note("securityContext.sysctls", len(context.Sysctls) > 0)
		note("securityContext.seLinuxOptions", context.SELinuxOptions != nil && template.Containers[0].SecurityContext == nil)
	}
	return lost
}

// ownFields returns the variables by which the FUSE container learns something of its own pod that differs in another.
func ownFields(container *corev1.Container) []string {
	var fields []string
	for _, env := range container.Env {
		if env.ValueFrom == nil || env.ValueFrom.FieldRef == nil {
			continue
		}
		path := env.ValueFrom.FieldRef.FieldPath
		if strings.HasPrefix(path, "metadata.") || path == "spec.serviceAccountName" {
			fields = append(fields, fmt.Sprintf("env %s from %s", env.Name, path))
		}
	}
	return fields
}

// nodeNeeds returns what a node must have for the FUSE container: its pods only run where that is, a sidecar runs where
// the app does. Directories that are made where they are missing, and /dev/fuse, are on every node.
func nodeNeeds(template *corev1.PodSpec) []string {
	var needs []string
	for _, volume := range mountedVolumes(&template.Containers[0], template.Volumes) {
		if volume.HostPath == nil || volume.HostPath.Type == nil || volume.HostPath.Path == "/dev/fuse" {
			continue
		}
		switch kind := *volume.HostPath.Type; kind {
		case corev1.HostPathDirectory, corev1.HostPathFile, corev1.HostPathSocket, corev1.HostPathCharDev, corev1.HostPathBlockDev:
			needs = append(needs, fmt.Sprintf("the %s %s", kind, volume.HostPath.Path))
		}
	}
	var labels []string
	for key, value := range template.NodeSelector {
		if !strings.HasPrefix(key, datav1alpha1.LabelFusePrefix) && key != labelBalloon {
			labels = append(labels, fmt.Sprintf("the label %s=%s", key, value))
		}
	}
	slices.Sort(labels)
	needs = append(needs, labels...)
	if affinity := template.Affinity; affinity != nil && affinity.NodeAffinity != nil &&
		affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution != nil {
		needs = append(needs, "its node affinity")
	}
	return needs
}

// labelBalloon is the node label by which Fluid keeps copied DaemonSets from running pods.
const labelBalloon = "fluid.io/fuse-balloon"

// accountNeeds says by what the FUSE container acts as the ServiceAccount of its pods; empty if it doesn't.
func accountNeeds(template *corev1.PodSpec) string {
	if name := template.ServiceAccountName; name != "" && name != "default" {
		return "its pods have the ServiceAccount " + name
	}
	for _, volume := range mountedVolumes(&template.Containers[0], template.Volumes) {
		if volume.Projected == nil {
			continue
		}
		for _, source := range volume.Projected.Sources {
			if source.ServiceAccountToken != nil || source.PodCertificate != nil {
				return "its FUSE container mounts a token or certificate of its pods' ServiceAccount in the volume " + volume.Name
			}
		}
	}
	return ""
}
