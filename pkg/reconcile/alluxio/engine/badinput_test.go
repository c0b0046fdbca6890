package engine

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
)

// TestBadInputIsExplained: each with the object and the field to change, all of them at once.
func TestBadInputIsExplained(t *testing.T) {
	limit := func(text string) corev1.ResourceRequirements {
		return corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(text)}}
	}
	for name, test := range map[string]struct {
		spoil func(*input)
		want  []string
	}{
		"no mounts":              {func(in *input) { in.Dataset.Spec.Mounts = nil }, []string{"Dataset default/phy", "spec.mounts is empty"}},
		"two mounts of one name": {func(in *input) { in.Dataset.Spec.Mounts = append(in.Dataset.Spec.Mounts, in.Dataset.Spec.Mounts[0]) }, []string{"spec.mounts[0] and spec.mounts[1] are both at /spark"}},
		"a name and a path that are one": {func(in *input) {
			in.Dataset.Spec.Mounts = append(in.Dataset.Spec.Mounts, datav1alpha1.Mount{MountPoint: "s3://b", Name: "x", Path: "/spark"})
		}, []string{"are both at /spark"}},
		"a path with ..":         {func(in *input) { in.Dataset.Spec.Mounts[0].Path = "/a/../b" }, []string{"spec.mounts[0]", `"/a/../b"`}},
		"no name and no path":    {func(in *input) { in.Dataset.Spec.Mounts[0].Name = "" }, []string{"neither a name nor a path"}},
		"a directory of a node":  {func(in *input) { in.Dataset.Spec.Mounts[0].MountPoint = "local:///mnt" }, []string{"spec.mounts[0].mountPoint", "local:///mnt"}},
		"a claim":                {func(in *input) { in.Dataset.Spec.Mounts[0].MountPoint = "pvc://mine" }, []string{"pvc://mine"}},
		"a blank in the address": {func(in *input) { in.Dataset.Spec.Mounts[0].MountPoint = "https://a/b c" }, []string{"blanks"}},
		"an incomplete Secret": {func(in *input) {
			in.Dataset.Spec.Mounts[0].EncryptOptions = []datav1alpha1.EncryptOption{{Name: "k", ValueFrom: datav1alpha1.EncryptOptionSource{SecretKeyRef: datav1alpha1.SecretKeySelector{Name: "s"}}}}
		}, []string{`encrypt option "k"`, `Secret "s", key ""`}},
		"an option's name with =":  {func(in *input) { in.Dataset.Spec.Mounts[0].Options = map[string]string{"a=b": "c"} }, []string{`"a=b"`}},
		"no quota":                 {func(in *input) { in.Runtime.Spec.TieredStore.Levels[0].Quota = "" }, []string{"AlluxioRuntime default/phy", "spec.tieredstore.levels[0] has the quota"}},
		"a quota that is none":     {func(in *input) { in.Runtime.Spec.TieredStore.Levels[0].Quota = "much" }, []string{`"much"`}},
		"low above high":           {func(in *input) { in.Runtime.Spec.TieredStore.Levels[0].Low = "0.99" }, []string{".high", "0.99"}},
		"a relative tier":          {func(in *input) { in.Runtime.Spec.TieredStore.Levels[0].Path = "shm" }, []string{`"shm"`, "absolute"}},
		"an unknown medium":        {func(in *input) { in.Runtime.Spec.TieredStore.Levels[0].MediumType = "TAPE" }, []string{"TAPE", "MEM, SSD or HDD"}},
		"quotas for other paths":   {func(in *input) { in.Runtime.Spec.TieredStore.Levels[0].QuotaList = "1Gi,1Gi" }, []string{"2 quotas for 1 paths"}},
		"two masters":              {func(in *input) { in.Runtime.Spec.Master.Replicas = 2 }, []string{"spec.master.replicas is 2", "1 or 3"}},
		"the node's network":       {func(in *input) { in.Runtime.Spec.Worker.NetworkMode = "HostNetwork" }, []string{"spec.worker.networkMode"}},
		"a property for the shell": {func(in *input) { in.Runtime.Spec.Properties = map[string]string{"a": "$(id)"} }, []string{`spec.properties["a"]`}},
		"an option for the shell":  {func(in *input) { in.Runtime.Spec.Fuse.JvmOptions = []string{"`id`"} }, []string{"spec.fuse.jvmOptions[0]"}},
		"too little memory":        {func(in *input) { in.Runtime.Spec.Worker.Resources = limit("1Gi") }, []string{"spec.worker.resources.limits.memory is 1Gi", "1GB of the memory tier"}},
		"no memory for a master":   {func(in *input) { in.Runtime.Spec.Master.Resources = limit("100Mi") }, []string{"spec.master.resources.limits.memory is 100Mi"}},
		"half a user":              {func(in *input) { in.Runtime.Spec.RunAs = &datav1alpha1.User{UID: new(int64)} }, []string{"spec.runAs"}},
		"a capacity that is none":  {func(in *input) { in.Dataset.Annotations = map[string]string{AnnotationCapacity: "0"} }, []string{AnnotationCapacity, "more than zero"}},
		"several at once": {func(in *input) { in.Dataset.Spec.Mounts, in.Runtime.Spec.Master.Replicas = nil, 5 },
			[]string{"spec.mounts is empty", "spec.master.replicas is 5"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := readInput(t, "example")
			test.spoil(in)
			objects, problems := Desired(in.input(), settings)
			if objects != nil || len(problems) == 0 {
				t.Fatal("there are objects, and problems", problems)
			}
			text := fmt.Sprint(problems)
			for _, part := range test.want {
				if !strings.Contains(text, part) {
					t.Errorf("%s doesn't say %q", text, part)
				}
			}
		})
	}
}

func TestMemoryFollowsTheLimit(t *testing.T) {
	in := readInput(t, "example")
	gib := func(n int64) corev1.ResourceRequirements {
		return corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: *resource.NewQuantity(n<<30, resource.BinarySI)}}
	}
	in.Runtime.Spec.Worker.Resources, in.Runtime.Spec.Master.Resources, in.Runtime.Spec.Fuse.Resources = gib(3), gib(2), gib(1)
	in.Runtime.Spec.Fuse.JvmOptions = []string{"-Xmx100m"}
	objects, problems := Desired(in.input(), settings)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for key, want := range map[string]string{
		keyWorker: "-Xmx1024m -XX:MaxDirectMemorySize=512m ", // of the two that the tier leaves
		keyMaster: "-Xmx1024m ",
		keyFuse:   "-XX:MaxDirectMemorySize=256m -Xmx100m ",
	} {
		if text := objects.Config.Data[key]; !strings.HasSuffix(text, want) {
			t.Errorf("%s is %q", key, text)
		}
	}
}

func TestImages(t *testing.T) {
	for _, test := range []struct{ standard, image, tag, want string }{
		{"a:1", "", "", "a:1"}, {"a:1", "b", "2", "b:2"}, {"a:1", "b:3", "", "b:3"}, {"a:1", "r:5000/b", "2", "r:5000/b:2"}, {"r:5000/a:1", "", "2", "r:5000/a:2"}, {"a:1", "b", "", "b"},
	} {
		if got := imageOf(test.standard, test.image, test.tag); got != test.want {
			t.Errorf("%+v: got %s", test, got)
		}
	}
}

// TestWhatIsDoneToAMountTable: nothing when all is there; children before what they are within; never the root.
func TestWhatIsDoneToAMountTable(t *testing.T) {
	in := readInput(t, "example")
	mounts, _ := MountsOf(in.Dataset)
	is := func(m *Mount) MountPoint {
		return MountPoint{Properties: map[string]string{optionApplied: m.Hash()}}
	}
	verbs := func(table map[string]MountPoint) string {
		var text []string
		for _, operation := range operationsFor(mounts, table) {
			text = append(text, operation.Verb+" "+operation.Path)
		}
		return strings.Join(text, ", ")
	}
	for _, test := range []struct {
		table map[string]MountPoint
		want  string
	}{
		{map[string]MountPoint{"/": {}}, "mount /spark"},
		{map[string]MountPoint{"/": {}, "/spark": is(&mounts[0])}, ""},
		{map[string]MountPoint{"/": {}, "/spark": {}}, "remount /spark"},
		{map[string]MountPoint{"/": {}, "/spark": is(&mounts[0]), "/a": {}, "/a/b": {}}, "unmount /a/b, unmount /a"},
	} {
		if got := verbs(test.table); got != test.want {
			t.Errorf("for %v: %q, want %q", test.table, got, test.want)
		}
	}
}

func TestSecretsAreNamedAndNeverRead(t *testing.T) {
	in := readInput(t, "everything")
	mounts, problems := MountsOf(in.Dataset)
	if len(problems) > 0 || len(mounts) != 3 || rootMount(mounts) == nil {
		t.Fatal(mounts, problems)
	}
	if info := mountInfo(mounts); strings.Contains(info, "bucket/dir") || !strings.Contains(info, "aws.secretKey=/etc/fluid/secrets/a.long.name/secret") {
		t.Error(info)
	}
}
