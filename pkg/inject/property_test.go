package inject

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/test/soak"
)

type (
	object = map[string]any
	list   = []any
)

// generator makes random pods: with fields that nobody knows, lists that are missing, null or empty, and claims, some
// of which have Datasets.
type generator struct{ *rand.Rand }

// someOf returns 0 to n things; sometimes nil, which is JSON's null.
func (g generator) someOf(n int, thing func(i int) any) any {
	if g.IntN(6) == 0 {
		return nil
	}
	things := list{}
	for i := range g.IntN(n + 1) {
		things = append(things, thing(i))
	}
	return things
}

// unknown adds fields that this build doesn't know.
func (g generator) unknown(o object) object {
	for range g.IntN(3) {
		o["future"+strconv.Itoa(g.IntN(3))] = []any{nil, true, json.Number("1.50"), "<&>\u2028", object{"a": list{1, "b"}}, list{}}[g.IntN(6)]
	}
	return o
}

func (g generator) pick(texts ...string) string { return texts[g.IntN(len(texts))] }

// volumes all have different names, among them some that the sidecars' volumes would like.
func (g generator) volume(i int) any {
	names := []string{"data", "thin-conf-0", "thin-fuse-mount-0", "alluxio-fuse-mount-1", "a", "b"}
	volume := object{"name": names[i]}
	switch g.IntN(3) {
	case 0:
		volume["emptyDir"] = object{}
	default:
		claim := object{"claimName": g.pick("refdemo", "other", "database")}
		if g.IntN(2) == 0 {
			claim["readOnly"] = g.IntN(2) == 0
		}
		volume["persistentVolumeClaim"] = g.unknown(claim)
		return volume
	}
	return g.unknown(volume)
}

func (g generator) container(prefix string) func(i int) any {
	return func(i int) any {
		container := object{"name": fmt.Sprintf("%s-%d", prefix, i)}
		if g.IntN(4) > 0 {
			container["volumeMounts"] = g.someOf(4, func(i int) any {
				mount := object{"name": g.pick("data", "a", "b", "nosuch"), "mountPath": fmt.Sprintf("/%d", i)}
				if g.IntN(3) == 0 {
					mount["mountPropagation"] = g.pick("None", "HostToContainer")
				}
				if g.IntN(3) == 0 {
					mount["readOnly"], mount["recursiveReadOnly"] = true, g.pick("Disabled", "IfPossible")
				}
				return g.unknown(mount)
			})
		}
		if g.IntN(4) == 0 {
			container["lifecycle"] = []any{nil, object{}, object{"postStart": nil}, object{"preStop": object{"sleep": object{"seconds": 1}}}, object{"postStart": object{"exec": object{}}}}[g.IntN(5)]
		}
		return g.unknown(container)
	}
}

func (g generator) pod() object {
	metadata := object{"name": "pod", "namespace": "ref", "labels": object{datav1alpha1.LabelInject: "true", "app": "x"}}
	if g.IntN(4) == 0 {
		metadata["labels"].(object)[LabelAppMountCheck] = "true"
	}
	if g.IntN(2) == 0 {
		metadata["annotations"] = []any{nil, object{}, object{"a/~b": "c"}, object{datav1alpha1.AnnotationDatasetsInUse: "other,zoo"}}[g.IntN(4)]
	}
	spec := object{"volumes": g.someOf(6, g.volume), "containers": g.someOf(3, g.container(g.pick("app", "fluid-fuse")))}
	if g.IntN(2) == 0 {
		spec["initContainers"] = g.someOf(3, g.container("init"))
	}
	if g.IntN(2) == 0 {
		spec["imagePullSecrets"] = g.someOf(2, func(i int) any { return g.unknown(object{"name": g.pick("registry", "mine") + strconv.Itoa(i)}) })
	}
	return g.unknown(object{"apiVersion": "v1", "kind": "Pod", "metadata": g.unknown(metadata), "spec": g.unknown(spec)})
}

// randomVariants are the variants that random pods are patched with.
func randomVariants() []Variant {
	return []Variant{{}, {SelfHealing: true}, {Classic: true}, {Classic: true, SelfHealing: true, Shared: true}, {CacheVolumes: true, Unchecked: true}, {Unprivileged: true},
		{Served: true, User: DefaultUser, SelfHealing: true}, {Served: true, User: NoUser, Classic: true, Unchecked: true}}
}

// knownClient lets a sidecar run without privileges.
func knownClient(t testing.TB, sidecar *reference.Sidecar) *reference.Sidecar {
	t.Helper()
	client, err := reference.ParseClient("{}")
	if err != nil {
		t.Fatal(err)
	}
	sidecar.Client, sidecar.Unprivileged = client, nil
	return sidecar
}

func randomSidecars(t testing.TB, variant Variant) map[string]*Sidecar {
	return map[string]*Sidecar{
		"refdemo": Compile(knownClient(t, dataset{"thin", physical, pullSecret}.sidecar(t, "refdemo")), variant),
		"other":   Compile(dataset{"alluxio", physical + "/sub", pullSecret}.sidecar(t, "other"), variant),
	}
}

func TestRandomPodsArePatchedOnceAndKeepEverythingElse(t *testing.T) {
	sidecars := map[Variant]map[string]*Sidecar{}
	for _, variant := range randomVariants() {
		sidecars[variant] = randomSidecars(t, variant)
	}
	patched, refused := 0, 0
	for seed := range uint64(soak.Times(t, 8000)) {
		g := generator{rand.New(rand.NewPCG(seed, 1))}
		variant := randomVariants()[seed%uint64(len(sidecars))]
		raw, err := json.Marshal(g.pod())
		if err != nil {
			t.Fatal(err)
		}
		pod := mustRead(t, raw)
		patch, findings := Patch(pod, sidecars[variant], Options{HostDirectory: "x"})
		if findings.Blocked() {
			if !variant.Classic || findings.Blocking()[0].Code != finding.CodeInitContainerReads {
				t.Fatalf("seed %d: %v", seed, findings)
			}
			refused++
			continue
		}
		again, _ := Patch(mustRead(t, raw), sidecars[variant], Options{HostDirectory: "x"})
		if !bytes.Equal(patch, again) {
			t.Errorf("seed %d: two patches of one pod differ", seed)
		}
		if patch == nil {
			continue
		}
		patched++
		result := apply(t, raw, patch)
		if more, found := Patch(mustRead(t, result), sidecars[variant], Options{HostDirectory: "x"}); more != nil || len(found) > 0 {
			t.Errorf("seed %d: the patched pod is patched again: %s %v", seed, more, found)
		}
		checkUntouched(t, raw, result, patch)
		if t.Failed() {
			t.Fatalf("seed %d: pod %s\npatch %s", seed, raw, patch)
		}
	}
	if patched < 2000 || refused < 100 {
		t.Errorf("only %d pods were patched and %d refused: the generator is of no use", patched, refused)
	}
}

// checkUntouched makes sure that a patch only adds and replaces, replaces no list, and leaves everything alone but the
// paths that the engine owns.
func checkUntouched(t testing.TB, raw, patched, patch []byte) {
	t.Helper()
	before, after := decodeAny(t, raw), decodeAny(t, patched)
	for _, operation := range decodeAny(t, patch).(list) {
		op, path := operation.(object)["op"].(string), operation.(object)["path"].(string)
		if op != "add" && op != "replace" {
			t.Errorf("operation %s %s", op, path)
		}
		if _, isList := lookup(before, path).(list); isList {
			t.Errorf("%s %s writes a list that is there", op, path)
		}
	}
	concerned, claimReadOnly := concernedVolumes(before, after)
	for _, pod := range []object{before.(object), after.(object)} {
		maskMetadata(pod)
	}
	was, is := before.(object)["spec"].(object), after.(object)["spec"].(object)
	for _, name := range []string{"initContainers", "containers"} {
		if added := length(is[name]) - length(was[name]); added > 0 {
			is[name] = is[name].(list)[added:]
		}
	}
	for _, name := range []string{"volumes", "imagePullSecrets"} {
		if added := length(is[name]) - length(was[name]); added > 0 {
			is[name] = is[name].(list)[:length(was[name])]
		}
	}
	for _, spec := range []object{was, is} {
		maskSpec(spec, concerned, claimReadOnly)
	}
	if !reflect.DeepEqual(before, after) {
		t.Errorf("the patch changed more than it owns\nbefore %v\nafter  %v", before, after)
	}
}

// concernedVolumes returns the names of the volumes that were claims and aren't any more, and of the read-only ones.
func concernedVolumes(before, after any) (concerned, readOnly map[string]bool) {
	concerned, readOnly = map[string]bool{}, map[string]bool{}
	volumes, _ := lookup(before, "/spec/volumes").(list)
	for i := range volumes {
		name := lookup(volumes[i], "/name")
		if claim := lookup(volumes[i], "/persistentVolumeClaim"); claim != nil && lookup(after, fmt.Sprintf("/spec/volumes/%d/persistentVolumeClaim", i)) == nil {
			concerned[name.(string)] = true
			readOnly[name.(string)] = lookup(claim, "/readOnly") == true
		}
	}
	return concerned, readOnly
}

// maskMetadata takes off the labels and annotations that the engine owns.
func maskMetadata(pod object) {
	metadata := pod["metadata"].(object)
	labels, _ := metadata["labels"].(object)
	for key := range labels {
		if key == datav1alpha1.LabelInjectionDone || key == datav1alpha1.LabelManagedBy ||
			strings.HasPrefix(key, datav1alpha1.LabelSidecarDatasetName) || strings.HasPrefix(key, datav1alpha1.LabelSidecarDatasetNamespace) {
			delete(labels, key)
		}
	}
	annotations, _ := metadata["annotations"].(object)
	delete(annotations, datav1alpha1.AnnotationDatasetsInUse)
	delete(annotations, AnnotationInjectedBy)
	delete(annotations, AnnotationDatasetVolumes)
	if len(annotations) == 0 {
		delete(metadata, "annotations")
	}
}

// maskSpec takes off what the engine owns of lists that are as long as they were.
func maskSpec(spec object, concerned, claimReadOnly map[string]bool) {
	volumes, _ := spec["volumes"].(list)
	for i := range volumes {
		if name := volumes[i].(object)["name"].(string); concerned[name] {
			volumes[i] = object{"name": name}
		}
	}
	for _, lists := range []string{"initContainers", "containers"} {
		containers, _ := spec[lists].(list)
		for _, container := range containers {
			maskHook(container.(object))
			mounts, _ := container.(object)["volumeMounts"].(list)
			for _, mount := range mounts {
				name := mount.(object)["name"].(string)
				if concerned[name] {
					delete(mount.(object), "mountPropagation")
					delete(mount.(object), "recursiveReadOnly")
				}
				if claimReadOnly[name] {
					delete(mount.(object), "readOnly")
				}
			}
		}
	}
	for _, name := range []string{"initContainers", "containers", "imagePullSecrets"} {
		if length(spec[name]) == 0 {
			delete(spec, name)
		}
	}
}

// maskHook takes off the check of mounts that a container of the app may have got, and the place for it.
func maskHook(container object) {
	lifecycle, _ := container["lifecycle"].(object)
	if words, _ := lookup(lifecycle, "/postStart/exec/command").(list); lifecycle["postStart"] == nil || len(words) > 3 && words[3] == "await" {
		delete(lifecycle, "postStart")
	}
	if len(lifecycle) == 0 {
		delete(container, "lifecycle")
	}
}

func length(value any) int {
	things, _ := value.(list)
	return len(things)
}

// decodeAny decodes JSON with numbers as they are written.
func decodeAny(t testing.TB, raw []byte) any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

// lookup returns what is at a JSON pointer, or nil.
func lookup(value any, pointer string) any {
	for _, word := range strings.Split(pointer, "/")[1:] {
		switch at := value.(type) {
		case object:
			value = at[word]
		case list:
			i, err := strconv.Atoi(word)
			if err != nil || i >= len(at) {
				return nil
			}
			value = at[i]
		default:
			return nil
		}
	}
	return value
}

// seeds gives a fuzz test the pods of the golden files and some that are hardly pods.
func seeds(f *testing.F) {
	for _, c := range goldenCases() {
		f.Add(readPod(f, c.pod))
	}
	for seed := range uint64(20) {
		raw, err := json.Marshal(generator{rand.New(rand.NewPCG(seed, 2))}.pod())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	const labels = `{"metadata":{"labels":{"serverless.fluid.io/inject":"true"}},"spec":`
	for _, spec := range []string{`null`, `{"volumes":null,"containers":[null]}`, `{"Volumes":[{"name":"a","persistentVolumeClaim":{"claimName":"x"}}]}`,
		`{"volumes":[{"persistentVolumeClaim":{}}],"containers":[{"volumeMounts":[null]}]}`} {
		f.Add([]byte(labels + spec + `}`))
	}
}

func FuzzReadPod(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		compareReaders(t, raw)
		if pod, err := ReadPod(raw); err == nil {
			_, _, _ = pod.Name(), pod.Wants(), pod.Claims()
		}
	})
}

func FuzzPatch(f *testing.F) {
	seeds(f)
	sidecars := map[Variant]*Sidecar{}
	for _, variant := range randomVariants() {
		sidecars[variant] = Compile(knownClient(f, dataset{"thin", physical + "/sub", pullSecret}.sidecar(f, "refdemo")), variant)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		pod, err := ReadPod(raw)
		if err != nil || !pod.Wants() {
			return
		}
		_, _ = pod.Variant(podObject("ref", pod), Variant{})
		for _, sidecar := range sidecars {
			fuzzPatch(t, raw, pod, sidecar)
		}
	})
}

// fuzzPatch patches a pod twice with one sidecar for all of its claims.
func fuzzPatch(t *testing.T, raw []byte, pod *Pod, sidecar *Sidecar) {
	sidecars := map[string]*Sidecar{}
	for _, claim := range pod.Claims() {
		sidecars[claim] = sidecar
	}
	patch, findings := Patch(pod, sidecars, Options{HostDirectory: "x"})
	if patch == nil {
		if len(sidecars) > 0 && len(findings) == 0 && pod.injectedVolumes() == nil {
			t.Error("there is neither a patch nor a reason")
		}
		return
	}
	if more, _ := Patch(mustRead(t, apply(t, raw, patch)), sidecars, Options{HostDirectory: "x"}); more != nil {
		t.Errorf("the patched pod is patched again: %s", more)
	}
}
