package inject

import (
	"errors"
	"net/http"
	"slices"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference/referencetest"
)

// datasetRequest is the admission request for a Dataset of namespace ref; old is nil when it is created.
func datasetRequest(t testing.TB, old, dataset *datav1alpha1.Dataset) admission.Request {
	t.Helper()
	request := admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{Namespace: "ref", Operation: admissionv1.Create}}
	request.Object = runtime.RawExtension{Raw: encode(t, dataset)}
	if old != nil {
		request.Operation, request.OldObject = admissionv1.Update, runtime.RawExtension{Raw: encode(t, old)}
	}
	return request
}

// checkVerdict compares an answer with the code of the finding that it should deny with; an empty one allows.
func checkVerdict(t *testing.T, response admission.Response, want finding.Code) {
	t.Helper()
	if response.Allowed != (want == "") {
		t.Fatalf("%+v", response)
	}
	if want != "" && !slices.Equal(codes(response.Result.Message), []finding.Code{want}) {
		t.Errorf("%q, want %s", response.Result.Message, want)
	}
}

func TestCreatingAReferenceThatCantWorkIsDenied(t *testing.T) {
	for _, test := range []struct {
		name     string
		change   func(*cluster, *datav1alpha1.Dataset)
		want     finding.Code
		warnings []finding.Code
	}{
		{"good", func(*cluster, *datav1alpha1.Dataset) {}, "", nil},
		{"not a reference", func(_ *cluster, d *datav1alpha1.Dataset) { d.Spec.Mounts[0].MountPoint = "s3://bucket" }, "", nil},
		{"without mounts", func(_ *cluster, d *datav1alpha1.Dataset) { d.Spec.Mounts = nil }, "", nil},
		{"before the physical", func(c *cluster, _ *datav1alpha1.Dataset) { c.physical = nil }, "", []finding.Code{finding.CodePhysicalMissing}},
		{"physical not Bound", func(c *cluster, _ *datav1alpha1.Dataset) {
			c.physical.Status.Phase = datav1alpha1.NotBoundPhase
		}, "", []finding.Code{finding.CodePhysicalUnbound}},
		{"ignored fields", func(_ *cluster, d *datav1alpha1.Dataset) { d.Spec.Mounts[0].ReadOnly = true }, "", []finding.Code{finding.CodeFieldsIgnored}},
		{"mount point", func(_ *cluster, d *datav1alpha1.Dataset) { d.Spec.Mounts[0].MountPoint = "dataset://default" }, finding.CodeMountPointMalformed, nil},
		{"scheme in capitals", func(_ *cluster, d *datav1alpha1.Dataset) { d.Spec.Mounts[0].MountPoint = "Dataset://default/phy" }, finding.CodeMountPointMalformed, nil},
		{"two mounts", func(_ *cluster, d *datav1alpha1.Dataset) {
			d.Spec.Mounts = append(d.Spec.Mounts, datav1alpha1.Mount{MountPoint: "s3://bucket"})
		}, finding.CodeMountsMixed, nil},
		{"self", func(_ *cluster, d *datav1alpha1.Dataset) { d.Spec.Mounts[0].MountPoint = "dataset://ref/refdemo" }, finding.CodeSelfReference, nil},
		{"chain", func(c *cluster, _ *datav1alpha1.Dataset) { c.physical.Spec.Mounts[0].MountPoint = "dataset://a/b" }, finding.CodeChain, nil},
		{"name", func(_ *cluster, d *datav1alpha1.Dataset) { d.Name = "1st" }, finding.CodeNameInvalid, nil},
		{"runtime", func(c *cluster, _ *datav1alpha1.Dataset) { c.physical.Status.Runtimes[0].Type = "efc" }, "", []finding.Code{finding.CodeVolumeOnly}},
		{"foreign claim", func(c *cluster, _ *datav1alpha1.Dataset) { c.others = append(c.others, claim("ref", "refdemo")) }, finding.CodeClaimNameTaken, nil},
		{"foreign volume", func(c *cluster, _ *datav1alpha1.Dataset) {
			c.others = append(c.others, &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "ref-refdemo"}})
		}, finding.CodeVolumeNameTaken, nil},
		{"foreign ThinRuntime", func(c *cluster, _ *datav1alpha1.Dataset) {
			c.others = append(c.others, &datav1alpha1.ThinRuntime{ObjectMeta: metav1.ObjectMeta{Namespace: "ref", Name: "refdemo"}})
		}, finding.CodeRuntimeNameTaken, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newCluster(t, "alluxio")
			dataset := c.reference
			// The object of an admission request needn't have its namespace, and isn't in any cache yet.
			dataset.Namespace, dataset.UID, c.reference = "", "", nil
			test.change(c, dataset)
			handler := &DatasetHandler{Reader: c.reader(t), MirrorNames: reference.UniqueNames}
			response := handler.Handle(t.Context(), datasetRequest(t, nil, dataset))
			checkVerdict(t, response, test.want)
			var warnings []finding.Code
			for _, warning := range response.Warnings {
				warnings = append(warnings, codes(warning)...)
			}
			if !slices.Equal(warnings, test.warnings) {
				t.Errorf("warnings %v, want %v", warnings, test.warnings)
			}
		})
	}
}

func TestUpdatesOfDatasets(t *testing.T) {
	mounts := func(points ...string) func(*datav1alpha1.Dataset) {
		return func(d *datav1alpha1.Dataset) {
			d.Spec.Mounts = nil
			for _, point := range points {
				d.Spec.Mounts = append(d.Spec.Mounts, datav1alpha1.Mount{MountPoint: point})
			}
		}
	}
	both := func(changes ...func(*datav1alpha1.Dataset)) func(*datav1alpha1.Dataset) {
		return func(d *datav1alpha1.Dataset) {
			for _, change := range changes {
				change(d)
			}
		}
	}
	label := func(d *datav1alpha1.Dataset) { d.Labels = map[string]string{"a": "b"} }
	deleted := func(d *datav1alpha1.Dataset) { d.DeletionTimestamp = new(metav1.Now()) }
	bound := func(d *datav1alpha1.Dataset) {
		d.Status.Runtimes = []datav1alpha1.Runtime{{Name: "refdemo", Category: datav1alpha1.AccelerateCategory, Type: "alluxio"}}
	}
	readOnly := func(d *datav1alpha1.Dataset) { d.Spec.Mounts[0].ReadOnly = true }
	same, broken := mounts(physical), mounts("dataset://default")
	for _, test := range []struct {
		name     string
		old, now func(*datav1alpha1.Dataset)
		want     finding.Code
	}{
		{"metadata", same, both(same, label), ""},
		{"metadata of a broken one", broken, both(broken, label), ""},
		{"metadata of a mixed one", mounts(physical, "s3://b"), both(mounts(physical, "s3://b"), label), ""},
		{"a mount's other fields", same, both(same, readOnly), ""},
		{"another physical", same, mounts("dataset://default/other"), finding.CodeMountPointChanged},
		{"another sub-path", same, mounts(physical + "/sub"), finding.CodeMountPointChanged},
		{"a second mount", same, mounts(physical, "s3://b"), finding.CodeMountPointChanged},
		{"no mount", same, mounts(), finding.CodeMountPointChanged},
		{"to a broken one", same, broken, finding.CodeMountPointChanged},
		{"to an ordinary one", same, mounts("s3://b"), finding.CodeMountPointChanged},
		{"another physical while being deleted", same, both(mounts("dataset://default/other"), deleted), ""},
		{"a broken one repaired", broken, same, ""},
		{"a broken one still broken", broken, mounts("dataset://"), finding.CodeMountPointMalformed},
		{"a broken one to an ordinary one", broken, mounts("s3://b"), ""},
		{"a mixed one to an ordinary one", mounts(physical, "s3://b"), mounts("s3://b"), ""},
		{"an ordinary one", mounts("s3://b"), mounts("s3://c", "s3://d"), ""},
		{"an ordinary bound one", both(mounts("s3://b"), bound), both(mounts("s3://c"), bound), ""},
		{"an ordinary one to a reference", mounts("s3://b"), same, ""},
		{"an ordinary one to a broken reference", mounts("s3://b"), broken, finding.CodeMountPointMalformed},
		{"an ordinary bound one to a reference", both(mounts("s3://b"), bound), both(same, bound), finding.CodeMountPointChanged},
		{"mounts added first", mounts(), same, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			old, now := referencetest.Reference(physical), referencetest.Reference(physical)
			test.old(old)
			test.now(now)
			handler := &DatasetHandler{Reader: newCluster(t, "alluxio").reader(t), MirrorNames: reference.UniqueNames}
			checkVerdict(t, handler.Handle(t.Context(), datasetRequest(t, old, now)), test.want)
		})
	}
}

func TestADatasetThatCantBeJudgedIsRefused(t *testing.T) {
	reader := newCluster(t, "alluxio").reader(t)
	reader.fails = func(string, string) error { return errors.New("the cache isn't filled") }
	handler := &DatasetHandler{Reader: reader}
	response := handler.Handle(t.Context(), datasetRequest(t, nil, referencetest.Reference(physical)))
	if response.Allowed || response.Result.Code != http.StatusInternalServerError {
		t.Errorf("unreadable: %+v", response)
	}
	for _, raw := range []string{``, `[]`, `{"spec":{"mounts":"x"}}`} {
		for _, operation := range []admissionv1.Operation{admissionv1.Create, admissionv1.Update} {
			request := datasetRequest(t, nil, referencetest.Reference(physical))
			request.Operation = operation
			if operation == admissionv1.Create {
				request.Object.Raw = []byte(raw)
			} else {
				request.OldObject.Raw = []byte(raw)
			}
			if response := handler.Handle(t.Context(), request); response.Allowed || response.Result.Code != http.StatusBadRequest {
				t.Errorf("%s %q: %+v", operation, raw, response)
			}
		}
	}
}

// TestDatasetsOfOthersCostNothing makes sure that who uses no reference isn't touched by a webhook that can't read.
func TestDatasetsOfOthersCostNothing(t *testing.T) {
	reader := newCluster(t, "alluxio").reader(t)
	handler := &DatasetHandler{Reader: reader}
	ordinary := referencetest.Reference("s3://bucket")
	for _, old := range []*datav1alpha1.Dataset{nil, ordinary} {
		if response := handler.Handle(t.Context(), datasetRequest(t, old, ordinary)); !response.Allowed {
			t.Errorf("%+v", response)
		}
	}
	if reader.reads > 0 {
		t.Errorf("%d reads", reader.reads)
	}
}
