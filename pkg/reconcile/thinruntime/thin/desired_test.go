package thin

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/test/golden"
)

// input is what a golden test is made from, as a user writes it.
type input struct {
	Dataset *datav1alpha1.Dataset            `json:"dataset"`
	Runtime *datav1alpha1.ThinRuntime        `json:"runtime"`
	Profile *datav1alpha1.ThinRuntimeProfile `json:"profile"`
}

func readInput(t *testing.T, file string) input {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var in input
	if err := yaml.UnmarshalStrict(text, &in); err != nil {
		t.Fatalf("reading %s: %v", file, err)
	}
	return in
}

// TestDesiredObjects compares the objects for testdata/<case>.in.yaml with testdata/<case>.out.yaml.
func TestDesiredObjects(t *testing.T) {
	files, err := filepath.Glob("testdata/*.in.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no input in testdata:", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".in.yaml"), func(t *testing.T) {
			in := readInput(t, file)
			before := input{in.Dataset.DeepCopy(), in.Runtime.DeepCopy(), in.Profile.DeepCopy()}
			objects, err := Desired(in.Dataset, in.Runtime, in.Profile, DefaultMountRoot)
			if err != nil {
				t.Fatal(err)
			}
			if !equality.Semantic.DeepEqual(before, in) {
				t.Error("Desired changed its input")
			}
			var got bytes.Buffer
			for _, object := range []any{objects.ConfigMap, objects.DaemonSet, objects.Volume, objects.Claim} {
				text, err := yaml.Marshal(object)
				if err != nil {
					t.Fatal(err)
				}
				got.WriteString("---\n")
				got.Write(text)
			}
			golden.Compare(t, strings.TrimSuffix(file, ".in.yaml")+".out.yaml", got.Bytes())
		})
	}
}

// TestConfigIsWhatFluidWrites has the text that Fluid v1.0.8 wrote for the same Dataset: clients parse it with whatever
// they have, some line by line.
func TestConfigIsWhatFluidWrites(t *testing.T) {
	in := readInput(t, "testdata/nfs.in.yaml")
	objects, err := Desired(in.Dataset, in.Runtime, in.Profile, DefaultMountRoot)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"mounts":[{"mountPoint":"10.0.0.1:/export","options":{"password":"/etc/fluid/secrets/nfs-secret/password","vers":"4"},"name":"nfs-demo"}],` +
		`"targetPath":"/runtime-mnt/thin/thin/nfs-demo/thin-fuse","accessModes":["ReadOnlyMany"]}`
	if got := objects.ConfigMap.Data["config.json"]; got != want {
		t.Errorf("config.json is\n%s\nwant\n%s", got, want)
	}
}

func TestBadInputIsExplained(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(*input)
		root  string
		want  []string
	}{
		"no image": {func(in *input) { in.Profile.Spec.Fuse.Image = "" }, "/runtime-mnt",
			[]string{"ThinRuntime thin/nfs-demo", "ThinRuntimeProfile nfs-profile", "spec.fuse.image"}},
		"no file system": {func(in *input) { in.Profile.Spec.FileSystemType = "" }, "/runtime-mnt",
			[]string{"ThinRuntimeProfile nfs-profile", "spec.fileSystemType"}},
		"no mounts": {func(in *input) { in.Dataset.Spec.Mounts = nil }, "/runtime-mnt",
			[]string{"Dataset thin/nfs-demo has no mounts"}},
		"capacity that is no quantity": {func(in *input) { in.Dataset.Annotations = map[string]string{AnnotationCapacity: "much"} }, "/runtime-mnt",
			[]string{"Dataset thin/nfs-demo", AnnotationCapacity, `"much"`}},
		"capacity of zero": {func(in *input) { in.Dataset.Annotations = map[string]string{AnnotationCapacity: "0"} }, "/runtime-mnt",
			[]string{AnnotationCapacity, "more than zero"}},
		"relative mount root": {func(*input) {}, "runtime-mnt", []string{`"runtime-mnt"`, "absolute"}},
		"a claim as mount point": {func(in *input) { in.Dataset.Spec.Mounts[0].MountPoint = "pvc://other" }, "/runtime-mnt",
			[]string{"spec.mounts[0].mountPoint", "pvc://other"}},
		"an encrypt option without a key": {func(in *input) { in.Dataset.Spec.Mounts[0].EncryptOptions[0].ValueFrom.SecretKeyRef.Key = "" }, "/runtime-mnt",
			[]string{`encrypt option "password"`, "secretKeyRef"}},
		"a mount of no volume": {func(in *input) {
			in.Runtime.Spec.Fuse = &datav1alpha1.ThinFuseSpec{VolumeMounts: []corev1.VolumeMount{{Name: "nowhere", MountPath: "/x"}}}
		}, "/runtime-mnt", []string{`"nowhere"`, "spec.volumes"}},
		"a volume of the client's own name": {func(in *input) {
			in.Runtime.Spec.Volumes = []corev1.Volume{{Name: "thin-conf"}}
			in.Runtime.Spec.Fuse = &datav1alpha1.ThinFuseSpec{VolumeMounts: []corev1.VolumeMount{{Name: "thin-conf", MountPath: "/x"}}}
		}, "/runtime-mnt", []string{`"thin-conf"`, "rename"}},
		"a mount over the configuration": {func(in *input) {
			in.Runtime.Spec.Volumes = []corev1.Volume{{Name: "mine"}}
			in.Runtime.Spec.Fuse = &datav1alpha1.ThinFuseSpec{VolumeMounts: []corev1.VolumeMount{{Name: "mine", MountPath: "/etc/fluid/config"}}}
		}, "/runtime-mnt", []string{"/etc/fluid/config"}},
		"several at once": {func(in *input) { in.Profile.Spec.Fuse.Image, in.Dataset.Spec.Mounts = "", nil }, "/runtime-mnt",
			[]string{"spec.fuse.image", "no mounts"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := readInput(t, "testdata/nfs.in.yaml")
			test.spoil(&in)
			objects, err := Desired(in.Dataset, in.Runtime, in.Profile, test.root)
			if err == nil || objects != (Objects{}) {
				t.Fatal("no error, or objects in spite of it:", err)
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q doesn't say %q", err, part)
				}
			}
		})
	}
}

func TestImage(t *testing.T) {
	for _, test := range []struct{ profile, profileTag, runtime, runtimeTag, want string }{
		{"a/b", "", "", "", "a/b"},
		{"a/b", "v1", "", "", "a/b:v1"},
		{"a/b", "v1", "", "v2", "a/b:v2"},
		{"a/b", "v1", "c:5000/d", "", "c:5000/d:v1"},
		{"a/b", "v1", "c/d:v3", "", "c/d:v3"},
		{"a/b", "v1", "c/d@sha256:12", "", "c/d@sha256:12"},
		{"", "v1", "", "v2", ""},
	} {
		got := image(&datav1alpha1.ThinFuseSpec{Image: test.profile, ImageTag: test.profileTag},
			&datav1alpha1.ThinFuseSpec{Image: test.runtime, ImageTag: test.runtimeTag})
		if got != test.want {
			t.Errorf("%+v: got %s", test, got)
		}
	}
}

func TestMountOptions(t *testing.T) {
	for name, test := range map[string]struct {
		modes            []corev1.PersistentVolumeAccessMode
		profile, runtime map[string]string
		want             string
	}{
		"read-only by default":        {nil, nil, nil, "ro"},
		"read-write":                  {[]corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}, nil, nil, ""},
		"the profile doesn't undo ro": {nil, map[string]string{"vers": "4", "allow_other": ""}, nil, "allow_other,ro,vers=4"},
		"rw wins":                     {nil, map[string]string{"rw": ""}, nil, "rw"},
		"the ThinRuntime wins":        {nil, map[string]string{"a": "1", "b": "1"}, map[string]string{"b": "2"}, "a=1,b=2,ro"},
	} {
		t.Run(name, func(t *testing.T) {
			e := &engine{dataset: &datav1alpha1.Dataset{Spec: datav1alpha1.DatasetSpec{AccessModes: test.modes}},
				fuse: fuse{options: mergeMaps(test.profile, test.runtime)}}
			if got := e.options(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestSecretVolumeNamesAreValidAndDiffer(t *testing.T) {
	if got := secretVolumeName("nfs-secret"); got != "thin-fuseconfig-nfs-secret" {
		t.Error("ordinary name:", got)
	}
	dotted, long := secretVolumeName("a.b"), secretVolumeName(strings.Repeat("a", 60))
	if dotted == secretVolumeName("a.c") || len(long) > 63 || strings.Contains(dotted, ".") {
		t.Error("names of volumes:", dotted, long)
	}
}

func TestLongNamesAreReplacedByTheUID(t *testing.T) {
	in := readInput(t, "testdata/nfs.in.yaml")
	name := "a" + strings.Repeat("b", 62)
	in.Dataset.Name, in.Runtime.Name, in.Dataset.UID = name, name, types.UID("5e1f")
	objects, err := Desired(in.Dataset, in.Runtime, in.Profile, DefaultMountRoot)
	if err != nil {
		t.Fatal(err)
	}
	for _, meta := range []metav1.ObjectMeta{objects.ConfigMap.ObjectMeta, objects.DaemonSet.ObjectMeta, objects.Volume.ObjectMeta, objects.Claim.ObjectMeta} {
		if meta.Labels["fluid.io/dataset-id"] != "5e1f" {
			t.Errorf("labels of %s: %v", meta.Name, meta.Labels)
		}
	}
	if objects.DaemonSet.Spec.Template.Spec.NodeSelector["fluid.io/f-5e1f"] != "true" || objects.Claim.Labels["fluid.io/s-5e1f"] != "true" ||
		objects.Volume.Spec.CSI.VolumeAttributes["mount_pod_node_selector_key"] != "fluid.io/f-5e1f" {
		t.Error("labels of nodes and volumes don't have the UID")
	}
}
