package inject

import (
	"fmt"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// Switches of pods: labels and annotations, of Fluid v1.0.8 but for the first. docs/pod-switches.md explains them.
const (
	// AnnotationSidecarMode on a pod or its namespace says where sidecars are: native or classic. The pod's counts.
	AnnotationSidecarMode = "kubectl-fluid.dev/sidecar-mode"
	// AnnotationPlatform says what the sidecar may do on the node: default or unprivileged.
	AnnotationPlatform = "serverless.fluid.io/platform"
	// LabelUnprivileged is another way to say unprivileged, and counts more.
	LabelUnprivileged = "unprivileged.sidecar.fluid.io/inject"
	// LabelCacheVolumes keeps the cache volumes of the FUSE pod.
	LabelCacheVolumes = "cachedir.sidecar.fluid.io/inject"
	// LabelMountCheck turns the check of the sidecar's mount off when it is "false".
	LabelMountCheck = "fuse.sidecar.poststart.fluid.io/inject"
	// LabelAppMountCheck lets the app's containers check it too.
	LabelAppMountCheck = "app.poststart.fluid.io/inject"
	// AnnotationDirectoryMode says whether a pod's FUSE clients mount in a directory of the pod's own on the node.
	AnnotationDirectoryMode = "default.fuse-sidecar.fluid.io/host-mount-path-mode"
	// LabelDeprecatedInject asked for sidecars once. No webhook selects it any more.
	LabelDeprecatedInject = "fuse.sidecar.fluid.io/inject"
	// AnnotationFilePrefetcher asks for Fluid's file prefetcher, which isn't here.
	AnnotationFilePrefetcher = "file-prefetcher.fluid.io/inject"
)

// LabelPrivileges on a namespace lets its pods' sidecars have privileges.
const LabelPrivileges = reference.LabelPrivileges

const (
	directoryFixed        = "fixed"
	directoryRandomSuffix = "random-suffix"

	platformDefault      = "default"
	platformUnprivileged = "unprivileged"
)

// Mode says where sidecars are.
type Mode string

const (
	// ModeNative makes sidecars init containers that go on running (Kubernetes 1.29). They start before all other
	// containers, end after them, and don't keep a Job from completing.
	ModeNative Mode = "native"
	// ModeClassic makes them the first of the ordinary containers, with a postStart hook for which kubelet waits.
	ModeClassic Mode = "classic"
)

// ParseMode reads the name of a mode.
func ParseMode(text string) (Mode, error) {
	switch mode := Mode(text); mode {
	case ModeNative, ModeClassic:
		return mode, nil
	}
	return "", fmt.Errorf("%q is not a mode of sidecars: it must be %s or %s", text, ModeNative, ModeClassic)
}

// Privileges says whether there are sidecars that mount by themselves, for which they are privileged.
type Privileges string

const (
	// PrivilegesNone gives no sidecar a privilege: the node plugin mounts.
	PrivilegesNone Privileges = "none"
	// PrivilegesAllowed gives them to the pods of namespaces with LabelPrivileges.
	PrivilegesAllowed Privileges = reference.PrivilegesAllowed
)

// ParsePrivileges reads whether there are privileged sidecars.
func ParsePrivileges(text string) (Privileges, error) {
	switch privileges := Privileges(text); privileges {
	case PrivilegesNone, PrivilegesAllowed:
		return privileges, nil
	}
	return "", fmt.Errorf("%q doesn't say whether sidecars may have privileges: it must be %s or %s", text, PrivilegesNone, PrivilegesAllowed)
}

// Variant returns what the pod asks for, where that isn't what the defaults say. Findings that block say what isn't
// understood; others what has no effect.
func (p *Pod) Variant(subject finding.Object, defaults Variant) (Variant, finding.List) {
	labels, annotations := p.Metadata.Labels, p.Metadata.Annotations
	v, findings := defaults, p.withoutEffect(subject)
	unknown := func(key, value, words string) {
		findings = append(findings, finding.New(finding.CodeSwitchUnknown, subject, "its annotation %s is %q: it must be %s", key, value, words))
	}
	if text, ok := annotations[AnnotationSidecarMode]; ok {
		mode, err := ParseMode(text)
		if err != nil {
			unknown(AnnotationSidecarMode, text, "native or classic")
		}
		v.Classic = mode == ModeClassic
	}
	switch text := annotations[AnnotationPlatform]; {
	case labels[LabelUnprivileged] == "true", text == platformUnprivileged:
		v.Unprivileged = !v.Served
	case text != "" && text != platformDefault:
		unknown(AnnotationPlatform, text, "default or unprivileged")
	}
	switch text := annotations[AnnotationDirectoryMode]; text {
	case directoryFixed:
		if !v.Served {
			v.Shared = true
			findings = append(findings, finding.New(finding.CodeSharedDirectory, subject, "its annotation %s is %s", AnnotationDirectoryMode, text))
		}
	case "", directoryRandomSuffix:
	default:
		unknown(AnnotationDirectoryMode, text, "fixed or random-suffix")
	}
	if labels[LabelCacheVolumes] == "true" {
		v.CacheVolumes = !v.Served
		if v.Served {
			findings = append(findings, finding.New(finding.CodeSwitchUnsupported, subject,
				"it has the label %s, and a sidecar without privileges has its caches in the pod", LabelCacheVolumes))
		}
	}
	v.Unchecked = labels[LabelMountCheck] == "false"
	return v, findings
}

// withoutEffect notes what the pod says in vain.
func (p *Pod) withoutEffect(subject finding.Object) finding.List {
	var findings finding.List
	if p.Metadata.Labels[LabelDeprecatedInject] == "true" {
		findings = append(findings, finding.New(finding.CodeDeprecatedSwitch, subject, "it has the label %s", LabelDeprecatedInject))
	}
	if p.Metadata.Annotations[AnnotationFilePrefetcher] == "true" {
		findings = append(findings, finding.New(finding.CodeSwitchUnsupported, subject, "it has the annotation %s", AnnotationFilePrefetcher))
	}
	return findings
}

// fixedDirectory reports whether the pod's FUSE clients mount in the directory that other pods' do.
func (p *Pod) fixedDirectory() bool {
	return p.Metadata.Annotations[AnnotationDirectoryMode] == directoryFixed
}
