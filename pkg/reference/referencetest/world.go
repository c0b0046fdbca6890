// Package referencetest has physical Datasets of Fluid's runtimes for tests of what is made from them.
package referencetest

import (
	"bytes"
	"embed"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

//go:embed *.yaml
var physicals embed.FS

// Runtimes are the runtimes that there are physical Datasets of.
func Runtimes() []string { return []string{"alluxio", "jindo", "juicefs", "thin"} }

// Reference returns the reference ref/refdemo to a mount point, as the API server would have it.
func Reference(mountPoint string) *datav1alpha1.Dataset {
	return &datav1alpha1.Dataset{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ref", Name: "refdemo", UID: "reference-uid"},
		Spec:       datav1alpha1.DatasetSpec{Mounts: []datav1alpha1.Mount{{MountPoint: mountPoint}}},
	}
}

// World returns the world of the reference ref/refdemo to default/phy of a runtime. The physical Dataset knows the
// reference; none of the reference's own objects exists yet.
func World(t testing.TB, runtime, mountPoint string) *reference.World {
	t.Helper()
	w := &reference.World{
		Dataset:       Reference(mountPoint),
		RuntimeStatus: &datav1alpha1.RuntimeStatus{FusePhase: datav1alpha1.RuntimePhaseReady},
		Seen:          map[finding.Object]reference.State{},
		Policy:        reference.Policy{MirrorNames: reference.UniqueNames, Depth: reference.ForWriting},
	}
	content, err := physicals.ReadFile(runtime + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	for document := range bytes.SplitSeq(content, []byte("\n---\n")) {
		place(t, w, document)
	}
	w.Physical.Status.DatasetRef = []string{"ref/refdemo"}
	return w
}

// place puts an object where it belongs in a world.
func place(t testing.TB, w *reference.World, document []byte) {
	t.Helper()
	var meta metav1.PartialObjectMetadata
	decode(t, document, &meta)
	switch meta.Kind {
	case "Dataset":
		w.Physical = decode(t, document, &datav1alpha1.Dataset{})
	case "DaemonSet":
		w.Fuse = decode(t, document, &appsv1.DaemonSet{})
	case "PersistentVolume":
		w.PhysicalVolume = decode(t, document, &corev1.PersistentVolume{})
	case "PersistentVolumeClaim":
		w.PhysicalClaim = decode(t, document, &corev1.PersistentVolumeClaim{})
	case "ConfigMap", "Secret":
		w.Seen[finding.Object{Kind: meta.Kind, Namespace: meta.Namespace, Name: meta.Name}] = reference.State{Object: &meta}
	default:
		t.Fatalf("there is no place for a %q in a world: %s", meta.Kind, strings.TrimSpace(string(document)))
	}
}

func decode[T any](t testing.TB, document []byte, object T) T {
	t.Helper()
	if err := yaml.Unmarshal(document, object); err != nil {
		t.Fatal(err)
	}
	return object
}
