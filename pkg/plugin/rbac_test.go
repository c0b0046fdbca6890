package plugin

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/rights"
)

// leafCommands returns the commands that do something, by their path without the program's name.
func leafCommands() map[string]*cobra.Command {
	root := New(Environment{Connect: func(Kubeconfig) Connection { return nil }})
	leaves := map[string]*cobra.Command{}
	var visit func(cmd *cobra.Command, path string)
	visit = func(cmd *cobra.Command, path string) {
		if !cmd.HasSubCommands() {
			leaves[path] = cmd
		}
		for _, child := range cmd.Commands() {
			visit(child, strings.TrimSpace(path+" "+child.Name()))
		}
	}
	visit(root, "")
	return leaves
}

// TestEveryCommandSaysItsNeeds: no command is forgotten, and none is mentioned that there isn't.
func TestEveryCommandSaysItsNeeds(t *testing.T) {
	want := slices.Sorted(maps.Keys(leafCommands()))
	if got := rights.Commands(); !slices.Equal(got, want) {
		t.Errorf("needs of\n%q\nwant\n%q", got, want)
	}
}

// rightOf returns the right that a request takes, or false if everybody has it. The physical Datasets of the tests are in
// namespace default.
func rightOf(method string, requested *url.URL) (rights.Need, bool) {
	segments := strings.Split(strings.Trim(requested.Path, "/"), "/")
	n := rights.Need{Where: rights.InCluster}
	switch {
	case segments[0] == "api" && len(segments) > 2:
		segments = segments[2:]
	case segments[0] == "apis" && len(segments) > 3:
		n.Group = segments[1]
		segments = segments[3:]
	default:
		return n, false // /version and discovery
	}
	if segments[0] == "namespaces" && len(segments) > 2 {
		switch segments[1] {
		case "rights":
			n.Where = rights.InNamespace
		case "default":
			n.Where = rights.InSource
		}
		segments = segments[2:]
	}
	n.Resource = segments[0]
	if len(segments) > 2 {
		n.Resource += "/" + segments[2]
	}
	named := len(segments) > 1
	switch method {
	case http.MethodGet:
		n.Verb = "list"
		if named {
			n.Verb = "get"
		} else if requested.Query().Get("watch") == "true" {
			n.Verb = "watch"
		}
	case http.MethodPost:
		n.Verb = "create"
	default:
		n.Verb = strings.ToLower(method)
	}
	return n, n.Group != "authorization.k8s.io" || !strings.HasPrefix(n.Resource, "selfsubject")
}

func keyOf(n rights.Need) string {
	return fmt.Sprintf("{%s, %q, %q, %q}", n.Where, n.Verb, n.Group, n.Resource)
}

// TestRealNeeds runs each command in all the ways in which it asks for something, and compares what it asked the API
// server for with what it says that it needs: nothing more and nothing less.
func TestRealNeeds(t *testing.T) {
	r := newRealCluster(t)
	r.put(t, "rights", "alluxio.yaml", "thin.yaml", "rights.yaml")
	scenarios := needScenarios()
	for _, command := range slices.Sorted(maps.Keys(leafCommands())) {
		t.Run(command, func(t *testing.T) {
			lines, ok := scenarios[command]
			if !ok {
				t.Fatal("no scenario runs it")
			}
			if command == "doctor" {
				r.installWebhooks(t)
			}
			asked := map[string]bool{}
			for _, line := range lines {
				for key := range r.rightsOf(t, line) {
					asked[key] = true
				}
			}
			declared := map[string]bool{}
			for _, n := range rights.Needs()[command] {
				declared[keyOf(n)] = true
			}
			for key := range asked {
				if !declared[key] {
					t.Errorf("it asks for what it doesn't declare: %s", key)
				}
			}
			for key := range declared {
				if !asked[key] {
					t.Errorf("it declares what it never asks for: %s", key)
				}
			}
		})
	}
}

// installWebhooks lets the test have webhook configurations of this project's name, without a webhook in them: doctor
// tries webhooks only where there are any.
func (r *realCluster) installWebhooks(t *testing.T) {
	t.Helper()
	for _, object := range webhookConfigurations(nil) {
		switch o := object.(type) {
		case *admissionregistrationv1.MutatingWebhookConfiguration:
			o.Webhooks = nil
		case *admissionregistrationv1.ValidatingWebhookConfiguration:
			o.Webhooks = nil
		}
		if err := r.admin.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := r.admin.Delete(context.Background(), object); err != nil {
				t.Error(err)
			}
		})
	}
}

// rightsOf runs a command line and returns the rights that its requests take.
func (r *realCluster) rightsOf(t *testing.T, command string) map[string]bool {
	t.Helper()
	rec := &recorder{}
	res := run(t.Context(), func(kubeconfig Kubeconfig) Connection {
		return cluster.NewConnection(guardedKubeconfig{recordingKubeconfig{kubeconfig, rec}, t}, "v1.2.3", t.Output())
	}, command+" --kubeconfig "+r.kubeconfig)
	if res.code == ExitUsage {
		t.Fatal(res.text())
	}
	rights := map[string]bool{}
	for _, request := range rec.requests {
		method, uri, _ := strings.Cut(request, " ")
		parsed, err := url.ParseRequestURI(uri)
		if err != nil {
			t.Fatal(err)
		}
		if n, ok := rightOf(method, parsed); ok {
			rights[keyOf(n)] = true
		}
	}
	return rights
}

// TestRBACPrint: the roles of a command are what kubectl can apply, and grant what it declares.
func TestRBACPrint(t *testing.T) {
	for name, command := range map[string]string{
		"rbac-print-all":     "rbac print",
		"rbac-print-list":    "rbac print --for=explain",
		"rbac-print-version": "rbac print --for=version",
		"rbac-print-explain": "rbac print --for=explain -o json",
	} {
		t.Run(name, func(t *testing.T) {
			compare(t, name+".txt", "$ kubectl fluid "+command+"\n"+run(t.Context(), connectTo(unusable{}), command).text())
		})
	}
	r := runArguments(t.Context(), connectTo(unusable{}), []string{"rbac", "print", "--for", "ref create"})
	compare(t, "rbac-print-ref-create.txt", r.text())
	for command := range rights.Needs() {
		granted := map[string]bool{}
		for _, role := range rights.RolesFor(command, true) {
			for _, rule := range role.Rules {
				for _, verb := range rule.Verbs {
					granted[fmt.Sprint(role.Name, verb, rule.APIGroups, rule.Resources, rule.ResourceNames)] = true
				}
			}
		}
		if len(granted) != len(rights.Needs()[command]) {
			t.Errorf("%s: %d rights are granted, %d declared", command, len(granted), len(rights.Needs()[command]))
		}
	}
}

// TestRealRolesAreEnough gives users exactly the roles that commands print: nothing that they ask for is forbidden.
func TestRealRolesAreEnough(t *testing.T) {
	r := newRealCluster(t)
	r.put(t, "rights", "alluxio.yaml", "thin.yaml", "rights.yaml")
	all, err := client.New(r.config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	scenarios := needScenarios()
	for _, command := range rights.Commands() {
		t.Run(command, func(t *testing.T) {
			user := "user-of-" + strings.ReplaceAll(command, " ", "-")
			if command == "doctor" {
				r.installWebhooks(t)
			}
			for _, role := range rights.RolesFor(command, true) {
				bind(t, all, role, user)
			}
			for _, line := range scenarios[command] {
				deadline := time.Now().Add(20 * time.Second)
				for {
					forbidden := r.forbidden(t, line+" --as "+user)
					if len(forbidden) == 0 {
						break
					}
					// The API server's authorizer learns of roles a moment later.
					if time.Now().After(deadline) {
						t.Errorf("%s: forbidden: %s", line, strings.Join(forbidden, ", "))
						break
					}
					time.Sleep(100 * time.Millisecond)
				}
			}
		})
	}
}

// bind creates a role and lets a user have it: in the cluster, or in the namespace that the role is meant for.
func bind(t *testing.T, c client.Client, role rbacv1.ClusterRole, user string) {
	t.Helper()
	ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name}
	subjects := []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}}
	objects := []client.Object{&role}
	switch {
	case strings.HasSuffix(role.Name, "-cluster"):
		objects = append(objects, &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: role.Name}, RoleRef: ref, Subjects: subjects})
	case strings.HasSuffix(role.Name, "-source"):
		objects = append(objects, &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: role.Name}, RoleRef: ref, Subjects: subjects})
	default:
		objects = append(objects, &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "rights", Name: role.Name}, RoleRef: ref, Subjects: subjects})
	}
	for _, object := range objects {
		err := c.Create(t.Context(), object)
		if apierrors.IsAlreadyExists(err) { // The examples of the help texts apply such roles too.
			err = c.Update(t.Context(), object)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// forbidden runs a command line and returns the requests that the API server refused.
func (r *realCluster) forbidden(t *testing.T, command string) []string {
	t.Helper()
	var mu sync.Mutex
	var refused []string
	wrap := func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(request *http.Request) (*http.Response, error) {
			response, err := next.RoundTrip(request)
			if err == nil && response.StatusCode == http.StatusForbidden {
				mu.Lock()
				defer mu.Unlock()
				refused = append(refused, request.Method+" "+request.URL.RequestURI())
			}
			return response, err
		})
	}
	run(t.Context(), func(kubeconfig Kubeconfig) Connection {
		return cluster.NewConnection(wrappedKubeconfig{kubeconfig, wrap}, "v1.2.3", t.Output())
	}, command+" --kubeconfig "+r.kubeconfig)
	return refused
}

// wrappedKubeconfig is kubectl's flags with something in the transport.
type wrappedKubeconfig struct {
	Kubeconfig
	wrap transport.WrapperFunc
}

func (k wrappedKubeconfig) RESTConfig() (*rest.Config, error) {
	config, err := k.Kubeconfig.RESTConfig()
	if err == nil {
		config.Wrap(k.wrap)
	}
	return config, err
}

// needScenarios returns command lines that make every request that a command can make. Namespace rights has references
// to Datasets of namespace default.
func needScenarios() map[string][]string {
	return map[string][]string{
		"completion bash": {"completion bash"}, "completion fish": {"completion fish"}, "completion zsh": {"completion zsh"},
		"completion powershell": {"completion powershell"}, "completion install": {"completion install --help"},
		"explain": {"explain", "explain KF3004"}, "options": {"options"}, "version": {"version"}, "rbac print": {"rbac print", "rbac print --for=version"},
		"doctor":          {"doctor -n rights"},
		"inject":          {"inject -f testdata/inject/rights.yaml -n rights"},
		"inspect dataset": {"inspect dataset demo -n rights", "inspect dataset nfs-demo -n rights", "inspect dataset jin-demo -n rights", "inspect dataset jui-demo -n rights", "inspect dataset phy -n default"},
		"inspect sidecar": {"inspect sidecar nginx -n rights", "inspect sidecar reads-phy -n rights", "inspect sidecar reads-nfs -n rights", "inspect sidecar reads-jin -n rights", "inspect sidecar reads-jui -n rights", "inspect sidecar injected -n rights",
			"inspect sidecar deploy/web -n rights", "inspect sidecar ds/a -n rights", "inspect sidecar sts/a -n rights", "inspect sidecar rs/a -n rights",
			"inspect sidecar job/a -n rights", "inspect sidecar cj/a -n rights"},
		"ref can-i": {"ref can-i --from default/phy -n rights", "ref can-i --from default/phy -n rights --as nobody"},
		"ref check": {"ref check -n rights", "ref check --from default/nfs --name new -n rights --mirror-names=source"},
		"ref create": {"ref create new -n rights --from default/phy", "ref create new-nfs -n rights --from default/nfs --wait --timeout 200ms",
			"ref create new-jin -n rights --from default/jin --dry-run=client", "ref create new-jui -n rights --from default/jui --dry-run=client"},
		"ref delete":   {"ref delete kept -n rights --yes --wait --timeout 300ms"},
		"ref describe": {"ref describe demo -n rights", "ref describe nfs-demo -n rights", "ref describe jin-demo -n rights", "ref describe jui-demo -n rights"},
		"ref diff":     {"ref diff demo -n rights", "ref diff nfs-demo -n rights", "ref diff jin-demo -n rights", "ref diff jui-demo -n rights"},
		"ref list":     {"ref list -n rights"},
		"ref share":    {"ref share default/phy --with rights", "ref share default/phy --with rights,other"},
		"ref unshare":  {"ref unshare default/phy --with other"},
		"ref tree":     {"ref tree demo -n rights"},
	}
}
