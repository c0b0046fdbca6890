package inject

import (
	"cmp"
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

// resolve finds the sidecars of a pod's claims by claim name, and those of the claims of these sidecars. A claim that no
// Dataset has is left to Kubernetes. It reports whether every claim is known.
func resolve(pod *Pod, find func(claim string) Claimed) (sidecars map[string]*Sidecar, findings finding.List, known bool) {
	sidecars, known = map[string]*Sidecar{}, true
	for claims := pod.Claims(); len(claims) > 0; claims = claims[1:] {
		if _, found := sidecars[claims[0]]; found {
			continue
		}
		claimed := find(claims[0])
		findings = append(findings, claimed.Findings...)
		known = known && claimed.Known
		if claimed.Sidecar == nil {
			continue
		}
		sidecars[claims[0]] = claimed.Sidecar
		for i := range claimed.Sidecar.volumes {
			if claim := claimed.Sidecar.volumes[i].claim; claim != "" {
				claims = append(claims, claim)
			}
		}
	}
	return sidecars, findings, known
}

func podObject(namespace string, pod *Pod) finding.Object {
	return finding.Object{Kind: "Pod", Namespace: namespace, Name: pod.Name()}
}

// warnings are the findings that don't block, as lines.
func warnings(findings finding.List) []string {
	var lines []string
	for _, f := range findings {
		if !f.Severity.Blocks() {
			lines = append(lines, f.String())
		}
	}
	return lines
}

// variant returns what a pod asks for, or else its namespace, or else the handler.
func (h *PodHandler) variant(ctx context.Context, namespace string, pod *Pod) (Variant, finding.List) {
	of := h.modes.of(h.Reader, namespace, func(reader client.Reader) namespaceSwitches { return readNamespace(ctx, reader, namespace) })
	defaults := Variant{SelfHealing: h.SelfHealing, Classic: h.Mode == ModeClassic || h.Mode == "" && !h.NativeSidecars}
	var findings finding.List
	if _, own := pod.Metadata.Annotations[AnnotationSidecarMode]; !own {
		findings = of.modeFindings
		if of.mode != "" {
			defaults.Classic = of.mode == ModeClassic
		}
	}
	findings = append(findings, of.findings...)
	switch {
	case h.Privileges == "", h.Privileges == PrivilegesAllowed && of.privileged:
	case of.privileged:
		findings = append(findings, finding.New(finding.CodePrivilegesRefused, finding.Object{Kind: "Namespace", Name: namespace},
			"it has the label %s=%s, and the controller was started without --sidecar-privileges=%[2]s", LabelPrivileges, PrivilegesAllowed))
		fallthrough
	default:
		defaults.Served, defaults.User = true, cmp.Or(h.User, DefaultUser)
	}
	variant, found := pod.Variant(podObject(namespace, pod), defaults)
	return variant, append(findings, found...)
}

// namespaceSwitches are what a namespace says of its pods' sidecars.
type namespaceSwitches struct {
	// mode is empty if the namespace doesn't say one; modeFindings are about it.
	mode         Mode
	modeFindings finding.List
	// privileged says that it asks for privileged sidecars.
	privileged bool
	findings   finding.List
}

func readNamespace(ctx context.Context, reader client.Reader, name string) (s namespaceSwitches) {
	namespace := &metav1.PartialObjectMetadata{}
	namespace.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	subject := finding.Object{Kind: "Namespace", Name: name}
	if err := reader.Get(ctx, types.NamespacedName{Name: name}, namespace); apierrors.IsNotFound(err) {
		return s
	} else if err != nil {
		s.findings = append(s.findings, finding.New(finding.CodeUnread, subject, "it couldn't be read: %v", err))
		return s
	}
	if text, ok := namespace.Annotations[AnnotationSidecarMode]; ok {
		var err error
		if s.mode, err = ParseMode(text); err != nil {
			s.modeFindings = append(s.modeFindings, finding.New(finding.CodeSwitchUnknown, subject, "its annotation %s: %v", AnnotationSidecarMode, err))
		}
	}
	if text, ok := namespace.Labels[LabelPrivileges]; ok {
		privileges, err := ParsePrivileges(text)
		if err != nil {
			s.findings = append(s.findings, finding.New(finding.CodeSwitchUnknown, subject, "its label %s: %v", LabelPrivileges, err))
		}
		s.privileged = privileges == PrivilegesAllowed
	}
	return s
}
