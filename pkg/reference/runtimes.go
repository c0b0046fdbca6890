package reference

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
)

// Runtime is what differs between Fluid's runtimes for a reference.
type Runtime struct {
	// Type is the runtime's type in a Dataset's status.runtimes.
	Type string
	// Kind is the kind of the runtime's objects.
	Kind string
	// FuseSuffix after the Dataset's name is the name of the DaemonSet of its FUSE pods.
	FuseSuffix string
	// MountVolume is the name of the volume in which the FUSE client mounts.
	MountVolume string
	// MountTypes maps the mount_type of a volume to what /proc/self/mountinfo shows, where the two differ.
	MountTypes map[string]string
	// CopiedByFluid are the ConfigMaps that Fluid v1.0.8 copies under their own names; * stands for the physical Dataset.
	CopiedByFluid []string
	// Metrics says that the runtime's spec says whether sidecars are scraped for metrics.
	Metrics bool
	// MadeForDataset are the ConfigMaps that a runtime makes in its own namespace, with names made from its own; * stands
	// for that.
	MadeForDataset []string
	// MountConfig is the ConfigMap that keeps credentials out of MadeForDataset; empty where they are never in there.
	MountConfig string
	// NoSidecar says why the runtime's FUSE client can't be a sidecar; empty if it can.
	NoSidecar string
}

// GroupVersionKind returns the kind of the runtime's objects with group and version.
func (r Runtime) GroupVersionKind() schema.GroupVersionKind {
	return datav1alpha1.GroupVersion.WithKind(r.Kind)
}

// FuseDaemonSet returns the name of the DaemonSet of a Dataset's FUSE pods.
func (r Runtime) FuseDaemonSet(dataset string) string { return dataset + r.FuseSuffix }

// ThinType is the type of a ThinRuntime and so of every reference.
const ThinType = "thin"

// AlluxioType is the type of an AlluxioRuntime, whose client needs more than its FUSE pods show.
const AlluxioType = "alluxio"

// jindoType is the type of a JindoRuntime.
const jindoType = "jindo"

// runtimes lists Fluid's runtimes (contract of Fluid v1.0.8). Read it through RuntimeOf.
var runtimes = []Runtime{
	{Type: AlluxioType, Kind: "AlluxioRuntime", FuseSuffix: "-fuse", MountVolume: "alluxio-fuse-mount", CopiedByFluid: []string{"*-config"},
		MadeForDataset: []string{"*-config", "*-mount-config", "*-alluxio-values"}, MountConfig: "*-mount-config"},
	{Type: "juicefs", Kind: "JuiceFSRuntime", FuseSuffix: "-fuse", MountVolume: "juicefs-fuse-mount", CopiedByFluid: []string{"*-fuse-script"},
		MadeForDataset: []string{"*-fuse-script"}},
	{Type: jindoType, Kind: "JindoRuntime", FuseSuffix: "-jindofs-fuse", MountVolume: "jindofs-fuse-mount",
		MountTypes: map[string]string{"jindo": "fuse"}, Metrics: true, CopiedByFluid: []string{"*-jindofs-client-config", "*-jindofs-config"},
		MadeForDataset: []string{"*-jindofs-client-config", "*-jindofs-config"}},
	{Type: ThinType, Kind: datav1alpha1.ThinRuntimeKind, FuseSuffix: "-fuse", MountVolume: "thin-fuse-mount", MadeForDataset: []string{"*-fuse-conf"}},
	{Type: "efc", Kind: "EFCRuntime", FuseSuffix: "-fuse", MountVolume: "efc-fuse-mount",
		MadeForDataset: []string{"*-worker-endpoints"}, NoSidecar: "its FUSE client needs a session manager on the node, which Fluid starts where its own FUSE pods are"},
	{Type: "vineyard", Kind: "VineyardRuntime", FuseSuffix: "-fuse", MountVolume: "vineyard-fuse-mount",
		MadeForDataset: []string{"*-rpc-conf"}, NoSidecar: "its FUSE client gives apps a worker's socket on the node and no files"},
	{Type: "cache", Kind: "CacheRuntime", FuseSuffix: "-client", MountVolume: "fluid-cache-runtime-shared-path",
		CopiedByFluid: []string{"fluid-runtime-config-*"}, MadeForDataset: []string{"fluid-runtime-config-*"},
		NoSidecar: "its client's pod often prepares its configuration in init containers, which a sidecar doesn't have"},
}

// RuntimeOf returns the runtime of a type, or false for a type that Fluid v1.0.8 doesn't have.
func RuntimeOf(runtimeType string) (Runtime, bool) {
	for _, r := range runtimes {
		if r.Type == runtimeType {
			return r, true
		}
	}
	return Runtime{}, false
}

// RuntimeOfDataset returns the runtime that a Dataset is bound to: the entry of category Accelerate in its
// status.runtimes. It returns false if there is none or its type isn't known.
func RuntimeOfDataset(dataset *datav1alpha1.Dataset) (Runtime, bool) {
	for _, r := range dataset.Status.Runtimes {
		if r.Category == datav1alpha1.AccelerateCategory {
			return RuntimeOf(r.Type)
		}
	}
	return Runtime{}, false
}

// Runtimes returns all of Fluid's runtimes.
func Runtimes() []Runtime { return slices.Clone(runtimes) }

// DatasetsOfFuse returns the names of the Datasets whose FUSE pods a DaemonSet of this name may run: one for each
// runtime whose rule for the name fits.
func DatasetsOfFuse(daemonSet string) []string {
	var names []string
	for _, r := range runtimes {
		if name, ok := strings.CutSuffix(daemonSet, r.FuseSuffix); ok && name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
