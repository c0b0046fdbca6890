package engine

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

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
)

// optionApplied is the option of every mount that this engine makes: a hash of what it was made from. Alluxio keeps it in
// its journal and shows it, so a changed option is seen wherever the journal is, and lost with it. (Alluxio takes only letters,
// digits and dots for options of the root.)
const optionApplied = "kubectlfluid.applied"

// Mount is one mount of a Dataset as Alluxio has it.
type Mount struct {
	// Name is how messages name it: the mount's name, or its path.
	Name string `json:"-"`
	// Path in Alluxio, absolute.
	Path string
	// UFS is the address of the origin.
	UFS      string
	ReadOnly bool
	Shared   bool
	// Options in the clear.
	Options map[string]string
	// Secrets are options whose values are in Secrets; of those only names and keys are known here.
	Secrets map[string]datav1alpha1.SecretKeySelector
}

// isRoot reports whether the mount is Alluxio's root file system, which is configured and not mounted.
func (m *Mount) isRoot() bool { return m.Path == "/" }

// Hash identifies everything that the mount is made from.
func (m *Mount) Hash() string {
	text, err := json.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("encoding the mount %s: %v", m.Path, err)) // strings, booleans and maps of strings
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// MountsOf returns a Dataset's mounts, parents before what is mounted within them, or what is wrong with them.
func MountsOf(dataset *datav1alpha1.Dataset) ([]Mount, []string) {
	var mounts []Mount
	var problems []string
	if len(dataset.Spec.Mounts) == 0 {
		problems = append(problems, "spec.mounts is empty")
	}
	names := map[string]string{}
	for i := range dataset.Spec.Mounts {
		field := fmt.Sprintf("spec.mounts[%d]", i)
		mount, problem := mountOf(dataset, &dataset.Spec.Mounts[i])
		if problem != "" {
			problems = append(problems, field+problem)
			continue
		}
		if other, taken := names[mount.Path]; taken {
			problems = append(problems, fmt.Sprintf("%s and %s are both at %s", other, field, mount.Path))
			continue
		}
		names[mount.Path] = field
		mounts = append(mounts, mount)
	}
	slices.SortFunc(mounts, func(a, b Mount) int { return strings.Compare(a.Path, b.Path) })
	return mounts, problems
}

func mountOf(dataset *datav1alpha1.Dataset, m *datav1alpha1.Mount) (Mount, string) {
	mount := Mount{Name: m.Name, Path: "/" + m.Name, UFS: m.MountPoint, Shared: m.Shared,
		ReadOnly: m.ReadOnly || !writable(dataset), Options: map[string]string{}, Secrets: map[string]datav1alpha1.SecretKeySelector{}}
	if path.IsAbs(m.Path) {
		mount.Path = m.Path
	}
	if mount.Name == "" {
		mount.Name = mount.Path
	}
	scheme, _, hasScheme := strings.Cut(m.MountPoint, "://")
	switch {
	case m.Name == "" && m.Path == "":
		return mount, " has neither a name nor a path"
	case path.Clean(mount.Path) != mount.Path || strings.ContainsFunc(mount.Path, isControl):
		return mount, fmt.Sprintf(" has the path %q, which isn't a clean absolute one", mount.Path)
	case strings.ContainsFunc(m.MountPoint, isControl) || strings.ContainsAny(m.MountPoint, " \t"):
		return mount, ".mountPoint has blanks or control characters"
	case !hasScheme || scheme == "local" || scheme == "pvc":
		return mount, fmt.Sprintf(".mountPoint %q is a directory of a node or a claim, which this controller doesn't serve", m.MountPoint)
	}
	maps.Copy(mount.Options, dataset.Spec.SharedOptions)
	maps.Copy(mount.Options, m.Options)
	for _, option := range slices.Concat(dataset.Spec.SharedEncryptOptions, m.EncryptOptions) {
		secret := option.ValueFrom.SecretKeyRef
		if option.Name == "" || secret.Name == "" || secret.Key == "" {
			return mount, fmt.Sprintf(": the encrypt option %q has to name a Secret and one of its keys, and names Secret %q, key %q", option.Name, secret.Name, secret.Key)
		}
		delete(mount.Options, option.Name)
		mount.Secrets[option.Name] = secret
	}
	for _, name := range slices.Concat(slices.Collect(maps.Keys(mount.Options)), slices.Collect(maps.Keys(mount.Secrets))) {
		if name == "" || strings.ContainsAny(name, "= ;\t\n") {
			return mount, fmt.Sprintf(" has an option named %q", name)
		}
	}
	return mount, ""
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// accessModes returns a Dataset's access modes with Fluid's default.
func accessModes(dataset *datav1alpha1.Dataset) []corev1.PersistentVolumeAccessMode {
	if len(dataset.Spec.AccessModes) == 0 {
		return []corev1.PersistentVolumeAccessMode{corev1.ReadOnlyMany}
	}
	return dataset.Spec.AccessModes
}

// writable reports whether a Dataset's access modes allow writing.
func writable(dataset *datav1alpha1.Dataset) bool {
	return slices.ContainsFunc(accessModes(dataset), func(mode corev1.PersistentVolumeAccessMode) bool { return mode != corev1.ReadOnlyMany })
}

// rootMount returns the mount at /, or nil.
func rootMount(mounts []Mount) *Mount {
	for i := range mounts {
		if mounts[i].isRoot() {
			return &mounts[i]
		}
	}
	return nil
}

// secretNames returns the Secrets that some mounts need, sorted.
func secretNames(mounts []Mount) []string {
	names := map[string]bool{}
	for i := range mounts {
		for _, secret := range mounts[i].Secrets {
			names[secret.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// secretFile is where a key of a Secret is in a container that has secretVolumes.
func secretFile(secret datav1alpha1.SecretKeySelector) string {
	return path.Join(secretsDirectory, secret.Name, secret.Key)
}

// secretVolumes returns the volumes and mounts of Secrets. A Secret that is missing keeps its pod from starting: that is
// seen before, and said.
func secretVolumes(names []string) ([]corev1.Volume, []corev1.VolumeMount) {
	var volumes []corev1.Volume
	var mounts []corev1.VolumeMount
	for i, name := range names {
		volume := fmt.Sprintf("alluxio-mount-secret-%d", i) // Secrets' names may be longer than those of volumes
		volumes = append(volumes, corev1.Volume{Name: volume, VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: name}}})
		mounts = append(mounts, corev1.VolumeMount{Name: volume, ReadOnly: true, MountPath: path.Join(secretsDirectory, name)})
	}
	return volumes, mounts
}

// mountInfo is the text of what is mounted, a line for each mount, as Fluid v1.0.8 writes it. Values of Secrets are paths.
func mountInfo(mounts []Mount) string {
	var text strings.Builder
	for i := range mounts {
		if m := &mounts[i]; !m.isRoot() {
			fmt.Fprintln(&text, strings.Join(append([]string{m.Path, m.UFS}, m.flags("--option")...), " "))
		}
	}
	return text.String()
}

// flags are the mount's flags for Alluxio's shell. The flag for an option whose value is in a Secret is given; its value is
// the file's path.
func (m *Mount) flags(fromSecret string) []string {
	var flags []string
	if m.ReadOnly {
		flags = append(flags, "--readonly")
	}
	if m.Shared {
		flags = append(flags, "--shared")
	}
	for _, name := range slices.Sorted(maps.Keys(m.Options)) {
		flags = append(flags, "--option", name+"="+m.Options[name])
	}
	for _, name := range slices.Sorted(maps.Keys(m.Secrets)) {
		flags = append(flags, fromSecret, name+"="+secretFile(m.Secrets[name]))
	}
	return flags
}
