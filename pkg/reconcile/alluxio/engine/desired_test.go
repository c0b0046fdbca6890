package engine

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/yaml"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/test/golden"
)

// settings of the tests' controller.
var settings = Settings{Image: "kubectl-fluid/alluxio:2.9.6", Controller: "kubectl-fluid-system"}

// input is what a golden test is made from, as a user writes it.
type input struct {
	Dataset   *datav1alpha1.Dataset        `json:"dataset"`
	Runtime   *datav1alpha1.AlluxioRuntime `json:"runtime"`
	Consumers []string                     `json:"consumers"`
}

func (in *input) input() Input {
	return Input{Dataset: in.Dataset, Runtime: in.Runtime, Consumers: in.Consumers}
}

func readInput(t *testing.T, name string) *input {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".in.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	in := &input{}
	if err := yaml.UnmarshalStrict(text, in); err != nil {
		t.Fatalf("reading %s: %v", name, err)
	}
	return in
}

// TestDesiredObjects compares the objects for testdata/<case>.in.yaml, and the Job that mounts, with testdata/<case>.out.yaml.
func TestDesiredObjects(t *testing.T) {
	files, err := filepath.Glob("testdata/*.in.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no input in testdata:", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".in.yaml")
		t.Run(name, func(t *testing.T) {
			in := readInput(t, name)
			before := input{in.Dataset.DeepCopy(), in.Runtime.DeepCopy(), in.Consumers}
			objects, problems := Desired(in.input(), settings)
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			e, _ := New(in.input(), settings)
			operations := operationsFor(objects.Mounts, map[string]MountPoint{"/": {}})
			job := e.job(JobMount, []string{"10.0.0.1"}, operations, "hash")
			job.Spec.Template.Spec.Containers[0].Command[2] = "(job.sh)"
			for i := range objects.Master.Spec.Template.Spec.InitContainers {
				objects.Master.Spec.Template.Spec.InitContainers[i].Command[2] = "(site.sh)"
			}
			if !equality.Semantic.DeepEqual(before, *in) {
				t.Error("Desired changed its input")
			}
			var got bytes.Buffer
			for _, object := range append(objects.Workloads(), objects.Volume, objects.Claim, job) {
				text, err := yaml.Marshal(object)
				if err != nil {
					t.Fatal(err)
				}
				got.WriteString("---\n")
				got.Write(text)
			}
			golden.Compare(t, filepath.Join("testdata", name+".out.yaml"), got.Bytes())
		})
	}
}
