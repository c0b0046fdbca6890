package v1alpha1

// Labels, annotations and finalizers of Fluid v1.0.8 that other components and users' manifests depend on.
const (
	// LabelDatasetID marks every object of a Dataset; the value is <namespace>-<name>, or the Dataset's UID when that
	// is too long for a label.
	LabelDatasetID = "fluid.io/dataset-id"
	// LabelStoragePrefix + <namespace>-<name> is the label key of a Dataset's volume and claim.
	LabelStoragePrefix = "fluid.io/s-"
	// LabelFusePrefix + <namespace>-<name> is the label key of the nodes that run a Dataset's FUSE pods.
	LabelFusePrefix = "fluid.io/f-"
	// LabelReferringName and LabelReferringNamespace on the claim of a reference name the physical Dataset.
	LabelReferringName      = "fluid.io/dataset.referring-name"
	LabelReferringNamespace = "fluid.io/dataset.referring-namespace"
	// LabelManagedBy says on pods, workloads and claims that Fluid made or changed them.
	LabelManagedBy = "fluid.io/managed-by"
	// LabelWrappedBy on a claim names the Dataset whose data is in it (pvc://<claim> is the Dataset's mount): pods that
	// mount the claim get the Dataset.
	LabelWrappedBy = "fluid.io/wrapped-by"

	// LabelInject on a pod asks for FUSE sidecars when it is "true".
	LabelInject = "serverless.fluid.io/inject"
	// LabelEnableInjection on a pod forbids them when it is "false".
	LabelEnableInjection = "fluid.io/enable-injection"
	// LabelInjectionDone on a pod says that sidecars have been injected.
	LabelInjectionDone = "done.sidecar.fluid.io/inject"
	// LabelSidecarDatasetName and LabelSidecarDatasetNamespace, followed by the name of a sidecar container, say on a
	// pod which Dataset the sidecar serves.
	LabelSidecarDatasetName      = "dataset-name.sidecar.fluid.io/"
	LabelSidecarDatasetNamespace = "dataset-namespace.sidecar.fluid.io/"
	// AnnotationDatasetsInUse on a pod lists the names of its Datasets, sorted and joined by commas.
	AnnotationDatasetsInUse = "fluid.io/datasets-in-use"

	// AnnotationCreatedBy with the value CreatedByFluid marks the volumes and claims of Datasets.
	AnnotationCreatedBy = "CreatedBy"
	CreatedByFluid      = "fluid"

	// FinalizerDataset and FinalizerThinRuntime are the finalizers of Fluid's controllers.
	FinalizerDataset     = "fluid-dataset-controller-finalizer"
	FinalizerThinRuntime = "thin-runtime-controller-finalizer"

	// StorageClassName is on the volumes and claims of Datasets; no such StorageClass exists.
	StorageClassName = "fluid"
	// CSIDriverName is the CSI driver that Datasets' volumes name.
	CSIDriverName = "fuse.csi.fluid.io"
)

// Attributes of a Dataset's CSI volume.
const (
	// VolumeAttributePath is the directory on the node where the FUSE client mounts.
	VolumeAttributePath = "fluid_path"
	// VolumeAttributeSubPath is the part of it that a reference asks for.
	VolumeAttributeSubPath = "fluid_sub_path"
	// VolumeAttributeMountType is what /proc/mounts shows of the mount, or a part of it.
	VolumeAttributeMountType        = "mount_type"
	VolumeAttributeRuntimeName      = "runtime_name"
	VolumeAttributeRuntimeNamespace = "runtime_namespace"
	VolumeAttributeNodeSelectorKey  = "mount_pod_node_selector_key"
)
