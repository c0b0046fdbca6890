package inject

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference/referencetest"
)

// reviewer answers what a test wants, and counts.
type reviewer struct {
	allowed bool
	err     error
	asked   []string
}

func (r *reviewer) MayUse(_ context.Context, user authenticationv1.UserInfo, dataset types.NamespacedName) (bool, error) {
	r.asked = append(r.asked, user.Username+" "+dataset.String())
	return r.allowed, r.err
}

// create asks for the reference ref/refdemo to default/phy, whose owner's list is given, nil for none.
func (r *reviewer) create(t *testing.T, sharing reference.Sharing, list *string, change func(*cluster)) (message string) {
	t.Helper()
	c := newCluster(t, "alluxio")
	dataset := c.reference
	dataset.UID, c.reference = "", nil
	if list != nil {
		c.physical.Annotations = map[string]string{reference.AnnotationSharedWith: *list}
	}
	if change != nil {
		change(c)
	}
	request := datasetRequest(t, nil, dataset)
	request.UserInfo.Username = "alice"
	handler := &DatasetHandler{Reader: c.reader(t), MirrorNames: reference.UniqueNames, Sharing: sharing, Reviewer: r}
	response := handler.Handle(t.Context(), request)
	if response.Allowed {
		return ""
	}
	if len(response.Warnings) > 0 {
		t.Errorf("a denial with the warnings %q", response.Warnings)
	}
	return response.Result.Message
}

// TestWhoMayCreateAReference: each policy, with each list, for who may and who mayn't use the Dataset.
func TestWhoMayCreateAReference(t *testing.T) {
	named, all, other, nobody := "x, ref", "*", "other", ""
	for _, test := range []struct {
		sharing reference.Sharing
		list    *string
		// allowed and denied are the codes for a user who has the right, and one who hasn't.
		allowed, denied finding.Code
		asks            bool
	}{
		{reference.SharingOpen, nil, "", "", false},
		{reference.SharingOpen, &other, "", "", false},
		{reference.SharingRBAC, nil, "", finding.CodeNotAllowed, true},
		{reference.SharingRBAC, &named, "", "", false},
		{reference.SharingRBAC, &all, "", "", false},
		{reference.SharingRBAC, &other, finding.CodeNotShared, finding.CodeNotAllowed, true},
		{reference.SharingRBAC, &nobody, finding.CodeNotShared, finding.CodeNotAllowed, true},
		{reference.SharingOwner, nil, finding.CodeNotShared, finding.CodeNotShared, false},
		{reference.SharingOwner, &named, "", "", false},
		{reference.SharingOwner, &other, finding.CodeNotShared, finding.CodeNotShared, false},
	} {
		for allowed, want := range map[bool]finding.Code{true: test.allowed, false: test.denied} {
			r := &reviewer{allowed: allowed}
			message := r.create(t, test.sharing, test.list, nil)
			if !strings.HasPrefix(message, string(want)) || (want == "") != (message == "") {
				t.Errorf("%s, list %v, allowed %t: %q, want %q", test.sharing, test.list, allowed, message, want)
			}
			if asked := slices.Equal(r.asked, []string{"alice default/phy"}); asked != test.asks || (!asked && r.asked != nil) {
				t.Errorf("%s, list %v: it asked %q", test.sharing, test.list, r.asked)
			}
		}
	}
}

// TestDenialsDontTellWhatExists: who may not use a Dataset gets the same bytes whether it exists, and however it is.
func TestDenialsDontTellWhatExists(t *testing.T) {
	list := "other, Not_A_Namespace"
	for _, sharing := range []reference.Sharing{reference.SharingRBAC, reference.SharingOwner} {
		for _, err := range []error{nil, errors.New("time-out")} {
			if err != nil && sharing != reference.SharingRBAC {
				continue
			}
			r := &reviewer{err: err}
			absent := r.create(t, sharing, nil, func(c *cluster) { c.physical, c.fuse, c.physicalVolume, c.physicalClaim = nil, nil, nil, nil })
			for about, message := range map[string]string{
				"one that exists":       r.create(t, sharing, nil, nil),
				"one with a list":       r.create(t, sharing, &list, nil),
				"a reference":           r.create(t, sharing, nil, func(c *cluster) { c.physical.Spec.Mounts[0].MountPoint = "dataset://a/b" }),
				"one without a runtime": r.create(t, sharing, nil, func(c *cluster) { c.physical.Status = datav1alpha1.DatasetStatus{} }),
				"one of a strange kind": r.create(t, sharing, nil, func(c *cluster) { c.physical.Status.Runtimes[0].Type = "efc" }),
				"one that is being taken": r.create(t, sharing, nil, func(c *cluster) {
					c.physical.DeletionTimestamp, c.physical.Finalizers = new(metav1.Now()), []string{"a/b"}
				}),
			} {
				if message == "" || message != absent {
					t.Errorf("%s, %v: the answer for %s is\n%q, for one that doesn't exist\n%q", sharing, err, about, message, absent)
				}
			}
		}
	}
}

// TestRightsThatCantBeCheckedAreNone: nobody is let in by an error.
func TestRightsThatCantBeCheckedAreNone(t *testing.T) {
	r := &reviewer{allowed: true, err: errors.New("the API server is busy")}
	if message := r.create(t, reference.SharingRBAC, nil, nil); !strings.HasPrefix(message, string(finding.CodeNotAllowed)) ||
		!strings.Contains(message, "could not be checked: the API server is busy") {
		t.Errorf("%q", message)
	}
	handler := &DatasetHandler{Reader: newCluster(t, "alluxio").reader(t), Sharing: reference.SharingRBAC}
	response := handler.Handle(t.Context(), datasetRequest(t, nil, referencetest.Reference(physical)))
	if response.Allowed || !strings.Contains(response.Result.Message, "could not be checked") {
		t.Errorf("without a reviewer: %+v", response)
	}
}

// TestWhichUpdatesNeedConsent: those that change the mounts to a reference's; the controller's don't.
func TestWhichUpdatesNeedConsent(t *testing.T) {
	now := metav1.Now()
	to := func(point string) *datav1alpha1.Dataset { return referencetest.Reference(point) }
	changed := func(dataset *datav1alpha1.Dataset, change func(*datav1alpha1.Dataset)) *datav1alpha1.Dataset {
		change(dataset)
		return dataset
	}
	deleted := func(d *datav1alpha1.Dataset) { d.DeletionTimestamp = &now }
	for _, test := range []struct {
		name     string
		old, now *datav1alpha1.Dataset
		denied   bool
	}{
		{"finalizers and labels", to(physical), changed(to(physical), func(d *datav1alpha1.Dataset) {
			d.Finalizers, d.Labels = []string{datav1alpha1.FinalizerDataset}, map[string]string{"a": "b"}
		}), false},
		{"finalizers of one that is being deleted", changed(to(physical), deleted), changed(to(physical), deleted), false},
		{"an ordinary one to a reference", to("s3://a"), to(physical), true},
		{"a broken one repaired", to("dataset://default"), to(physical), true},
		{"a reference that is being deleted, to another", to(physical), changed(to("dataset://default/other"), deleted), true},
		{"a reference that is being deleted, to an ordinary one", to(physical), changed(to("s3://a"), deleted), false},
		{"a reference to its own namespace", to("s3://a"), to("dataset://ref/own"), false},
	} {
		r := &reviewer{}
		handler := &DatasetHandler{Reader: newCluster(t, "alluxio").reader(t), Sharing: reference.SharingRBAC, Reviewer: r}
		response := handler.Handle(t.Context(), datasetRequest(t, test.old, test.now))
		if response.Allowed == test.denied || (len(r.asked) > 0) != test.denied {
			t.Errorf("%s: asked %q, %+v", test.name, r.asked, response)
		}
	}
}

// TestPodsOfAReferenceWithoutConsentAreDenied: also when its claim and volume are there from before.
func TestPodsOfAReferenceWithoutConsentAreDenied(t *testing.T) {
	for list, sharing := range map[string]reference.Sharing{"other": reference.SharingRBAC, "": reference.SharingOwner, "ref": reference.SharingOwner} {
		c := newCluster(t, "alluxio")
		c.physical.Annotations = map[string]string{reference.AnnotationSharedWith: list}
		handler := &PodHandler{Reader: c.reader(t), MirrorNames: reference.UniqueNames, Sharing: sharing, NativeSidecars: true}
		response := handler.Handle(t.Context(), podRequest("ref", readPod(t, "nginx")))
		if list == "ref" {
			if !response.Allowed || response.Patch == nil {
				t.Errorf("shared: %+v", response)
			}
			continue
		}
		if response.Allowed || !slices.Equal(codes(response.Result.Message), []finding.Code{finding.CodeNotShared}) {
			t.Errorf("%s, %q: %+v", sharing, list, response)
		}
	}
}

// apiServer answers SubjectAccessReviews.
type apiServer struct {
	client.Writer
	answer authorizationv1.SubjectAccessReviewStatus
	err    error
	spec   authorizationv1.SubjectAccessReviewSpec
}

func (s *apiServer) Create(_ context.Context, object client.Object, _ ...client.CreateOption) error {
	review := object.(*authorizationv1.SubjectAccessReview)
	s.spec, review.Status = review.Spec, s.answer
	return s.err
}

func TestAccessReviewerPassesTheWholeUserOn(t *testing.T) {
	server := &apiServer{answer: authorizationv1.SubjectAccessReviewStatus{Allowed: true}}
	user := authenticationv1.UserInfo{Username: "alice", UID: "7", Groups: []string{"a", "b"},
		Extra: map[string]authenticationv1.ExtraValue{"scopes": {"x"}}}
	dataset := types.NamespacedName{Namespace: "default", Name: "phy"}
	if allowed, err := (AccessReviewer{server}).MayUse(t.Context(), user, dataset); !allowed || err != nil {
		t.Errorf("%t, %v", allowed, err)
	}
	got, err := json.Marshal(server.spec)
	if want := `{"resourceAttributes":{"namespace":"default","verb":"use","group":"data.fluid.io","version":"v1alpha1","resource":"datasets","name":"phy"},` +
		`"user":"alice","groups":["a","b"],"extra":{"scopes":["x"]},"uid":"7"}`; err != nil || string(got) != want {
		t.Errorf("it asks %s, want %s", got, want)
	}
	for _, server := range []*apiServer{
		{answer: authorizationv1.SubjectAccessReviewStatus{}},
		{answer: authorizationv1.SubjectAccessReviewStatus{Allowed: true, Denied: true}},
		{answer: authorizationv1.SubjectAccessReviewStatus{Allowed: true}, err: errors.New("no")},
	} {
		allowed, err := (AccessReviewer{server}).MayUse(t.Context(), user, dataset)
		if allowed || fmt.Sprint(err) != fmt.Sprint(map[bool]any{true: "creating a SubjectAccessReview: no", false: nil}[server.err != nil]) {
			t.Errorf("%+v: %t, %v", server.answer, allowed, err)
		}
	}
}
