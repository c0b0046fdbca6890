//go:build !race

// The race detector allocates for itself.

package inject

import (
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// TestPassingOverUnknownFieldsAllocatesNothing reads pods that differ in what isn't wanted of them.
func TestPassingOverUnknownFieldsAllocatesNothing(t *testing.T) {
	small := []byte(`{"metadata":{"name":"x"},"spec":{"hostUsers":true}}`)
	unknown := `{"a":[1,-2.5e3,true,false,null,"text \"\u00e9",{"b":{}}],"c":"` + strings.Repeat("x", 1000) + `"}`
	large := []byte(`{"metadata":{"name":"x","managedFields":[` + unknown + `,` + unknown + `]},"spec":{"hostUsers":true,"future":` + unknown + `},"status":` + unknown + `}`)
	reading := func(raw []byte) float64 { return allocations(func() { mustRead(t, raw) }) }
	if few, many := reading(small), reading(large); few != many {
		t.Errorf("%v allocations without unknown fields, %v with", few, many)
	}
}

// allocations returns how many f makes a run. testing.AllocsPerRun counts those of the whole process, so the test cluster's
// clients disturb it now and then: the least of several measurements is f's own.
func allocations(f func()) float64 {
	least := testing.AllocsPerRun(50, f)
	for range 20 {
		least = min(least, testing.AllocsPerRun(50, f))
	}
	return least
}

// TestAPatchTakesFewAllocations counts those of reading and patching a pod of 13 KB.
func TestAPatchTakesFewAllocations(t *testing.T) {
	raw := podOfSize(t, 13_000)
	sidecar := dataset{runtime: "alluxio", mountPoint: physical}.sidecar(t, "refdemo")
	sidecars := map[string]*Sidecar{"refdemo": Compile(sidecar, Variant{SelfHealing: true})}
	typed := testing.AllocsPerRun(10, func() { typedPatch(t, raw, sidecar) })
	read := allocations(func() { mustRead(t, raw) })
	both := allocations(func() { Patch(mustRead(t, raw), sidecars, Options{HostDirectory: "x"}) })
	if read != 11 || both != 43 {
		t.Errorf("%v allocations for reading, %v with the patch", read, both)
	}
	if typed < 50*both {
		t.Errorf("%v allocations in the usual way are not 50 times %v", typed, both)
	}
}

// TestAnAdmissionTakesFewAllocations counts those of the whole handler for the same pod, with objects in memory.
func TestAnAdmissionTakesFewAllocations(t *testing.T) {
	raw := podOfSize(t, 13_000)
	sidecar := dataset{runtime: "alluxio", mountPoint: physical}.sidecar(t, "refdemo")
	typed := testing.AllocsPerRun(10, func() { typedPatch(t, raw, sidecar) })
	handler := &PodHandler{Reader: newMemory(t), MirrorNames: reference.UniqueNames, NativeSidecars: true, SelfHealing: true}
	request := podRequest("ref", raw)
	ctx := log.IntoContext(t.Context(), logr.Discard()) // The default logger changes after a while.
	got := allocations(func() { handler.Handle(ctx, request) })
	if got != 51 || typed < 50*got {
		t.Errorf("%v allocations, %v for patching in the usual way", got, typed)
	}
}
