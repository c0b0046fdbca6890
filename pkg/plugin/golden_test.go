package plugin

import (
	"regexp"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// webhook returns a MutatingWebhookConfiguration.
func webhook(name string, annotations map[string]string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(schema.GroupVersionKind{Group: "admissionregistration.k8s.io", Version: "v1", Kind: "MutatingWebhookConfiguration"})
	object.SetName(name)
	object.SetAnnotations(annotations)
	return object
}

func own(naming string) *unstructured.Unstructured {
	return webhook(cluster.OwnWebhook, map[string]string{reference.AnnotationMirrorNames: naming, reference.AnnotationSharing: "rbac"})
}

func TestGolden(t *testing.T) {
	physical := []string{"alluxio.yaml", "thin.yaml"}
	collision := append([]string{"collision.yaml"}, physical...)
	everything := append([]string{"references.yaml", "pods.yaml"}, collision...)
	for _, test := range []struct {
		name, command string
		files         []string
		webhooks      []*unstructured.Unstructured
	}{
		{"help", "--help", nil, nil},
		{"ref-create-help", "ref create --help", nil, nil},
		{"version-client", "version --client -o json", nil, nil},
		{"explain", "explain kf3004", nil, nil},
		{"explain-yaml", "explain KF3013 -o yaml", nil, nil},

		{"create", "ref create refdemo -n ref --from default/phy", physical, []*unstructured.Unstructured{own("unique")}},
		{"create-thin-subpath", "ref create nfs -n ref --from default/nfs/a/日志 --access-mode ReadWriteMany", physical, []*unstructured.Unstructured{own("unique")}},
		{"create-yaml", "ref create refdemo -n ref --from dataset://default/phy --dry-run=client -o yaml", physical, []*unstructured.Unstructured{own("unique")}},
		{"create-name", "ref create refdemo -n ref --from default/phy -o name", physical, []*unstructured.Unstructured{own("unique")}},
		{"create-several", "ref create a b --from default/phy --namespaces team-a,team-b --labels tier=gold --annotations note=why", physical, []*unstructured.Unstructured{own("unique")}},
		{"create-several-yaml", "ref create a b -n team-a --from default/phy --labels tier=gold --dry-run=client -o yaml", physical, []*unstructured.Unstructured{own("unique")}},
		{"create-several-one-refused", "ref create fine plain -n ref --from default/phy", everything, []*unstructured.Unstructured{own("unique")}},
		{"create-vineyard", "ref create a -n ref --from default/vineyard", []string{"vineyard.yaml"}, []*unstructured.Unstructured{own("unique")}},
		{"create-vineyard-force", "ref create a -n ref --from default/vineyard --force", []string{"vineyard.yaml"}, []*unstructured.Unstructured{own("unique")}},
		{"create-force-collision", "ref create refdemo -n ref --from default/phy --force", collision, []*unstructured.Unstructured{webhook(reference.FluidWebhook, nil)}},
		{"create-physical-missing", "ref create refdemo -n ref --from default/later", physical, []*unstructured.Unstructured{own("unique")}},
		{"create-collision", "ref create refdemo -n ref --from default/phy", collision, []*unstructured.Unstructured{webhook(reference.FluidWebhook, nil)}},
		{"create-no-collision", "ref create refdemo -n ref --from default/phy", collision, []*unstructured.Unstructured{own("unique")}},
		{"create-not-a-reference", "ref create plain -n ref --from default/phy", everything, nil},
		{"create-other-source", "ref create refdemo -n ref --from default/nfs", everything, nil},
		{"create-chain", "ref create again -n ref --from other/fluids-own", everything, []*unstructured.Unstructured{own("unique")}},

		{"list", "ref list -n ref", everything, nil},
		{"list-all-wide", "ref list -A -o wide", everything, nil},
		{"list-json", "ref list -n ref -o json", everything, nil},
		{"list-name", "ref ls -A -o name", everything, nil},
		{"list-from", "ref list -A --from default/phy", everything, nil},
		{"list-from-subpath", "ref list -A --from default/phy/spark", everything, nil},
		{"list-from-none", "ref list -A --from default/nobody", everything, nil},
		{"list-broken", "ref list -A --broken", everything, nil},
		{"list-none", "ref list -n empty", everything, nil},
		{"list-none-yaml", "ref list -n empty -o yaml", everything, nil},

		{"check-seed-source", "ref check --from default/phy --name refdemo -n ref --mirror-names=source", collision, nil},
		{"check-seed-unique", "ref check --from default/phy --name refdemo -n ref --mirror-names=unique", collision, nil},
		{"check-json", "ref check --from default/phy -n ref --mirror-names=source -o json", collision, nil},
		{"check-fluid", "ref check refdemo -n ref", append([]string{"fluid.yaml"}, physical...), []*unstructured.Unstructured{webhook(reference.FluidWebhook, nil)}},
		{"check-all", "ref check -n ref", everything, []*unstructured.Unstructured{own("unique")}},
		{"check-annotation-unknown", "ref check --from default/phy -n ref", physical, []*unstructured.Unstructured{own("other")}},
		{"check-nothing-injects", "ref check --from default/nfs -n ref", physical, nil},
		{"check-missing", "ref check nosuch -n ref", physical, nil},
		{"check-plain", "ref check plain -n ref", everything, nil},
		{"check-name-in-use", "ref check --from default/phy --name plain -n ref", everything, []*unstructured.Unstructured{own("unique")}},

		{"inspect-native", "inspect sidecar native -n ref", everything, []*unstructured.Unstructured{own("unique")}},
		{"inspect-native-json", "inspect sidecar native -n ref -o json", everything, []*unstructured.Unstructured{own("unique")}},
		{"inspect-unprivileged", "inspect sidecar unprivileged -n ref", append([]string{"unprivileged-pod.yaml"}, everything...), []*unstructured.Unstructured{own("unique")}},
		{"inspect-classic", "inspect sidecar classic -n ref", everything, []*unstructured.Unstructured{webhook(reference.FluidWebhook, nil)}},
		{"inspect-not-labelled", "inspect sidecar not-labelled -n ref", everything, []*unstructured.Unstructured{own("unique")}},
		{"inspect-forbidden", "inspect sidecar forbidden -n ref", everything, []*unstructured.Unstructured{own("unique")}},
		{"inspect-not-injected", "inspect sidecar not-injected -n ref", everything, []*unstructured.Unstructured{own("unique")}},
		{"inspect-no-claim", "inspect sidecar no-claim -n ref", everything, []*unstructured.Unstructured{own("unique")}},
		{"inspect-plain", "inspect sidecar plain -n ref -o yaml", everything, []*unstructured.Unstructured{own("unique")}},
		{"inspect-missing", "inspect sidecar nosuch -n ref", everything, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := fakeClient(t, test.files...)
			for _, w := range test.webhooks {
				if err := c.Create(t.Context(), w); err != nil {
					t.Fatal(err)
				}
			}
			r := run(t.Context(), connectTo(c), test.command)
			compare(t, test.name+".txt", "$ kubectl fluid "+test.command+"\n"+normal(r.text()))
		})
	}
}

// TestExitCodesDontDependOnTheFormat runs each state in each format.
func TestExitCodesDontDependOnTheFormat(t *testing.T) {
	files := []string{"alluxio.yaml", "thin.yaml", "collision.yaml", "references.yaml", "pods.yaml"}
	for _, test := range []struct {
		command string
		formats []string
		want    int
	}{
		{"ref create new -n ref --from default/phy --dry-run=client", []string{"", "json", "yaml", "name"}, ExitOK},
		{"ref create new -n ref --from default/later --dry-run=client", []string{"", "json", "yaml", "name"}, ExitOK},
		{"ref create new -n ref --from default/phy --dry-run=client --mirror-names=source", []string{"", "json", "yaml", "name"}, ExitFindings},
		{"ref create plain -n ref --from default/phy", []string{"", "json", "yaml", "name"}, ExitFindings},
		{"ref create new -n ref --from default", []string{"", "json", "yaml", "name"}, ExitUsage},
		{"ref list -n ref", []string{"", "wide", "json", "yaml", "name"}, ExitOK},
		{"ref list -n none", []string{"", "wide", "json", "yaml", "name"}, ExitOK},
		{"ref check -n ref", []string{"", "wide", "json", "yaml"}, ExitOK},
		{"ref check -n other", []string{"", "wide", "json", "yaml"}, ExitFindings},
		{"ref check nosuch -n ref", []string{"", "wide", "json", "yaml"}, ExitFailed},
		{"ref check --from default/phy -n ref --mirror-names=source", []string{"", "wide", "json", "yaml"}, ExitFindings},
		{"inspect sidecar native -n ref", []string{"", "json", "yaml"}, ExitOK},
		{"inspect sidecar not-injected -n ref", []string{"", "json", "yaml"}, ExitFindings},
		{"inspect sidecar nosuch -n ref", []string{"", "json", "yaml"}, ExitFailed},
		{"explain KF3004", []string{"", "json", "yaml"}, ExitOK},
		{"explain KF9999", []string{"", "json", "yaml"}, ExitUsage},
		{"version", []string{"", "json", "yaml"}, ExitOK},
	} {
		for _, format := range test.formats {
			command := test.command
			if format != "" {
				command += " -o " + format
			}
			t.Run(command, func(t *testing.T) {
				r := run(t.Context(), connectTo(fakeClient(t, files...)), command)
				if r.code != test.want {
					t.Errorf("exit code %d, want %d\n%s", r.code, test.want, r.text())
				}
			})
		}
	}
}

// TestUsageErrors runs wrong command lines: exit code 2, before anything is asked of a cluster.
func TestUsageErrors(t *testing.T) {
	for _, command := range []string{
		"nosuch", "ref nosuch", "ref lst", "inspect nosuch", "--nosuch", "ref create --nosuch", "ref list extra", "version extra",
		"ref create", "ref create a", "ref create --from default/phy", "ref create a a --from default/phy", "ref create a B --from default/phy", "ref create a --from default/phy --namespaces a,B", "ref create phy --from default/phy --namespaces a,default", "ref create a --from default/phy --labels a", "ref create a --from default/phy --labels a/b/c=d", "ref create a --from default/phy --annotations =d", "ref list --lang fr", "ref check --lang xx", "ref check --offline", "ref check -R", "ref check -f https://example.com/a.yaml", "ref check -f - -f -", "ref check --only KF9999", "ref check --skip nonsense", "ref check --fail-on maybe", "ref check -A a", "ref check -A --from default/phy", "ref list -o jsonpath={", "ref list -o go-template={{", "ref list -o custom-columns=", "ref list -o custom-columns=A", "ref list -o custom-columns=A:{", "ref list -o junit", "ref list -w -o json", "ref list --from default", "ref create a --from=", "ref create a --from default",
		"ref create a --from /phy", "ref create a --from default/", "ref create a --from default/phy/", "ref create a --from default/phy//x",
		"ref create a --from default/phy/..", "ref create a --from default/phy/../../etc", "ref create a --from default/phy/.",
		"ref create a --from Default/phy", "ref create a --from default/Phy", "ref create a --from default/phy/$(id)",
		"ref create a --from default/phy/a;b", "ref create a --from default/phy/`id`", "ref create a --from default/phy/a|b",
		"ref create a --from Dataset://default/phy", "ref create a --from ../phy", "ref create A --from default/phy",
		"ref create 1a --from default/phy", "ref create a.b --from default/phy", "ref create a -n Ref --from default/phy",
		"ref create a -n a/b --from default/phy", "ref create phy -n default --from default/phy",
		"ref create a --from default/phy --access-mode ROX", "ref create a --from default/phy --dry-run", "ref create a --from default/phy --dry-run=maybe",
		"ref create a --from default/phy --wait --dry-run=client", "ref create a --from default/phy --wait --timeout 0s",
		"ref create a --from default/phy --timeout nonsense", "ref create a --from default/phy -o table",
		"ref create a --from default/phy --mirror-names=own", "ref list2", "ref check a --from default/phy", "ref check --name a",
		"ref check A", "ref check a b", "ref check --from default", "ref check --from default/phy -n default", "ref check -o table",
		"inspect sidecar", "inspect sidecar a b", "inspect sidecar A_B", "inspect sidecar a -o names", "explain nosuch", "explain a b",
	} {
		t.Run(command, func(t *testing.T) {
			r := run(t.Context(), connectTo(unusable{}), command)
			if r.code != ExitUsage || r.out != "" || r.err == "" {
				t.Error(r.text())
			}
		})
	}
}

// normal takes out of a golden text what differs between machines and toolchains.
func normal(text string) string {
	for _, pattern := range []struct{ from, to string }{
		{`"goVersion": "[^"]*"`, `"goVersion": "GO"`},
		{`"platform": "[^"]*"`, `"platform": "PLATFORM"`},
		{`goVersion: .*`, `goVersion: GO`},
		{`platform: .*`, `platform: PLATFORM`},
		{`Go Version: .*`, `Go Version: GO`},
		{`Platform: .*`, `Platform: PLATFORM`},
		{`built with go\S+ for \S+,`, `built with GO for PLATFORM,`},
		{`"modules": \{[^}]*\}`, `"modules": {}`},
	} {
		text = regexp.MustCompile(pattern.from).ReplaceAllString(text, pattern.to)
	}
	return text
}

// unusable panics when it is used.
type unusable struct{ client.WithWatch }
