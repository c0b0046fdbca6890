package inject

import (
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// checkScan compares what scanning a Dataset says with what the whole decoded Dataset says.
func checkScan(t *testing.T, raw []byte) {
	t.Helper()
	whole := &datav1alpha1.Dataset{}
	if json.Unmarshal(raw, whole) != nil {
		return
	}
	scanned, err := scanDataset(raw)
	if err != nil {
		return // encoding/json accepts fields that differ in case, and fields that are there twice.
	}
	wantSource, wantErr := reference.SourceOf(whole)
	source, err := scanned.source()
	if scanned.mounts == len(whole.Spec.Mounts) && (source != wantSource || (err == nil) != (wantErr == nil)) {
		t.Errorf("%s: the source is %v, %v, not %v, %v", raw, source, err, wantSource, wantErr)
	}
	dataset, err := scanned.decode()
	if err != nil {
		return
	}
	for name := range whole.Annotations {
		if !strings.HasPrefix(name, ownPrefix) {
			delete(whole.Annotations, name)
		}
	}
	want := &datav1alpha1.Dataset{Spec: whole.Spec, Status: whole.Status, ObjectMeta: metav1.ObjectMeta{
		Name: whole.Name, UID: whole.UID, DeletionTimestamp: whole.DeletionTimestamp, Annotations: whole.Annotations}}
	if !equality.Semantic.DeepEqual(dataset, want) {
		t.Errorf("%s is decoded as\n%+v, not\n%+v", raw, dataset, want)
	}
}

func scanSeeds() []string {
	return []string{
		`{"apiVersion":"data.fluid.io/v1alpha1","kind":"Dataset","metadata":{"name":"a","uid":"u","labels":{"x":"y"},"annotations":{"kubectl-fluid.dev/blocked-by":"","other":"\"x\""},"managedFields":[{"f":{}}]},` +
			`"spec":{"mounts":[{"mountPoint":"dataset://default/phy","options":{"a":"b"}}],"owner":{"uid":1,"gid":2,"user":"","group":""}},"status":{"runtimes":[{"name":"a"}],"conditions":[{"type":"Ready"}]}}`,
		`{"metadata":{"name":"a","deletionTimestamp":"2026-01-02T03:04:05Z"},"spec":{"mounts":[{"mountPoint":"s3://b"},{"mountPoint":"dataset://a/b"}]}}`,
		`{"metadata":{"name":"a","annotations":null},"spec":{"mounts":null},"status":null}`,
		`{"metadata":null,"spec":null}`, `{}`, `null`, `{"spec":{"mounts":[null]}}`, `{"metadata":{"name":"\u0061\"","deletionTimestamp":null}}`,
	}
}

func TestScanningADatasetSaysWhatDecodingItSays(t *testing.T) {
	for _, seed := range scanSeeds() {
		checkScan(t, []byte(seed))
		if _, err := scanDataset([]byte(seed)); err != nil {
			t.Errorf("%s: %v", seed, err)
		}
	}
}

func FuzzScanDataset(f *testing.F) {
	for _, seed := range scanSeeds() {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) { checkScan(t, raw) })
}

// TestALargeDatasetIsNeverDecodedWhole: whoever sends millions of small values gets a refusal, or a pass for what isn't a
// reference, and costs no more memory than the body has.
func TestALargeDatasetIsNeverDecodedWhole(t *testing.T) {
	many := func(element string) string { return strings.TrimSuffix(strings.Repeat(element+",", 500_000), ",") }
	var options []string
	for i := range 100_000 {
		options = append(options, fmt.Sprintf(`"%d":""`, i))
	}
	handler := &DatasetHandler{Reader: newCluster(t, "thin").reader(t), MirrorNames: reference.UniqueNames}
	for name, test := range map[string]struct {
		dataset string
		allowed bool
		code    int32
	}{
		"mounts of a reference":  {`{"metadata":{"name":"x"},"spec":{"mounts":[{"mountPoint":"dataset://default/phy"},` + many("{}") + `]}}`, false, http.StatusForbidden},
		"mounts of no reference": {`{"metadata":{"name":"x"},"spec":{"mounts":[` + many("{}") + `]}}`, true, http.StatusOK},
		"options": {`{"metadata":{"name":"x"},"spec":{"mounts":[{"mountPoint":"dataset://default/phy","options":{` +
			strings.Join(options, ",") + `}}]}}`, false, http.StatusRequestEntityTooLarge},
		"conditions": {`{"metadata":{"name":"x"},"spec":{"mounts":[{"mountPoint":"dataset://default/phy"}]},"status":{"conditions":[` +
			many("{}") + `]}}`, false, http.StatusRequestEntityTooLarge},
	} {
		request := datasetRequest(t, nil, nil)
		request.Object.Raw = []byte(test.dataset)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		response := handler.Handle(t.Context(), request)
		runtime.ReadMemStats(&after)
		if response.Allowed != test.allowed || response.Result.Code != test.code {
			t.Errorf("%s: allowed %t, %+v", name, response.Allowed, response.Result)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
			t.Errorf("%s: %d bytes of a body of %d were allocated", name, used, len(test.dataset))
		}
	}
}
