package reconcile

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/livetest"
)

// TestObjectsThatCannotBeReadAreNeverStored: one Dataset or ThinRuntime of which a field isn't of its type would keep the
// controller, which reads all of them, from reading any. The API server takes none.
func TestObjectsThatCannotBeReadAreNeverStored(t *testing.T) {
	namespace := livetest.NewNamespace(t)
	tried := 0
	for kind, spec := range map[string]reflect.Type{
		"Dataset":            reflect.TypeFor[datav1alpha1.DatasetSpec](),
		"ThinRuntime":        reflect.TypeFor[datav1alpha1.ThinRuntimeSpec](),
		"ThinRuntimeProfile": reflect.TypeFor[datav1alpha1.ThinRuntimeProfileSpec](),
	} {
		var try func(fields reflect.Type, path ...string)
		try = func(fields reflect.Type, path ...string) {
			for i := range fields.NumField() {
				field := fields.Field(i)
				name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
				at := append(slices.Clone(path), name)
				var wrong any = "nonsense"
				if field.Type.Kind() == reflect.String {
					wrong = []any{"nonsense"}
				}
				object := newUnstructured(datav1alpha1.GroupVersion.String(), kind, namespace, "bad")
				if kind == "ThinRuntimeProfile" {
					object.SetNamespace("")
					object.Object["spec"] = map[string]any{"fileSystemType": "nfs"}
				}
				if err := unstructured.SetNestedField(object.Object, wrong, at...); err != nil {
					t.Fatal(err)
				}
				if err := livetest.Client().Create(t.Context(), object, client.DryRunAll); !apierrors.IsInvalid(err) {
					t.Errorf("a %s with %v in %s: %v", kind, wrong, strings.Join(at, "."), err)
				}
				tried++
				inner := field.Type
				if inner.Kind() == reflect.Pointer {
					inner = inner.Elem()
				}
				if inner.Kind() == reflect.Struct && strings.HasPrefix(inner.PkgPath(), reflect.TypeFor[datav1alpha1.Dataset]().PkgPath()) {
					try(inner, at...)
				}
			}
		}
		try(spec, "spec")
	}
	if tried < 60 {
		t.Errorf("only %d fields were tried", tried)
	}
}
