package plugin

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/inject"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/manifest"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/injection"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// withoutRequests is a connection for which every request is a mistake.
func withoutRequests(kubeconfig Kubeconfig) Connection {
	return &fakeConnection{kubeconfig: kubeconfig, client: unusable{}, err: errors.New("a request was made")}
}

// TestInjectGolden injects without a single request: the Datasets are in files.
func TestInjectGolden(t *testing.T) {
	const files = " --offline --objects testdata/alluxio.yaml --objects testdata/references.yaml"
	for name, command := range map[string]string{
		"inject":              "inject -f testdata/inject/app.yaml -n ref",
		"inject-diff":         "inject -f testdata/inject/app.yaml -n ref --diff",
		"inject-classic":      "inject -f testdata/inject/app.yaml -n ref --mode classic",
		"inject-old-server":   "inject -f testdata/inject/app.yaml -n ref --kubernetes 1.28",
		"inject-all":          "inject -f testdata/inject/app.yaml -n ref --all --diff --kubernetes v1.30.1",
		"inject-several":      "inject -f testdata/inject/nothing.yaml,testdata/inject/app.yaml -n ref --diff",
		"inject-nothing":      "inject -f testdata/inject/nothing.yaml -n ref",
		"inject-source-names": "inject -f testdata/inject/app.yaml -n ref --diff --mirror-names=source",
		"inject-chinese":      "inject -f testdata/inject/app.yaml -n ref --diff --lang zh",
	} {
		t.Run(name, func(t *testing.T) {
			compare(t, name+".txt", "$ kubectl fluid "+command+"\n"+run(t.Context(), withoutRequests, command+files).text())
		})
	}
}

// TestInjectIsAllOrNothing: where one object can't have its sidecars, nothing is printed that somebody could apply.
func TestInjectIsAllOrNothing(t *testing.T) {
	for name, files := range map[string]string{
		"dataset unknown":    "",
		"template missing":   " --objects testdata/references.yaml",
		"physical not there": " --objects testdata/references.yaml --objects testdata/thin.yaml",
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t.Context(), withoutRequests, "inject -f testdata/inject/app.yaml -n ref --offline"+files)
			if name == "dataset unknown" {
				// Nobody knows that the claim is a Dataset's: it's said, and the manifests come out as they are.
				if r.code != ExitOK || !strings.Contains(r.err, "KF4005") {
					t.Error(r.text())
				}
				return
			}
			if r.code != ExitFindings || r.out != "" || !strings.Contains(r.err, "nothing was printed") {
				t.Error(r.text())
			}
		})
	}
}

// TestInjectIsWhatTheEngineMakes: the text says what the engine's patch makes of the object, and the documents around it
// are the same bytes.
func TestInjectIsWhatTheEngineMakes(t *testing.T) {
	files, err := filepath.Glob("../inject/testdata/pods/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	before, err := os.ReadFile("testdata/inject/nothing.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		pod, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		stream := string(before) + "---\n" + string(pod) + "\n---\n" + string(before)
		r := runWithInput(t, stream, "inject -f - -n ref --offline --all --objects testdata/alluxio.yaml --objects testdata/references.yaml")
		switch r.code {
		case ExitOK:
			rest, head := strings.CutPrefix(r.out, string(before))
			rest, tail := strings.CutSuffix(rest, "\n---\n"+string(before))
			if !head || !tail {
				t.Errorf("%s: the documents around it have changed:\n%s", file, r.out)
			}
			sameAsEngine(t, pod, []byte(strings.TrimPrefix(rest, "---\n")))
		case ExitFindings:
			if r.out != "" {
				t.Errorf("%s: %s", file, r.text())
			}
		default:
			t.Errorf("%s: %s", file, r.text())
		}
	}
}

// sameAsEngine compares a document with what the engine's patches make of the one before.
func sameAsEngine(t *testing.T, before, after []byte) {
	t.Helper()
	c, err := cluster.Open(t.Context(), Environment{}, cluster.ManifestFlags{Offline: true, Filenames: []string{"testdata/alluxio.yaml", "testdata/references.yaml"}}, "ref")
	if err != nil {
		t.Fatal(err)
	}
	i := &injection.Injector{Ctx: t.Context(), Reader: c, Settings: cluster.Settings{MirrorNames: reference.UniqueNames},
		Options: inject.TemplateOptions{Namespace: "ref", Unasked: true, Variant: inject.Variant{SelfHealing: true, Served: true, User: inject.DefaultUser}}}
	object, err := manifest.JSON(before)
	if err != nil {
		t.Fatal(err)
	}
	results, err := inject.Template(object, i.Find, i.Options)
	if err != nil || len(results) != 1 {
		t.Fatal(results, err)
	}
	if results[0].Patch != nil {
		var patch jsonpatch.Patch
		if patch, err = jsonpatch.DecodePatch(results[0].Patch); err == nil {
			object, err = patch.Apply(object)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err := manifest.JSON(after)
	if err != nil {
		t.Fatalf("%v\n%s", err, after)
	}
	var want, is any
	if err := errors.Join(json.Unmarshal(object, &want), json.Unmarshal(got, &is)); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(want, is) {
		t.Errorf("it is\n%s\nand the engine makes\n%s", got, object)
	}
}

func runWithInput(t *testing.T, input, command string) result {
	t.Helper()
	var out, errOut bytes.Buffer
	code := Main(t.Context(), Environment{IOStreams: genericiooptions.IOStreams{In: strings.NewReader(input), Out: &out, ErrOut: &errOut},
		Now: testNow, Connect: withoutRequests}, strings.Fields(command))
	return result{out.String(), errOut.String(), code}
}

// TestRealInject injects with the Datasets of a cluster: as few requests as it takes, and the same text as from files.
func TestRealInject(t *testing.T) {
	r := newRealCluster(t)
	r.put(t, "ref", "namespaces.yaml", "alluxio.yaml", "references.yaml")
	live := r.mustNotWrite(t, "inject -f testdata/inject/app.yaml -n ref --mirror-names=unique", ExitOK)
	files := run(t.Context(), withoutRequests, "inject -f testdata/inject/app.yaml -n ref --offline --objects testdata/alluxio.yaml --objects testdata/references.yaml")
	// The API server fills in what the DaemonSet's container leaves out, and injection the path of its last words.
	defaulted := regexp.MustCompile(` +(terminationMessagePath: /dev/termination-log|terminationMessagePolicy: File|imagePullPolicy: IfNotPresent)\n`)
	if defaulted.ReplaceAllString(live.out, "") != defaulted.ReplaceAllString(files.out, "") || files.code != ExitOK {
		t.Errorf("live:\n%s\nfiles:\n%s", live.text(), files.text())
	}
	if res := r.mustNotWrite(t, "inject -f testdata/inject/app.yaml -n ref --mirror-names=unique --mode "+string(inject.ModeClassic), ExitOK); res.out == live.out {
		t.Error("--mode has no effect")
	}
}
