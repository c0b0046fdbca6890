package engine

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
)

// tier is a level of the workers' storage.
type tier struct {
	medium    string
	onHost    bool
	high, low string
	dirs      []tierDir
}

// tierDir is one directory of a tier.
type tierDir struct {
	volume string
	// path in the worker; on the node too if the tier is there.
	path  string
	quota int64
}

// defaultTier is what a worker gets that is told of no storage: enough to serve, little enough for a small node.
func defaultTier() []datav1alpha1.Level {
	return []datav1alpha1.Level{{MediumType: datav1alpha1.MediumMemory, Path: "/dev/shm", Quota: "256Mi"}}
}

// tiersOf reads a tiered store, or says what is wrong with it. As in Fluid v1.0.8 a level's directory is
// <path>/<namespace>/<name>, and a quota for several paths is shared equally.
func tiersOf(runtime *datav1alpha1.AlluxioRuntime) ([]tier, []string) {
	levels := runtime.Spec.TieredStore.Levels
	if len(levels) == 0 {
		levels = defaultTier()
	}
	var tiers []tier
	var problems []string
	seen := map[string]bool{}
	for i := range levels {
		t, problem := tierOf(runtime, &levels[i])
		switch {
		case problem != "":
			problems = append(problems, fmt.Sprintf("spec.tieredstore.levels[%d]%s", i, problem))
		case seen[t.medium]:
			problems = append(problems, fmt.Sprintf("spec.tieredstore has two levels of %s", t.medium))
		default:
			seen[t.medium] = true
			tiers = append(tiers, t)
		}
	}
	return tiers, problems
}

func tierOf(runtime *datav1alpha1.AlluxioRuntime, level *datav1alpha1.Level) (tier, string) {
	t := tier{medium: level.MediumType, onHost: level.VolumeType == datav1alpha1.VolumeTypeHostPath, high: level.High, low: level.Low}
	switch t.medium {
	case datav1alpha1.MediumMemory, datav1alpha1.MediumSSD, datav1alpha1.MediumHDD:
	default:
		return t, fmt.Sprintf(".mediumtype is %q: it has to be MEM, SSD or HDD", t.medium)
	}
	if high, low, problem := watermarks(level); problem != "" || (high != 0 && high <= low) {
		return t, fmt.Sprintf(".high is %q and .low %q: they are parts of 1, and high is more than low", level.High, level.Low)
	}
	paths := strings.Split(level.Path, ",")
	quotas, problem := quotasOf(level, len(paths))
	if problem != "" {
		return t, problem
	}
	for i, directory := range paths {
		directory = strings.TrimSpace(directory)
		if !path.IsAbs(directory) || path.Clean(directory) != directory || directory == "/" || strings.ContainsAny(directory, " \t\"'$`\\") {
			return t, fmt.Sprintf(".path %q isn't an absolute path", directory)
		}
		volume := strings.ToLower(t.medium)
		if i > 0 {
			volume += "-" + strconv.Itoa(i)
		}
		t.dirs = append(t.dirs, tierDir{volume: volume, path: path.Join(directory, runtime.Namespace, runtime.Name), quota: quotas[i]})
	}
	return t, ""
}

// watermarks reads high and low; one that isn't said is 0.
func watermarks(level *datav1alpha1.Level) (high, low float64, problem string) {
	for _, mark := range []struct {
		text  string
		value *float64
	}{{level.High, &high}, {level.Low, &low}} {
		if mark.text == "" {
			continue
		}
		value, err := strconv.ParseFloat(mark.text, 64)
		if err != nil || value <= 0 || value > 1 {
			return 0, 0, mark.text
		}
		*mark.value = value
	}
	return high, low, ""
}

// quotasOf returns the bytes for each of a level's paths.
func quotasOf(level *datav1alpha1.Level, paths int) ([]int64, string) {
	texts := strings.Split(level.QuotaList, ",")
	shared := level.QuotaList == ""
	if shared {
		texts = []string{level.Quota}
	} else if len(texts) != paths {
		return nil, fmt.Sprintf(".quotaList has %d quotas for %d paths", len(texts), paths)
	}
	var quotas []int64
	for _, text := range texts {
		quantity, err := resource.ParseQuantity(strings.TrimSpace(text))
		if err != nil || quantity.Value() < 1<<20 {
			return nil, fmt.Sprintf(" has the quota %q: it has to be a quantity such as 1Gi, at least 1Mi", text)
		}
		quotas = append(quotas, quantity.Value())
	}
	if shared {
		share := quotas[0] / int64(paths)
		quotas = nil
		for range paths {
			quotas = append(quotas, share)
		}
	}
	return quotas, ""
}

// properties of Alluxio for the tiers, in the order and form that Fluid v1.0.8 has.
func tierProperties(tiers []tier) []string {
	options := []string{property("alluxio.worker.tieredstore.levels", strconv.Itoa(len(tiers)))}
	for i, t := range tiers {
		var paths, quotas, media []string
		for _, dir := range t.dirs {
			paths, quotas, media = append(paths, dir.path), append(quotas, alluxioBytes(dir.quota)), append(media, t.medium)
		}
		level := fmt.Sprintf("alluxio.worker.tieredstore.level%d.", i)
		options = append(options,
			property(level+"alias", t.medium),
			property(level+"dirs.mediumtype", strings.Join(media, ",")),
			property(level+"dirs.path", strings.Join(paths, ",")),
			property(level+"dirs.quota", strings.Join(quotas, ",")))
		if t.high != "" {
			options = append(options, property(level+"watermark.high.ratio", t.high))
		}
		if t.low != "" {
			options = append(options, property(level+"watermark.low.ratio", t.low))
		}
	}
	return options
}

// alluxioBytes writes a size as Alluxio reads it: its KB is 1,024 bytes.
func alluxioBytes(bytes int64) string {
	for _, unit := range []struct {
		name string
		size int64
	}{{"GB", 1 << 30}, {"MB", 1 << 20}, {"KB", 1 << 10}} {
		if bytes%unit.size == 0 {
			return strconv.FormatInt(bytes/unit.size, 10) + unit.name
		}
	}
	return strconv.FormatInt(bytes, 10) + "B"
}

// tierVolumes returns the workers' volumes. An emptyDir has a twentieth more than the quota, for what a file system adds.
func tierVolumes(tiers []tier) ([]corev1.Volume, []corev1.VolumeMount) {
	var volumes []corev1.Volume
	var mounts []corev1.VolumeMount
	for _, t := range tiers {
		for _, dir := range t.dirs {
			source := corev1.VolumeSource{}
			if t.onHost {
				create := corev1.HostPathDirectoryOrCreate
				source.HostPath = &corev1.HostPathVolumeSource{Path: dir.path, Type: &create}
			} else {
				limit := (dir.quota/20*21/mebibyte + 1) * mebibyte
				source.EmptyDir = &corev1.EmptyDirVolumeSource{SizeLimit: resource.NewQuantity(limit, resource.BinarySI)}
				if t.medium == datav1alpha1.MediumMemory {
					source.EmptyDir.Medium = corev1.StorageMediumMemory
				}
			}
			volumes = append(volumes, corev1.Volume{Name: dir.volume, VolumeSource: source})
			mounts = append(mounts, corev1.VolumeMount{Name: dir.volume, MountPath: dir.path})
		}
	}
	return volumes, mounts
}

// memoryOf returns how many bytes of memory the tiers take from a worker's pod.
func memoryOf(tiers []tier) int64 {
	var sum int64
	for _, t := range tiers {
		if t.medium != datav1alpha1.MediumMemory {
			continue
		}
		for _, dir := range t.dirs {
			sum += dir.quota
		}
	}
	return sum
}

// onHost reports whether a tier is a directory of the node.
func onHost(tiers []tier) bool {
	for _, t := range tiers {
		if t.onHost {
			return true
		}
	}
	return false
}
