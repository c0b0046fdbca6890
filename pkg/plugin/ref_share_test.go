package plugin

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/ref"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// withList gives the Dataset default/phy a list, nil for none, and references in namespaces.
func withList(t *testing.T, c client.Client, list *string, references ...string) {
	t.Helper()
	dataset := &datav1alpha1.Dataset{}
	if err := c.Get(t.Context(), types.NamespacedName{Namespace: "default", Name: "phy"}, dataset); err != nil {
		t.Fatal(err)
	}
	dataset.Annotations = nil
	if list != nil {
		dataset.Annotations = map[string]string{reference.AnnotationSharedWith: *list}
	}
	dataset.Status.DatasetRef = references
	if err := c.Update(t.Context(), dataset); err != nil {
		t.Fatal(err)
	}
}

// listOf returns the list of default/phy, or none.
func listOf(t *testing.T, c client.Client) string {
	t.Helper()
	dataset := &datav1alpha1.Dataset{}
	if err := c.Get(t.Context(), types.NamespacedName{Namespace: "default", Name: "phy"}, dataset); err != nil {
		t.Fatal(err)
	}
	if list, ok := dataset.Annotations[reference.AnnotationSharedWith]; ok {
		return list
	}
	return "none"
}

// TestShare changes the list of default/phy, to which ref and team-b have references.
func TestShare(t *testing.T) {
	ref, both, all, nobody, odd := "ref", "ref,team-b", "*", "", " ref,, Team_C ,ref"
	for _, test := range []struct {
		before  *string
		command string
		after   string
		code    int
		says    string
	}{
		{nil, "share default/phy --with ref,team-b", both, ExitOK, "Dataset default/phy changed: shared with ref,team-b"},
		{nil, "share default/phy --with ref", "none", ExitFailed, "would lose their access: team-b; name them"},
		{nil, "share default/phy --with ref --revoke-others", "ref", ExitOK, "shared with ref"},
		{nil, "share default/phy --with *", "*", ExitOK, "shared with *"},
		{&ref, "share default/phy --with x", "ref,x", ExitOK, "shared with ref,x"},
		{&ref, "share default/phy --with ref", "ref", ExitOK, "unchanged: shared with ref"},
		{&odd, "share default/phy --with x", "ref,x", ExitOK, "shared with ref,x"},
		{&nobody, "share default/phy --with ref", "ref", ExitOK, "shared with ref"},
		{&both, "unshare default/phy --with ref", "team-b", ExitOK, "changed: shared with team-b"},
		{&ref, "unshare default/phy --with ref", "", ExitOK, "changed: shared with <none>"},
		{&ref, "unshare default/phy --with team-b", "ref", ExitOK, "unchanged: shared with ref"},
		{&all, "unshare default/phy --with ref", "*", ExitFailed, "it is shared with all namespaces (*)"},
		{&all, "unshare default/phy --with *", "", ExitOK, "shared with <none>"},
		{nil, "unshare default/phy --with ref", "none", ExitFailed, "it has no list"},
		{nil, "share default/later --with ref", "none", ExitFailed, "kubectl get datasets -n default"},
		{nil, "share ref/refdemo --with x", "none", ExitFailed, "it is itself a reference, to default/phy"},
	} {
		t.Run(test.command, func(t *testing.T) {
			c := fakeClient(t, "alluxio.yaml", "references.yaml")
			withList(t, c, test.before, "ref/refdemo", "default/near", "team-b/data", "team-b/more")
			r := run(t.Context(), connectTo(c), "ref "+test.command)
			if r.code != test.code || !strings.Contains(r.out+r.err, test.says) {
				t.Error(r.text())
			}
			if after := listOf(t, c); after != test.after {
				t.Errorf("the list is %q, want %q", after, test.after)
			}
		})
	}
}

// TestShareDoesntOverwriteWhatChangedMeanwhile: two owners at once don't undo each other's change.
func TestShareDoesntOverwriteWhatChangedMeanwhile(t *testing.T) {
	other := "other"
	c := fakeClientWith(t, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			withList(t, c, &other)
			return c.Patch(ctx, object, patch, options...)
		}}, "alluxio.yaml")
	r := run(t.Context(), connectTo(c), "ref share default/phy --with ref")
	if r.code != ExitFailed || !strings.Contains(r.err, "changing whom Dataset default/phy is shared with") || listOf(t, c) != other {
		t.Errorf("the list is %q: %s", listOf(t, c), r.text())
	}
}

func TestShareUsage(t *testing.T) {
	for _, command := range []string{
		"ref share", "ref share default/phy", "ref share phy --with ref", "ref share default/phy/sub --with ref", "ref share default/phy --with=",
		"ref share default/phy --with Ref", "ref share default/phy --with a/b", "ref share a/b c/d --with ref", "ref unshare default/phy",
		"ref unshare default/phy --with ref --revoke-others", "ref can-i", "ref can-i --from phy", "ref can-i default/phy", "ref can-i --from default/phy -n A",
	} {
		r := run(t.Context(), connectTo(unusable{}), command)
		if r.code != ExitUsage || r.out != "" || r.err == "" {
			t.Errorf("%s: %s", command, r.text())
		}
	}
}

// consentClient is a cluster with a policy, whose user has the right to refer to everything or to nothing.
func consentClient(t *testing.T, sharing string, allowed bool, calls interceptor.Funcs) client.WithWatch {
	t.Helper()
	calls.Create = answerReviews(allowed)
	c := fakeClientWith(t, calls, "alluxio.yaml")
	if sharing != "nothing" {
		annotations := map[string]string{reference.AnnotationMirrorNames: "unique", reference.AnnotationSharing: sharing}
		if err := c.Create(t.Context(), webhook(cluster.OwnWebhook, annotations)); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// TestConsentIsKnownBefore: ref create refuses what admission would, warns of what it might, and ref can-i says the same.
func TestConsentIsKnownBefore(t *testing.T) {
	ref, other := "ref", "other"
	for _, test := range []struct {
		sharing string
		list    *string
		allowed bool
		create  int
		says    string
		canI    int
		answer  string
	}{
		{"rbac", nil, true, ExitOK, "you have the verb use", ExitOK, "yes: you may refer to it"},
		{"rbac", nil, false, ExitFindings, "KF3015: Dataset ref/phy: you may not refer to default/phy", ExitFindings, "no: KF3015"},
		{"rbac", &ref, false, ExitOK, "its owner shares it with namespace ref", ExitOK, "yes: its owner shares it"},
		{"rbac", &other, true, ExitFindings, "KF3014", ExitFindings, "no: KF3014"},
		{"owner", nil, true, ExitFindings, "KF3014", ExitFindings, "no: KF3014"},
		{"owner", &ref, false, ExitOK, "its owner shares it", ExitOK, "yes: its owner"},
		{"open", &other, false, ExitOK, "created", ExitOK, "yes: this cluster asks for nobody's consent"},
		{"nothing", nil, false, ExitOK, "created", ExitOK, "yes: this cluster asks for nobody's consent"},
		{"strange", nil, false, ExitOK, "warning   KF3015   Dataset ref/phy", ExitOK, "yes: the API server admits it"},
	} {
		c := consentClient(t, test.sharing, test.allowed, interceptor.Funcs{})
		withList(t, c, test.list)
		r := run(t.Context(), connectTo(c), "ref can-i --from default/phy -n ref")
		if r.code != test.canI || !strings.Contains(r.out+r.err, test.answer) {
			t.Errorf("%+v: can-i: %s", test, r.text())
		}
		r = run(t.Context(), connectTo(c), "ref create phy -n ref --from default/phy")
		if r.code != test.create || !strings.Contains(r.out+r.err, test.says) {
			t.Errorf("%+v: create: %s", test, r.text())
		}
	}
	c := consentClient(t, "rbac", false, interceptor.Funcs{})
	if r := run(t.Context(), connectTo(c), "ref can-i --from default/phy -n default"); r.code != ExitOK || !strings.Contains(r.out, "same namespace") {
		t.Error(r.text())
	}
}

// TestConsentThatCantBeKnown: a user who may not read the physical Dataset isn't told that he may not refer to it unless
// that is certain.
func TestConsentThatCantBeKnown(t *testing.T) {
	forbidden := interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
		if _, ok := object.(*unstructured.Unstructured); !ok && key.Namespace == "default" {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "datasets"}, key.Name, errors.New("no right"))
		}
		return c.Get(ctx, key, object, options...)
	}}
	// Admission knows. It says so, unless the user may not even try.
	for says, want := range map[string]result{
		"": {out: "yes: the API server admits it, which was tried without storing it\n"},
		cluster.OwnRefusal + "KF3015: Dataset ref/kubectl-fluid-can-i: no": {out: "no: KF3015: Dataset ref/phy: you may not refer to default/phy", code: ExitFindings},
		cluster.OwnRefusal + "KF3014: Dataset ref/kubectl-fluid-can-i: no": {out: "no: KF3014: Dataset ref/phy: default/phy is not shared with namespace ref", code: ExitFindings},
		cluster.OwnRefusal + "KF3001: something else":                      {err: "as a dry run, failed", code: ExitFailed},
		"KF3015, says somebody else":                                       {err: "as a dry run, failed", code: ExitFailed},
	} {
		for _, sharing := range []string{"rbac", "owner"} {
			asked := 0
			c := interceptor.NewClient(consentClient(t, sharing, false, forbidden), interceptor.Funcs{Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
				if _, isDataset := object.(*datav1alpha1.Dataset); !isDataset {
					return c.Create(ctx, object, options...)
				}
				if o := (&client.CreateOptions{}).ApplyOptions(options); !slices.Equal(o.DryRun, []string{metav1.DryRunAll}) {
					t.Error("it isn't a dry run")
				}
				if asked++; says == "" {
					return nil
				}
				return apierrors.NewForbidden(schema.GroupResource{Resource: "datasets"}, ref.CanIProbeName, errors.New(says))
			}})
			r := run(t.Context(), connectTo(c), "ref can-i --from default/phy -n ref")
			if r.code != want.code || !strings.HasPrefix(r.out, want.out) || !strings.Contains(r.err, want.err) || asked != 1 {
				t.Errorf("%s: %q: %s", sharing, says, r.text())
			}
		}
	}
	r := run(t.Context(), connectTo(consentClient(t, "rbac", true, forbidden)), "ref can-i --from default/phy -n ref")
	if r.code != ExitOK || !strings.Contains(r.out, "yes: you may refer to it") {
		t.Error(r.text())
	}
	failing := consentClient(t, "rbac", true, interceptor.Funcs{})
	failing = interceptor.NewClient(failing, interceptor.Funcs{Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error {
		return errors.New("the API server is busy")
	}})
	r = run(t.Context(), connectTo(failing), "ref create phy -n ref --from default/phy --dry-run=client")
	if r.code != ExitOK || !strings.Contains(r.out, "inconclusive") || !strings.Contains(r.out, "busy") {
		t.Error(r.text())
	}
}

// TestRefusalsOfAdmission: what this project's webhook refuses is a finding, as if it had been found before; what another
// webhook refuses couldn't be done. No right would change either.
func TestRefusalsOfAdmission(t *testing.T) {
	for says, want := range map[string]int{
		cluster.OwnRefusal + "KF3015: Dataset ref/new: no":                           ExitFindings,
		`admission webhook "policy.example.com" ` + cluster.AnyRefusal + "not today": ExitFailed,
	} {
		c := interceptor.NewClient(consentClient(t, "rbac", true, interceptor.Funcs{}), interceptor.Funcs{
			Apply: func(context.Context, client.WithWatch, runtime.ApplyConfiguration, ...client.ApplyOption) error {
				return apierrors.NewForbidden(schema.GroupResource{Resource: "datasets"}, "new", errors.New(says))
			}})
		r := run(t.Context(), connectTo(c), "ref create new -n ref --from default/phy")
		if r.code != want || !strings.Contains(r.err, "creating the Dataset ref/new: ") || strings.Contains(r.err, "administrator") {
			t.Errorf("%q: %s", says, r.text())
		}
	}
}
