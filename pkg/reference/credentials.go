package reference

import (
	"slices"
	"strings"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

// credentialKeys are parts of the names of options that hold credentials in clear.
func credentialKeys() []string {
	return []string{"secret", "password", "passwd", "token", "accesskey", "access-key", "access_key", "credential"}
}

// checkCredentials warns where following a reference shows credentials in another namespace: in options, which Fluid and
// this project mirror with the status, or in a ConfigMap that Alluxio's engine writes them into.
func (p *Plan) checkCredentials(w *World) {
	spec := &w.Physical.Spec
	physical := finding.Object{Kind: datav1alpha1.DatasetKind, Namespace: w.Physical.Namespace, Name: w.Physical.Name}
	var open []string
	for i := range spec.Mounts {
		open = append(open, credentialsIn(spec.Mounts[i].Options)...)
	}
	if len(open) > 0 {
		slices.Sort(open)
		p.Findings.Add(finding.CodeCredentialsShown, physical, "its mounts have credentials in clear, which the reference's status shows in namespace %s: %s",
			w.Dataset.Namespace, strings.Join(slices.Compact(open), ", "))
	}
	if store, ok := CredentialStore(w.Physical); ok && HasEncryptOptions(w.Physical) && w.Depth >= ForWriting && w.lacks(store) {
		p.Findings.Add(finding.CodeCredentialsShown, physical,
			"it has encryptOptions and there is no %s: then Fluid's Alluxio engine writes their values into the ConfigMap that is copied", store)
	}
}

func credentialsIn(options map[string]string) []string {
	var found []string
	for key := range options {
		if slices.ContainsFunc(credentialKeys(), func(part string) bool { return strings.Contains(strings.ToLower(key), part) }) {
			found = append(found, key)
		}
	}
	return found
}

// CredentialStore returns the ConfigMap by which Alluxio's engine keeps the values of encryptOptions out of its
// configuration, or false for Datasets that it doesn't matter for.
func CredentialStore(physical *datav1alpha1.Dataset) (finding.Object, bool) {
	runtime, ok := RuntimeOfDataset(physical)
	if !ok || runtime.MountConfig == "" {
		return finding.Object{}, false
	}
	return finding.Object{Kind: kindConfigMap, Namespace: physical.Namespace, Name: strings.ReplaceAll(runtime.MountConfig, "*", physical.Name)}, true
}

// HasEncryptOptions reports whether a Dataset has options whose values are in Secrets.
func HasEncryptOptions(dataset *datav1alpha1.Dataset) bool {
	return len(dataset.Spec.SharedEncryptOptions) > 0 ||
		slices.ContainsFunc(dataset.Spec.Mounts, func(mount datav1alpha1.Mount) bool { return len(mount.EncryptOptions) > 0 })
}
