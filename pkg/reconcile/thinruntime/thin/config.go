package thin

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
)

const (
	configKey        = "config.json"
	configDirectory  = "/etc/fluid/config"
	secretsDirectory = "/etc/fluid/secrets"
	// claimScheme is the prefix of a mount point that means a claim of the Dataset's namespace.
	claimScheme = "pvc://"
)

// config is what a FUSE client reads from /etc/fluid/config/config.json. Clients depend on every name in it.
type config struct {
	Mounts         []configMount                       `json:"mounts"`
	TargetPath     string                              `json:"targetPath,omitempty"`
	RuntimeOptions map[string]string                   `json:"runtimeOptions,omitempty"`
	AccessModes    []corev1.PersistentVolumeAccessMode `json:"accessModes,omitempty"`
}

// configMount is one mount of the Dataset with all options that apply to it.
type configMount struct {
	MountPoint string            `json:"mountPoint"`
	Options    map[string]string `json:"options,omitempty"`
	Name       string            `json:"name,omitempty"`
	Path       string            `json:"path,omitempty"`
	ReadOnly   bool              `json:"readOnly,omitempty"`
	Shared     bool              `json:"shared,omitempty"`
}

// configMap holds the FUSE client's configuration. As in Fluid v1.0.8 runtimeOptions are the ThinRuntime's only; the
// profile's reach the client in MOUNT_OPTIONS.
func (e *engine) configMap() (*corev1.ConfigMap, error) {
	c := config{TargetPath: e.target, RuntimeOptions: e.runtime.Spec.FuseSpec().Options, AccessModes: accessModes(e.dataset)}
	for i := range e.dataset.Spec.Mounts {
		m := &e.dataset.Spec.Mounts[i]
		c.Mounts = append(c.Mounts, configMount{MountPoint: m.MountPoint, Options: mountOptions(&e.dataset.Spec, m),
			Name: m.Name, Path: m.Path, ReadOnly: m.ReadOnly, Shared: m.Shared})
	}
	text, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("writing the configuration of ThinRuntime %s/%s: %w", e.runtime.Namespace, e.runtime.Name, err)
	}
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: e.workloadMeta(ConfigSuffix),
		Data:       map[string]string{configKey: string(text)},
	}, nil
}

// mountOptions returns the options of a mount. Its own win over the shared ones, and an option whose value is in a
// Secret wins over one in the clear; its value is the path of the file that kubelet makes of the Secret's key.
func mountOptions(spec *datav1alpha1.DatasetSpec, mount *datav1alpha1.Mount) map[string]string {
	options := map[string]string{}
	maps.Copy(options, spec.SharedOptions)
	maps.Copy(options, mount.Options)
	for _, option := range slices.Concat(spec.SharedEncryptOptions, mount.EncryptOptions) {
		secret := option.ValueFrom.SecretKeyRef
		options[option.Name] = path.Join(secretsDirectory, secret.Name, secret.Key)
	}
	return options
}

// secretVolumes returns the volumes and mounts of the Secrets that hold option values.
func secretVolumes(dataset *datav1alpha1.Dataset) ([]corev1.Volume, []corev1.VolumeMount) {
	var volumes []corev1.Volume
	var mounts []corev1.VolumeMount
	seen := map[string]bool{}
	for _, option := range encryptOptions(dataset) {
		secret := option.ValueFrom.SecretKeyRef.Name
		if secret == "" || seen[secret] {
			continue
		}
		seen[secret] = true
		name := secretVolumeName(secret)
		volumes = append(volumes, corev1.Volume{Name: name,
			VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: secret}}})
		mounts = append(mounts, corev1.VolumeMount{Name: name, ReadOnly: true, MountPath: path.Join(secretsDirectory, secret)})
	}
	return volumes, mounts
}

// secretVolumeName returns thin-fuseconfig-<secret>, as Fluid has it, where that is a volume's name. Secrets may have
// dots and longer names: for those the rest is a hash.
func secretVolumeName(secret string) string {
	const prefix = "thin-fuseconfig-"
	if name := prefix + secret; len(validation.IsDNS1123Label(name)) == 0 {
		return name
	}
	sum := sha256.Sum256([]byte(secret))
	return prefix + hex.EncodeToString(sum[:8])
}

func encryptOptions(dataset *datav1alpha1.Dataset) []datav1alpha1.EncryptOption {
	options := slices.Clone(dataset.Spec.SharedEncryptOptions)
	for i := range dataset.Spec.Mounts {
		options = append(options, dataset.Spec.Mounts[i].EncryptOptions...)
	}
	return options
}

// validateMounts returns what no FUSE client could use.
func validateMounts(dataset *datav1alpha1.Dataset) []error {
	var problems []error
	for i := range dataset.Spec.Mounts {
		mountPoint := dataset.Spec.Mounts[i].MountPoint
		if strings.HasPrefix(mountPoint, claimScheme) {
			problems = append(problems, fmt.Errorf("Dataset %s/%s: spec.mounts[%d].mountPoint %q is a claim, which this controller doesn't serve: "+
				"give the storage itself, or let Fluid's thinruntime-controller serve this Dataset", dataset.Namespace, dataset.Name, i, mountPoint))
		}
	}
	for _, option := range encryptOptions(dataset) {
		if secret := option.ValueFrom.SecretKeyRef; option.Name == "" || secret.Name == "" || secret.Key == "" {
			problems = append(problems, fmt.Errorf("Dataset %s/%s: the encrypt option %q has to name a Secret and one of its keys, and names Secret %q, key %q: "+
				"complete its valueFrom.secretKeyRef", dataset.Namespace, dataset.Name, option.Name, secret.Name, secret.Key))
		}
	}
	return problems
}
