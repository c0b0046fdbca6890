package reference

import (
	"slices"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	corev1 "k8s.io/api/core/v1"
)

// accessModes follows Fluid: what the reference asks for, but ReadOnlyMany if it asks for nothing or the physical's
// volume is ReadOnlyMany. They don't depend on whether the volume exists already: Fluid v1.0.8 forgets them then, and the
// claim is never made.
func accessModes(w *World) []corev1.PersistentVolumeAccessMode {
	if len(w.Dataset.Spec.AccessModes) == 0 || slices.Contains(w.PhysicalVolume.Spec.AccessModes, corev1.ReadOnlyMany) {
		return []corev1.PersistentVolumeAccessMode{corev1.ReadOnlyMany}
	}
	return w.Dataset.Spec.AccessModes
}

// checkAccessModes finds access modes that no volume can have, which Fluid's CRD doesn't check, and notes those that have
// no effect.
func (p *Plan) checkAccessModes(w *World) {
	asked, object := w.Dataset.Spec.AccessModes, w.datasetObject()
	for _, mode := range asked {
		switch mode {
		case corev1.ReadOnlyMany, corev1.ReadWriteMany, corev1.ReadWriteOnce:
		case corev1.ReadWriteOncePod:
			if len(asked) > 1 {
				p.Findings.Add(finding.CodeAccessModesInvalid, object, "%s can't be combined with other access modes", mode)
			}
		default:
			p.Findings.Add(finding.CodeAccessModesInvalid, object, "%q is not an access mode", mode)
		}
	}
	planned := p.Volume.Spec.AccessModes
	if len(asked) > 0 && !slices.Equal(asked, planned) {
		p.Findings.Add(finding.CodeAccessModesIgnored, object, "it asks for %v, but the volume of %s is %v, and so is its own", asked, p.Source.Key(), planned)
	}
	if w.Volume != nil && p.ownVolume(w) && !slices.Equal(w.Volume.Spec.AccessModes, planned) {
		p.Findings.Add(finding.CodeAccessModesIgnored, object, "its volume was made with %v; %v has no effect on it", w.Volume.Spec.AccessModes, planned)
	}
}
