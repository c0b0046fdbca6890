package ref

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/preflight"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/workload"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// differ compares the objects of a reference with what they are made from, until the first error.
type differ struct {
	ctx       context.Context
	reader    client.Reader
	preflight *preflight.Preflight
	report    *DiffReport
	err       error
}

func (d *differ) compareAll() error {
	d.compareVolume()
	d.compareClaim()
	for _, mirror := range d.preflight.Plan.Mirrors {
		d.compareMirror(mirror)
	}
	d.compareFuseCopy()
	d.comparePods()
	return d.err
}

// get reads an object that is compared, and reports whether it could be read. Forbidden is said in the report.
func (d *differ) get(object finding.Object, into client.Object) (exists bool) {
	if d.err != nil {
		return false
	}
	switch err := d.reader.Get(d.ctx, types.NamespacedName{Namespace: object.Namespace, Name: object.Name}, into); {
	case apierrors.IsNotFound(err):
		return false
	case apierrors.IsForbidden(err):
		d.report.Unread = append(d.report.Unread, unreadObject{object.String(), err.Error()})
		return false
	case err != nil:
		d.err = cluster.ExplainAPI("reading "+object.String(), err)
		return false
	}
	return true
}

func (d *differ) unread(object finding.Object) bool {
	return slices.ContainsFunc(d.report.Unread, func(u unreadObject) bool { return u.Object == object.String() })
}

func (d *differ) compared(object finding.Object) {
	d.report.Compared = append(d.report.Compared, object.String())
}

func (d *differ) found(difference difference) {
	d.report.Differences = append(d.report.Differences, difference)
}

func (d *differ) missing(object, source finding.Object) {
	d.compared(object)
	d.found(difference{Object: object.String(), Source: source.String(), Message: "it doesn't exist"})
}

// comparePart compares a part of an object with what it should be.
func (d *differ) comparePart(object, source finding.Object, path []any, field string, want, have any, owner metav1.Object) {
	compareTrees(field, tree(want), tree(have), func(place string, want, have any) {
		d.found(difference{Object: object.String(), Field: place, Source: source.String(), Want: string(compact(want)), Have: string(compact(have)),
			Message: "it isn't what it should be", ChangedBy: ChangedBy(owner, path...)})
	})
}

func (d *differ) compareVolume() {
	want := d.preflight.Plan.Volume
	object := finding.Object{Kind: "PersistentVolume", Name: want.Name}
	source := finding.Object{Kind: "PersistentVolume", Name: reference.VolumeName(d.preflight.Plan.Source.Key())}
	if reason := d.preflight.World.Unread(object); reason != "" {
		d.report.Unread = append(d.report.Unread, unreadObject{object.String(), reason})
		return
	}
	have := d.preflight.World.Volume
	if have == nil {
		d.missing(object, source)
		return
	}
	d.compared(object)
	d.comparePart(object, source, []any{"spec", "accessModes"}, "spec.accessModes", want.Spec.AccessModes, have.Spec.AccessModes, have)
	if have.Spec.CSI == nil {
		d.found(difference{Object: object.String(), Field: "spec.csi", Source: source.String(), Message: "it isn't a CSI volume", ChangedBy: ChangedBy(have)})
		return
	}
	d.comparePart(object, source, []any{"spec", "csi"}, "spec.csi", want.Spec.CSI, have.Spec.CSI, have)
}

func (d *differ) compareClaim() {
	want, have := d.preflight.Plan.Claim, d.preflight.World.Claim
	object := finding.Object{Kind: "PersistentVolumeClaim", Namespace: want.Namespace, Name: want.Name}
	source := finding.Object{Kind: "PersistentVolume", Name: want.Spec.VolumeName}
	if reason := d.preflight.World.Unread(object); reason != "" {
		d.report.Unread = append(d.report.Unread, unreadObject{object.String(), reason})
		return
	}
	if have == nil {
		d.missing(object, source)
		return
	}
	d.compared(object)
	d.comparePart(object, source, []any{"spec", "volumeName"}, "spec.volumeName", want.Spec.VolumeName, have.Spec.VolumeName, have)
	for _, key := range slices.Sorted(maps.Keys(want.Labels)) {
		if key != reference.LabelReferenceUID { // Fluid's claims have none.
			d.comparePart(object, source, []any{"metadata", "labels", key}, "metadata.labels["+key+"]", want.Labels[key], have.Labels[key], have)
		}
	}
}

// compareMirror compares the data of a copy with that of its source.
func (d *differ) compareMirror(mirror reference.Mirror) {
	if mirror.Original.Kind == "Secret" {
		source, target := &corev1.Secret{}, &corev1.Secret{}
		if d.bothExist(mirror, source, target) {
			d.compareData(mirror, "data", source.Data, target.Data, target, func([]byte) string { return "" })
		}
		return
	}
	source, target := &corev1.ConfigMap{}, &corev1.ConfigMap{}
	if d.bothExist(mirror, source, target) {
		d.compareData(mirror, "data", bytesOf(source.Data), bytesOf(target.Data), target, func(value []byte) string { return string(value) })
		d.compareData(mirror, "binaryData", source.BinaryData, target.BinaryData, target,
			func(value []byte) string { return fmt.Sprintf("%d bytes", len(value)) })
	}
}

func bytesOf(data map[string]string) map[string][]byte {
	converted := make(map[string][]byte, len(data))
	for key, value := range data {
		converted[key] = []byte(value)
	}
	return converted
}

// bothExist reads a mirror and its source, and says what is missing or somebody else's.
func (d *differ) bothExist(mirror reference.Mirror, source, target client.Object) bool {
	sourceExists, targetExists := d.get(mirror.Original, source), d.get(mirror.Target, target)
	switch {
	case d.err != nil || d.unread(mirror.Original) || d.unread(mirror.Target):
		return false
	case !sourceExists && !targetExists && mirror.Optional:
		return false
	case !sourceExists:
		d.compared(mirror.Target)
		d.found(difference{Object: mirror.Target.String(), Source: mirror.Original.String(), Message: "its source doesn't exist"})
		return false
	case !targetExists:
		d.missing(mirror.Target, mirror.Original)
		return false
	}
	d.compared(mirror.Target)
	if !reference.Owns(d.preflight.World.Dataset, target) {
		d.found(difference{Object: mirror.Target.String(), Source: mirror.Original.String(),
			Message: "it doesn't belong to the reference: " + reference.Holder(target), ChangedBy: ChangedBy(target)})
	}
	return true
}

// compareData compares keys and values; show returns what of a value may be shown.
func (d *differ) compareData(mirror reference.Mirror, field string, want, have map[string][]byte, owner metav1.Object, show func([]byte) string) {
	keys := slices.Collect(maps.Keys(want))
	for key := range have {
		if _, both := want[key]; !both {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		w, wanted := want[key]
		h, has := have[key]
		entry := difference{Object: mirror.Target.String(), Field: field + "." + key, Source: mirror.Original.String(), Want: show(w), Have: show(h)}
		switch {
		case wanted && has && bytes.Equal(w, h):
			continue
		case !has:
			entry.Message = "the key is missing"
			entry.ChangedBy = ChangedBy(owner)
		case !wanted:
			entry.Message, entry.ChangedBy = "the source has no such key", ChangedBy(owner, field, key)
		default:
			entry.Message, entry.ChangedBy = "the value differs", ChangedBy(owner, field, key)
		}
		d.found(entry)
	}
}

// compareFuseCopy compares the copy of the FUSE DaemonSet that Fluid makes, and its webhook takes sidecars from. Names
// of mirrors count as those of their sources.
func (d *differ) compareFuseCopy() {
	key := d.preflight.World.Key()
	object := finding.Object{Kind: "DaemonSet", Namespace: key.Namespace, Name: key.Name + "-fuse"}
	source := finding.Object{Kind: "DaemonSet", Namespace: d.preflight.World.Fuse.Namespace, Name: d.preflight.World.Fuse.Name}
	fuse := &appsv1.DaemonSet{}
	if !d.get(object, fuse) {
		return
	}
	d.compared(object)
	names := map[string]string{}
	for _, mirror := range d.preflight.Plan.Mirrors {
		names[mirror.Target.Name] = mirror.Original.Name
	}
	want, have := d.preflight.World.Fuse.Spec.Template.Spec, fuse.Spec.Template.Spec
	d.comparePart(object, source, []any{"spec", "template", "spec", "containers"}, "spec.template.spec.containers",
		want.Containers, renamed(tree(have.Containers), names), fuse)
	d.comparePart(object, source, []any{"spec", "template", "spec", "volumes"}, "spec.template.spec.volumes",
		want.Volumes, renamed(tree(have.Volumes), names), fuse)
}

// comparePods compares what the sidecars of running pods were created with and what they would get now.
func (d *differ) comparePods() {
	if d.err != nil {
		return
	}
	key, sidecar := d.preflight.World.Key(), d.preflight.Plan.Sidecar
	pods, unread, err := workload.ListPods(d.ctx, d.reader, key.Namespace)
	if err != nil {
		d.err = err
		return
	}
	if unread != "" {
		d.report.Unread = append(d.report.Unread, unreadObject{"Pods of namespace " + key.Namespace, unread})
	}
	source := finding.Object{Kind: "DaemonSet", Namespace: d.preflight.World.Fuse.Namespace, Name: d.preflight.World.Fuse.Name}
	for _, pod := range workload.UsersOf(pods, key) {
		for _, view := range workload.Sidecars(pod) {
			if view.Key == key {
				d.compared(workload.PodObject(pod))
				d.compareSidecar(pod, source, containerOf(pod, view.Container), &sidecar.Container)
			}
		}
	}
}

func (d *differ) compareSidecar(pod *corev1.Pod, source finding.Object, have, want *corev1.Container) {
	place := func(field string) string { return "container " + have.Name + " " + field }
	object := workload.PodObject(pod)
	d.comparePart(object, source, nil, place("image"), want.Image, have.Image, &metav1.ObjectMeta{})
	d.comparePart(object, source, nil, place("envFrom"), want.EnvFrom, have.EnvFrom, &metav1.ObjectMeta{})
	for _, variable := range want.Env {
		i := slices.IndexFunc(have.Env, func(v corev1.EnvVar) bool { return v.Name == variable.Name })
		var present any
		if i >= 0 {
			present = have.Env[i]
		}
		d.comparePart(object, source, nil, place("env["+variable.Name+"]"), variable, present, &metav1.ObjectMeta{})
	}
}

// containerOf returns a container of a pod by its name.
func containerOf(pod *corev1.Pod, name string) *corev1.Container {
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			if list[i].Name == name {
				return &list[i]
			}
		}
	}
	return &corev1.Container{Name: name}
}
