package reference

import (
	"slices"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	corev1 "k8s.io/api/core/v1"
)

// Kinds of the objects that a pod template may name.
const (
	kindConfigMap = "ConfigMap"
	kindSecret    = "Secret"
	kindClaim     = "PersistentVolumeClaim"
	kindVolume    = "PersistentVolume"
	kindDaemonSet = "DaemonSet"
	kindNamespace = "Namespace"
	kindEndpoints = "Endpoints"
)

// rootCertificates is the ConfigMap that Kubernetes keeps in every namespace (from 1.20 on): what names it finds it.
const rootCertificates = "kube-root-ca.crt"

// use is one place of a template where an object of its namespace is named. Setting *name rewrites the place.
type use struct {
	kind     string
	name     *string
	optional bool
}

// mirrorable reports whether a copy of the object does in another namespace.
func (u use) mirrorable() bool { return u.kind == kindConfigMap || u.kind == kindSecret }

// uses returns all places where a container, its volumes and the pull secrets name objects of their namespace
// (Kubernetes 1.37's API). A kind of volume that doesn't name any isn't mentioned.
func uses(container *corev1.Container, volumes []corev1.Volume, pullSecrets []corev1.LocalObjectReference) []use {
	found := environmentUses(container)
	for i := range volumes {
		found = append(found, volumeUses(&volumes[i].VolumeSource)...)
	}
	for i := range pullSecrets {
		// A missing pull secret is no error for kubelet: the image may be public.
		found = append(found, use{kindSecret, &pullSecrets[i].Name, true})
	}
	return slices.DeleteFunc(found, func(u use) bool { return u.kind == kindConfigMap && *u.name == rootCertificates })
}

// NeededBy returns the ConfigMaps and Secrets of a namespace that a container of a pod can't start without.
func NeededBy(namespace string, container *corev1.Container, volumes []corev1.Volume) []finding.Object {
	var needed []finding.Object
	for _, use := range uses(container, mountedVolumes(container, volumes), nil) {
		object := finding.Object{Kind: use.kind, Namespace: namespace, Name: *use.name}
		if (use.kind == kindConfigMap || use.kind == kindSecret) && !use.optional && !slices.Contains(needed, object) {
			needed = append(needed, object)
		}
	}
	return needed
}

func environmentUses(container *corev1.Container) []use {
	var found []use
	for i := range container.EnvFrom {
		from := &container.EnvFrom[i]
		if from.ConfigMapRef != nil {
			found = append(found, use{kindConfigMap, &from.ConfigMapRef.Name, isTrue(from.ConfigMapRef.Optional)})
		}
		if from.SecretRef != nil {
			found = append(found, use{kindSecret, &from.SecretRef.Name, isTrue(from.SecretRef.Optional)})
		}
	}
	for i := range container.Env {
		from := container.Env[i].ValueFrom
		if from == nil {
			continue
		}
		if from.ConfigMapKeyRef != nil {
			found = append(found, use{kindConfigMap, &from.ConfigMapKeyRef.Name, isTrue(from.ConfigMapKeyRef.Optional)})
		}
		if from.SecretKeyRef != nil {
			found = append(found, use{kindSecret, &from.SecretKeyRef.Name, isTrue(from.SecretKeyRef.Optional)})
		}
	}
	return found
}

func volumeUses(source *corev1.VolumeSource) []use {
	switch {
	case source.ConfigMap != nil:
		return []use{{kindConfigMap, &source.ConfigMap.Name, isTrue(source.ConfigMap.Optional)}}
	case source.Secret != nil:
		return []use{{kindSecret, &source.Secret.SecretName, isTrue(source.Secret.Optional)}}
	case source.PersistentVolumeClaim != nil:
		return []use{{kindClaim, &source.PersistentVolumeClaim.ClaimName, false}}
	case source.Projected != nil:
		return projectedUses(source.Projected)
	case source.CSI != nil && source.CSI.NodePublishSecretRef != nil:
		return []use{{kindSecret, &source.CSI.NodePublishSecretRef.Name, false}}
	case source.Ephemeral != nil && source.Ephemeral.VolumeClaimTemplate != nil:
		return ephemeralUses(&source.Ephemeral.VolumeClaimTemplate.Spec)
	case source.Glusterfs != nil:
		return []use{{kindEndpoints, &source.Glusterfs.EndpointsName, false}}
	case source.AzureFile != nil:
		return []use{{kindSecret, &source.AzureFile.SecretName, false}}
	}
	return secretRefUse(source)
}

// ephemeralUses: a claim that is made for each pod may be filled from an object of its namespace.
func ephemeralUses(claim *corev1.PersistentVolumeClaimSpec) []use {
	if from := claim.DataSource; from != nil {
		return []use{{from.Kind, &from.Name, false}}
	}
	if from := claim.DataSourceRef; from != nil && from.Namespace == nil {
		return []use{{from.Kind, &from.Name, false}}
	}
	return nil
}

// secretRefUse covers the older in-tree volumes, which name a Secret in a secretRef.
func secretRefUse(source *corev1.VolumeSource) []use {
	var ref *corev1.LocalObjectReference
	switch {
	case source.FlexVolume != nil:
		ref = source.FlexVolume.SecretRef
	case source.CephFS != nil:
		ref = source.CephFS.SecretRef
	case source.RBD != nil:
		ref = source.RBD.SecretRef
	case source.ISCSI != nil:
		ref = source.ISCSI.SecretRef
	case source.ScaleIO != nil:
		ref = source.ScaleIO.SecretRef
	case source.StorageOS != nil:
		ref = source.StorageOS.SecretRef
	case source.Cinder != nil:
		ref = source.Cinder.SecretRef
	}
	if ref == nil {
		return nil
	}
	return []use{{kindSecret, &ref.Name, false}}
}

func projectedUses(source *corev1.ProjectedVolumeSource) []use {
	var found []use
	for i := range source.Sources {
		if configMap := source.Sources[i].ConfigMap; configMap != nil {
			found = append(found, use{kindConfigMap, &configMap.Name, isTrue(configMap.Optional)})
		}
		if secret := source.Sources[i].Secret; secret != nil {
			found = append(found, use{kindSecret, &secret.Name, isTrue(secret.Optional)})
		}
	}
	return found
}

func isTrue(b *bool) bool { return b != nil && *b }
