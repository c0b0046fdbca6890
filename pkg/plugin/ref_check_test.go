package plugin

import (
	"os"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/output"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// TestCheckManifests checks references of files, over a cluster and without one; what is offline asks no cluster.
func TestCheckManifests(t *testing.T) {
	const all = "-f testdata/manifests/physical.yaml,testdata/manifests/neighbour.yaml -f testdata/manifests/references.yaml"
	for _, test := range []struct {
		name, command string
		files         []string // nil: no cluster
	}{
		{"offline-seed-source", "ref check refdemo -n ref " + all + " --offline --mirror-names=source", nil},
		{"offline-seed-unique", "ref check refdemo -n ref " + all + " --offline --mirror-names=unique -o wide", nil},
		{"offline-from", "ref check --from default/phy --name demo -n ref -f testdata/manifests --offline --mirror-names=source -o short", nil},
		{"offline-directory", "ref check -n ref -f testdata/manifests --offline", nil},
		{"offline-nothing", "ref check -n ref -f testdata/manifests/physical.yaml --offline", nil},
		{"offline-whole-cluster", "ref check -A -f testdata/alluxio.yaml,testdata/collision.yaml,testdata/references.yaml --offline --mirror-names=both -o short", nil},
		{"over-cluster", "ref check -n ref -f testdata/manifests/references.yaml", []string{"alluxio.yaml", "collision.yaml"}},
		{"over-cluster-name", "ref check refdemo -n ref -f testdata/manifests --mirror-names=source", []string{"alluxio.yaml"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			connect := noCluster(t)
			if test.files != nil {
				c := fakeClient(t, test.files...)
				if err := c.Create(t.Context(), own("unique")); err != nil {
					t.Fatal(err)
				}
				connect = connectTo(c)
			}
			r := run(t.Context(), connect, test.command)
			compare(t, "manifests-"+test.name+".txt", "$ kubectl fluid "+test.command+"\n"+r.text())
		})
	}
}

// TestCheckStdin reads manifests from stdin; only once.
func TestCheckStdin(t *testing.T) {
	data, err := os.ReadFile("testdata/manifests/references.yaml")
	if err != nil {
		t.Fatal(err)
	}
	env := Environment{Connect: noCluster(t)}
	env.In = strings.NewReader(string(data))
	r := runIn(t.Context(), env, strings.Fields("ref check -n ref -f - --offline -o jsonpath={.references[*].file}"))
	if r.out != "stdin stdin" || r.code != ExitOK {
		t.Error(r.text())
	}
}

// TestManifestsThatCantBeRead: exit code 1, with the file and what is wrong.
func TestManifestsThatCantBeRead(t *testing.T) {
	for content, says := range map[string]string{
		"a: {":                    "document 1: reading YAML",
		"a: 1\na: 2":              "document 1: reading YAML",
		"- a":                     "it isn't an object",
		"a: 1":                    "no apiVersion and kind",
		"apiVersion: v1\nkind: A": "the A has no name",
		"---\napiVersion: v1\nkind: List\nitems: [{kind: A, apiVersion: v1, metadata: {name: a}}, {}]": "item 2",
	} {
		env := Environment{Connect: noCluster(t)}
		env.In = strings.NewReader(content)
		r := runIn(t.Context(), env, strings.Fields("ref check -n ref -f - --offline"))
		if r.code != ExitFailed || !strings.Contains(r.err, says) || !strings.Contains(r.err, "stdin") || r.out != "" {
			t.Errorf("%q: %s", content, r.text())
		}
	}
	directory := t.TempDir()
	r := run(t.Context(), noCluster(t), "ref check --offline -f "+directory)
	if r.code != ExitFailed || !strings.Contains(r.err, "no file that ends in .yaml") {
		t.Error(r.text())
	}
	if err := os.WriteFile(directory+"/kustomization.yaml", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	r = run(t.Context(), noCluster(t), "ref check --offline -f "+directory)
	if r.code != ExitFailed || !strings.Contains(r.err, "give it with -k "+directory) {
		t.Error(r.text())
	}
}

// TestChosenFindings: what is left out is skipped and says so; what couldn't be looked at stays.
func TestChosenFindings(t *testing.T) {
	files := []string{"alluxio.yaml", "thin.yaml", "collision.yaml", "references.yaml"}
	const check = "ref check --from default/phy -n ref --mirror-names=source -o jsonpath={.references[0].results[?(@.code=='KF3004')].state}/{.summary.state} "
	for _, test := range []struct {
		flags, want string
		code        int
	}{
		{"", "error/error", ExitFindings},
		{"--only KF3004", "error/error", ExitFindings},
		{"--only kf3001", "skipped/pass", ExitOK},
		{"--only KF3001,KF3004", "error/error", ExitFindings},
		{"--skip KF3004", "skipped/pass", ExitOK},
		{"--only KF3004 --skip KF3004", "skipped/skipped", ExitOK},
		{"--fail-on never", "error/error", ExitOK},
	} {
		r := run(t.Context(), connectTo(fakeClient(t, files...)), check+test.flags)
		if r.code != test.code || r.out != test.want {
			t.Errorf("%s: %s", test.flags, r.text())
		}
	}
}

// TestIgnoredFindings: the annotation of a Dataset leaves findings out.
func TestIgnoredFindings(t *testing.T) {
	c := fakeClient(t, "references.yaml")
	for annotation, want := range map[string]string{"": "error", "KF3001": "skipped", "kf9999, kf3001 ,": "skipped", "KF3002": "error"} {
		dataset := cluster.NewDatasetObject()
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: "other", Name: "malformed"}, dataset); err != nil {
			t.Fatal(err)
		}
		dataset.SetAnnotations(map[string]string{output.AnnotationIgnore: annotation})
		if err := c.Update(t.Context(), dataset); err != nil {
			t.Fatal(err)
		}
		r := run(t.Context(), connectTo(c), "ref check malformed -n other -o jsonpath={.references[0].results[?(@.code=='KF3001')].state}")
		if r.out != want {
			t.Errorf("%q: %s", annotation, r.text())
		}
	}
}

// TestIgnoredFindingsOfPods: so does that of a pod, and that of a workload's pod template.
func TestIgnoredFindingsOfPods(t *testing.T) {
	pod := func(annotations string) string {
		return "kind: Pod\napiVersion: v1\nmetadata: {name: a, namespace: ref" + annotations + "}\nspec: {volumes: [{name: d, persistentVolumeClaim: {claimName: refdemo}}]}\n"
	}
	const ignore = ", annotations: {" + output.AnnotationIgnore + ": KF4007}"
	deployment := "kind: Deployment\napiVersion: apps/v1\nmetadata: {name: a, namespace: ref}\nspec: {template: {metadata: {labels: {a: b}" + ignore + "}, spec: {volumes: [{name: d, persistentVolumeClaim: {claimName: refdemo}}]}}}\n"
	for manifest, want := range map[string]string{pod(""): "warning", pod(ignore): "skipped", deployment: "skipped"} {
		env := Environment{Connect: noCluster(t)}
		env.In = strings.NewReader(manifest)
		r := runIn(t.Context(), env, strings.Fields("inspect sidecar -f - -f testdata/references.yaml --offline -o jsonpath={.pods[0].results[?(@.code=='KF4007')].state}"))
		if r.out != want {
			t.Errorf("%s: %s", manifest, r.text())
		}
	}
}

// TestSeedCase: ref has an Alluxio Dataset phy with its ConfigMap phy-config. Under Fluid's naming a reference to
// default/phy would take it for its own; the check names it, its owner and the remedy. Under names of their own it passes
// and says why.
func TestSeedCase(t *testing.T) {
	files := []string{"alluxio.yaml", "collision.yaml"}
	checkSeedCase(t, func(command string) result { return run(t.Context(), connectTo(fakeClient(t, files...)), command) })
}

func checkSeedCase(t *testing.T, run func(command string) result) {
	t.Helper()
	const check = "ref check --from default/phy --name refdemo -n ref --mirror-names="
	r := run(check + string(reference.SourceNames))
	for _, want := range []string{"error", "KF3004", "ConfigMap ref/phy-config", "owned by AlluxioRuntime phy", "what to do: rename the object that has the name"} {
		if r.code != ExitFindings || !strings.Contains(r.out, want) {
			t.Errorf("%q isn't in it: %s", want, r.text())
		}
	}
	r = run(check + string(reference.UniqueNames))
	for _, want := range []string{"pass", "KF3013", "the copy is called refdemo-phy-config-", "neither read nor written"} {
		if r.code != ExitOK || !strings.Contains(r.out, want) {
			t.Errorf("%q isn't in it: %s", want, r.text())
		}
	}
}
