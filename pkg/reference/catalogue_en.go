package reference

// englishTexts explain the kinds of findings in English.
var englishTexts = map[Code]text{
	CodeUnread: {
		"An object couldn't be read",
		"Reading failed, mostly because you aren't allowed to. Nothing is known of what depends on the object.",
		"ask for the right to get this object, or let somebody who has it run the check",
	},
	CodeNameNeededByNeighbour: {
		"Another Dataset of the namespace needs the name of a copy",
		"Copies have their sources' names here, as with Fluid. Whichever comes second silently uses what is there (Fluid's copies), or replaces it (the Helm releases of Fluid's runtimes): sidecars then read another Dataset's configuration.",
		"let mirrors have names of their own (--mirror-names=unique), or use another namespace",
	},
	CodeCopySharedWithNeighbour: {
		"Another reference of the namespace needs the same copy",
		"Copies have their sources' names here, as with Fluid, so two references to one Dataset share them. A copy belongs to the reference that came first and goes with it: new pods of the other one then don't start.",
		"let mirrors have names of their own (--mirror-names=unique), or use one reference for both",
	},
	CodePodWouldBeDenied: {
		"The pod would be denied",
		"The pod asks for sidecars that can't be made as things are. The webhook of this project denies such a pod; Fluid's admits it without a sidecar.",
		"follow the remedies of what the message names, then create the pod",
	},

	CodeKubernetesTooOld: {
		"Kubernetes is too old for native sidecars",
		"Init containers with restartPolicy Always, which sidecars are, are on by default from Kubernetes 1.29 on, in the API server and in each node's kubelet.",
		"update the cluster",
	},
	CodeNoSelfHealing: {
		"Pods don't recover by themselves from a FUSE client that crashed",
		"A sidecar can let kubelet restart all containers of its pod from Kubernetes 1.36 on (RestartAllContainers). Before, the app keeps a dead mount.",
		"update to Kubernetes 1.36, or delete pods whose sidecar has restarted",
	},
	CodeKubeletBug: {
		"The kubelet has a bug that concerns sidecars",
		"Native sidecars have a startup probe, by which apps wait for the FUSE mount. Before 1.33.6 and 1.34.2, a pod with restartPolicy Never doesn't start its app if the sidecar's first start failed (kubernetes/kubernetes#132826); in 1.35 before 1.35.4, after a restart of the kubelet, an app that crashes isn't started again (kubernetes/kubernetes#137146).",
		"update the nodes to the newest patch release of their Kubernetes version, 1.33 or newer",
	},
	CodeDefinitionMissing: {
		"A CustomResourceDefinition of Fluid's isn't installed",
		"Without it there are no such objects, and no references.",
		"install Fluid, or kubectl fluid's own: kubectl apply --server-side --field-manager=kubectl-fluid -k config/crd",
	},
	CodeDefinitionForeign: {
		"A CustomResourceDefinition isn't what Fluid's kinds need",
		"It has the name of one of Fluid's kinds, but doesn't serve the version v1alpha1, or has another scope or no status sub-resource.",
		"find out who installed it, and let them install Fluid's",
	},
	CodeNobodyServes: {
		"Nobody serves references in this cluster",
		"Neither this project's controller nor Fluid's dataset-controller was found, so references stay as they are.",
		"install the controller: kubectl apply --server-side -k config/default",
	},
	CodeTwoControllers: {
		"Two controllers serve references",
		"Fluid's dataset-controller serves every reference and can't be told not to, so its objects and those of this project's controller meet.",
		"run only one of them",
	},
	CodeControllerNotReady: {
		"A controller isn't ready",
		"None of its pods is ready, so nothing is served and, where it has a webhook, pods are denied.",
		"look at its pods: kubectl describe and kubectl logs",
	},
	CodeWebhookMissing: {
		"No webhook injects sidecars",
		"Neither of the MutatingWebhookConfigurations by which sidecars are injected exists: pods are created without them.",
		"install the controller: kubectl apply --server-side -k config/default",
	},
	CodeWebhookFails: {
		"A webhook doesn't do its work",
		"A probe that is never stored (a server-side dry run) came back unchanged, wasn't refused where it had to be, or the API server couldn't call the webhook.",
		"look at the controller's pods and logs, and at the Service that the webhook configuration names",
	},
	CodeCertificateInvalid: {
		"The API server can't trust a webhook",
		"The caBundle in the webhook's configuration is empty, isn't a certificate or has expired.",
		"restart the controller: it issues its certificates and keeps the caBundle",
	},
	CodeCertificateExpires: {
		"A webhook's certificate authority expires soon",
		"The controller renews its own when a third of its time is left, so it seems not to have.",
		"look at the controller's log",
	},
	CodeRightsMissing: {
		"You may not do what a command needs",
		"The API server was asked for your rights in this namespace. The command would fail, or say what it couldn't look at.",
		"ask an administrator for the role: kubectl fluid rbac print --for COMMAND",
	},
	CodeControllerRights: {
		"The controller lacks a right",
		"Its ServiceAccount may not do what it needs for references.",
		"apply config/rbac of kubectl fluid",
	},
	CodeServerUnreachable: {
		"The API server can't be asked",
		"There is no connection, or it doesn't accept your credentials. Nothing else can be checked.",
		"check --kubeconfig, --context and --server, or log in again",
	},

	CodePhysicalMissing: {
		"The physical Dataset doesn't exist",
		"The reference waits for it and becomes Bound once it is there and Bound itself.",
		"create the physical Dataset, or correct the mount point",
	},
	CodePhysicalUnbound: {
		"The physical Dataset isn't Bound",
		"Its runtime hasn't finished its set-up, or there is no runtime of its name.",
		"look at the physical Dataset and its runtime: kubectl describe",
	},
	CodeFuseMissing: {
		"The DaemonSet of the FUSE pods doesn't exist",
		"The sidecar is made from its pod template.",
		"look at the physical Dataset's runtime: kubectl describe",
	},
	CodeVolumeMissing: {
		"The physical Dataset's PersistentVolume doesn't exist",
		"It says where the FUSE client mounts and what the mount looks like.",
		"look at the physical Dataset's runtime: kubectl describe",
	},
	CodeSourceMissing: {
		"A ConfigMap or Secret that the FUSE client needs doesn't exist",
		"The FUSE container of the physical Dataset names it, and it isn't optional.",
		"create it in the physical Dataset's namespace",
	},
	CodeChain: {
		"The reference refers to another reference",
		"Fluid has no chains of references.",
		"refer to the physical Dataset itself",
	},
	CodeRuntimeNoSidecar: {
		"The runtime's FUSE client can't be a sidecar",
		"EFC, Vineyard and CacheRuntime clients depend on things that only their own pods have; of runtimes that Fluid v1.0.8 doesn't have, nothing is known.",
		"use the Dataset through its CSI volume, or another runtime",
	},
	CodePhysicalDeleted: {
		"The physical Dataset is being deleted",
		"It goes as soon as no reference to it is left.",
		"delete this reference, or create the physical Dataset again once it has gone",
	},
	CodeTemplateUnusable: {
		"The FUSE pod template can't become a sidecar",
		"The template has no container, or the container doesn't mount the volume that the FUSE client mounts in.",
		"repair the runtime of the physical Dataset",
	},
	CodeTemplateClaim: {
		"The FUSE client needs a PersistentVolumeClaim",
		"A claim, like the Endpoints of a GlusterFS volume or the snapshot that a claim is filled from, belongs to its namespace and can't be mirrored; one of the same name elsewhere would be somebody else's.",
		"let the runtime use a volume that needs no claim, or use the physical Dataset in its own namespace",
	},
	CodeNotRecorded: {
		"The physical Dataset doesn't know the reference yet",
		"The reference becomes Bound after status.datasetRef of the physical Dataset names it, so that the physical Dataset can't be deleted under it.",
		"wait; if it lasts, look at the controller's log",
	},
	CodeSharedWithInvalid: {
		"The list of whom a Dataset is shared with has entries that aren't namespaces",
		"The annotation " + AnnotationSharedWith + " is a list of namespaces, separated by commas, or *. Entries that can't be namespaces are ignored, so somebody may be left out who was meant.",
		"let the owner of the physical Dataset correct the annotation: kubectl fluid ref share",
	},
	CodeSecretsNotGranted: {
		"The controller may not mirror Secrets of a namespace",
		"The FUSE client needs Secrets. The controller has a right to Secrets only where somebody gave it one: it reads them in the physical Dataset's namespace and keeps the mirrors in the reference's.",
		"give the controller Roles that name these Secrets only, or a right to all Secrets of the namespace",
	},
	CodeInitContainersLost: {
		"The FUSE pods have init containers, which a sidecar doesn't have",
		"Of a FUSE pod only the FUSE container and the volumes that it mounts become part of the app's pod. What its init containers do on the node was done where a FUSE pod of the physical Dataset has run; what they put into a volume of their own pod is missing.",
		"look at what the init containers do; where the FUSE client needs it, let its image do it, or use the Dataset through its CSI volume",
	},
	CodePodSettingsLost: {
		"The FUSE pods have settings that a sidecar doesn't have",
		"They hold for a whole pod, or say something of the FUSE pod itself, and the sidecar is part of the app's pod. User and group come along; that the FUSE pods are in the node's network isn't needed.",
		"see that the FUSE client works without them: inspect a first pod",
	},
	CodeNodeNeeds: {
		"The FUSE client needs something of the node",
		"FUSE pods run only on nodes that have it; a sidecar runs wherever the app does, and its pod doesn't start on a node without it.",
		"let apps run on the same nodes as the FUSE pods, by a node selector or affinity",
	},
	CodeServiceAccountNeeded: {
		"The FUSE pods have a ServiceAccount of their own",
		"A pod has one ServiceAccount, and a sidecar acts as the app's, which may have other rights.",
		"if the FUSE client uses the Kubernetes API, or what trusts its token, give the app's ServiceAccount the same rights",
	},
	CodeCredentialsShown: {
		"A reference shows credentials in its namespace",
		"Options of mounts are part of a Dataset's status, which references mirror, as with Fluid. Fluid's Alluxio engine, where its controller isn't set to keep them in the ConfigMap of mounts, writes the values of encryptOptions into the configuration that every client gets.",
		"put credentials into encryptOptions, and set Fluid's alluxioruntime-controller to ALLUXIO_MOUNT_CONFIG_STORAGE=configmap",
	},
	CodePhysicalReplaced: {
		"The physical Dataset was deleted and created again",
		"The reference follows: its copies are those of the present one. Pods that have run since before still have the sidecar of the former one.",
		"create pods again that were started before",
	},
	CodeVolumeOnly: {
		"The reference has a volume, but pods have no sidecar for it",
		"The runtime's FUSE client can't be a sidecar (KF2007). As with Fluid, the reference has a volume all the same, which Fluid's CSI plugin serves on its nodes; pods that ask for a sidecar are denied.",
		"use the volume in pods without the label serverless.fluid.io/inject, on nodes with Fluid's CSI plugin",
	},

	CodeMountPointMalformed: {
		"The mount point isn't dataset://namespace/name[/sub/path]",
		"Names must be DNS labels in lower case; a sub-path has no empty, . or .. element and no character that a shell would read.",
		"correct spec.mounts[0].mountPoint",
	},
	CodeMountsMixed: {
		"The reference has more than one mount",
		"A Dataset with a dataset:// mount has no other mount.",
		"make one Dataset per mount",
	},
	CodeSelfReference: {
		"The reference refers to itself",
		"A reference needs a physical Dataset.",
		"refer to a physical Dataset",
	},
	CodeMirrorNameTaken: {
		"A name that a copy needs is taken",
		"An object that doesn't belong to this reference has the name. Fluid v1.0.8 would silently use the foreign object, and the sidecar would read another configuration or another Dataset's data.",
		"rename the object that has the name, or let mirrors have names of their own (--mirror-names=unique)",
	},
	CodeClaimNameTaken: {
		"A PersistentVolumeClaim of the reference's name exists already",
		"Pods would mount that claim and not the Dataset. Fluid v1.0.8 says nothing and shows the reference as Bound.",
		"delete the claim, or give the reference another name",
	},
	CodeVolumeNameTaken: {
		"A PersistentVolume of the reference's name exists already",
		"Volumes are called <namespace>-<name>, so a-b/c and a/b-c want the same.",
		"delete the volume if nothing uses it, or give the reference another name",
	},
	CodeRuntimeNameTaken: {
		"A ThinRuntime of the reference's name exists already",
		"It serves something else or has another owner; it isn't adopted.",
		"delete the ThinRuntime, or give the reference another name",
	},
	CodeNameInvalid: {
		"The reference's name isn't a DNS-1035 label",
		"Fluid's controllers refuse such a name, though the API server accepts it.",
		"use at most 63 lower-case letters, digits and dashes, beginning with a letter",
	},
	CodeFieldsIgnored: {
		"Fields have no effect on a reference",
		"Of a reference's spec only the mount point and the access modes count.",
		"leave these fields out",
	},
	CodeMountPointChanged: {
		"The mount point was changed",
		"The reference's volume still leads to the Dataset it was made for, and a volume's source can't be changed.",
		"change it back, or delete the reference and create it again",
	},
	CodeBeingDeleted: {
		"An object of an earlier reference of this name is still being deleted",
		"It has the name that this reference needs.",
		"wait; if it lasts, look at the finalizers of the object",
	},
	CodeDatasetNameTaken: {
		"A Dataset of the reference's name exists already",
		"It holds data of its own or refers to something else. It is never overwritten.",
		"give the reference another name, or delete that Dataset if nobody needs it",
	},
	CodeSourceNameInUse: {
		"Something else has a name that Fluid would give to a copy",
		"Mirrors have names of their own here, so it is neither read nor written. Where only Fluid's own controllers run, it would be a collision.",
		"",
	},
	CodeNotShared: {
		"The physical Dataset isn't shared with the reference's namespace",
		"Its owner has a list of the namespaces that may refer to it, the annotation " + AnnotationSharedWith + ", and this one isn't on it; or the cluster's policy is owner and there is no list. The reference has no mirrors and new pods are denied; it recovers as soon as the Dataset is shared.",
		"ask the owner of the physical Dataset to share it: kubectl fluid ref share NAMESPACE/DATASET --with NAMESPACE",
	},
	CodeNotAllowed: {
		"Whoever creates the reference may not use the physical Dataset",
		"A reference reads the data of another namespace and copies what its FUSE client needs. The cluster's policy is rbac: that takes the verb use on the Dataset, or the owner's list. The answer is the same whether the Dataset exists or not.",
		"ask the owner of the Dataset for a RoleBinding to the ClusterRole fluid-dataset-user in its namespace, or to share it with yours: kubectl fluid ref share",
	},
	CodePodSecurity: {
		"The namespace refuses pods with the sidecar",
		"Of the Pod Security Standards only the level privileged allows hostPath volumes, by which the FUSE mount reaches the app.",
		"let the namespace enforce the level privileged, or run these pods in another namespace",
	},
	CodeWriteRefused: {
		"The API server refuses an object of the reference",
		"A quota, an admission policy or a missing right keeps the controller from writing it. It tries again every 30 seconds.",
		"take away what the message names, or allow the controller to write the object",
	},
	CodeMirrorNameWanted: {
		"Something will come that has the name of a copy",
		"There is a Dataset or runtime in the reference's namespace, mostly of the physical Dataset's name, whose runtime brings ConfigMaps of its own under names that Fluid gives to copies, and Fluid's charts delete what has them, or fail.",
		"give the reference a namespace without such a Dataset, or let mirrors have names of their own (--mirror-names=unique)",
	},
	CodeAccessModesInvalid: {
		"The reference asks for access modes that no volume can have",
		"Fluid's CRD accepts any word; Kubernetes wants ReadOnlyMany, ReadWriteMany and ReadWriteOnce in any combination, or ReadWriteOncePod alone.",
		"correct spec.accessModes, or leave it out for ReadOnlyMany",
	},
	CodeAccessModesIgnored: {
		"The access modes have no effect",
		"As with Fluid, a reference to a Dataset whose volume is ReadOnlyMany is ReadOnlyMany, whatever it asks for, and those of a volume can't be changed.",
		"leave spec.accessModes out; or create the reference again where they were changed",
	},
	CodeOperationOnReference: {
		"A data operation names a reference",
		"Fluid refuses DataLoad, DataMigrate, DataProcess and DataBackup on references, with an event DataOperationNotSupport.",
		"let the operation name the physical Dataset, in its namespace",
	},
	CodeCopyStale: {
		"A copy that Fluid made isn't what its source is",
		"Fluid v1.0.8 never updates its copies, and the controller writes nothing that isn't its own.",
		"delete the copy: the controller makes it anew",
	},
	CodeNamesUnchecked: {
		"Nobody has checked yet whether the names of the copies are taken",
		"Copies have the names of their sources, which something else may have (--mirror-names=source). A pod gets no sidecar before the controller has said of the reference that they aren't.",
		"wait until the reference is Bound, then create the pod again",
	},

	CodePodClaimUnresolved: {
		"The Dataset of a claim isn't ready for a sidecar",
		"A pod is never admitted without the sidecar that it asks for.",
		"wait until the Dataset is Bound, then create the pod again",
	},
	CodeNoNativeSidecars: {
		"The API server doesn't know native sidecars",
		"Init containers with restartPolicy Always exist from Kubernetes 1.29 on.",
		"update the cluster, or let sidecars be classic: the annotation kubectl-fluid.dev/sidecar-mode=classic on the pod or its namespace",
	},
	CodePodNoDataset: {
		"The pod asks for sidecars but uses no Dataset",
		"None of its volumes is the claim of a Dataset.",
		"mount the Dataset's claim, or leave the label out",
	},
	CodePodUnsupportedUsage: {
		"The pod uses a Dataset in a way that a sidecar can't serve",
		"A FUSE mount reaches the app as a directory that is propagated from the node; raw block devices, recursively read-only mounts and pods with a user namespace of their own have no part in that.",
		"mount the claim with ordinary volumeMounts, in a pod that shares the node's user namespace",
	},
	CodePodNotLabelled: {
		"The pod uses a Dataset and doesn't ask for a sidecar",
		"Without the label serverless.fluid.io/inject=true the claim is an ordinary CSI volume, which needs Fluid's CSI plugin on the node.",
		"give the pod the label serverless.fluid.io/inject=true (in a workload: its pod template) and create it again",
	},
	CodePodInjectionOff: {
		"The pod's labels forbid sidecars",
		"fluid.io/enable-injection=false and done.sidecar.fluid.io/inject=true keep webhooks from the pod.",
		"leave the label out and create the pod again",
	},
	CodePodNotInjected: {
		"The pod asks for a sidecar and has none",
		"It was created while no webhook that injects sidecars answered, or Fluid's webhook admitted it unchanged after an error: v1.0.7 and later do that.",
		"see that a webhook is installed and ready, and create the pod again",
	},
	CodeSidecarNotReady: {
		"A sidecar isn't ready",
		"Containers that mount the Dataset start after it, or see an empty directory.",
		"look at the sidecar's log: kubectl logs POD -c CONTAINER",
	},
	CodeTemplateUnreadable: {
		"An object's pod can't be read",
		"What is at its pod template isn't a pod by the API server's rules.",
		"correct the object",
	},
	CodeNoPodTemplate: {
		"The object has no pod template",
		"Sidecars are given to pods, and to objects with a pod template at spec.template or where Kubernetes has it.",
		"",
	},
	CodeSwitchUnknown: {
		"A switch has a value that isn't known",
		"An annotation that says how the sidecar is to be has another value than those there are. Nothing is guessed.",
		"correct the annotation",
	},
	CodeInitContainerReads: {
		"An init container reads a Dataset whose sidecar is classic",
		"A classic sidecar is an ordinary container: it starts after all init containers, which would see an empty directory. Fluid v1.0.8 lets them.",
		"let the sidecar be native, with the annotation kubectl-fluid.dev/sidecar-mode=native on the pod, or read the data in an ordinary container",
	},
	CodeClassicKeepsRunning: {
		"A classic sidecar keeps the pod from completing",
		"A pod completes when all its ordinary containers have ended, and a classic sidecar doesn't end by itself. Fluid's fluidapp-controller ends it, where that runs.",
		"let the sidecar be native, with the annotation kubectl-fluid.dev/sidecar-mode=native on the pod",
	},
	CodeSharedDirectory: {
		"Pods share the directory on the node in which their FUSE clients mount",
		"Sidecars of several such pods on a node mount one over the other, each pod sees the mount on top, and the end of one may end another's. Pods that are injected at admission each have a directory of their own, which goes with them.",
		"leave the annotation default.fuse-sidecar.fluid.io/host-mount-path-mode out, and let sidecars be injected at admission",
	},
	CodeDeprecatedSwitch: {
		"A switch of the pod is out of date",
		"The label fuse.sidecar.fluid.io/inject asked for sidecars in old versions of Fluid. No webhook is called for it, neither here nor with Fluid v1.0.8; where it is the only one, the ValidatingAdmissionPolicy kubectl-fluid-deprecated-labels warns.",
		"use the label serverless.fluid.io/inject=true",
	},
	CodeSwitchUnsupported: {
		"A switch of the pod has no effect here",
		"Fluid's file prefetcher is a container of Fluid's own that reads files ahead; it isn't part of this project.",
		"let a container of yours read the files, or leave the annotation out",
	},
	CodePropagationReplaced: {
		"A container's mountPropagation None is replaced",
		"The FUSE client's mount reaches the app by propagation; without it a container would see an empty directory, or a dead mount after the client was started again. The mount gets HostToContainer.",
		"leave mountPropagation out, or set it to HostToContainer",
	},
	CodeGraceShort: {
		"The pod leaves its sidecar no time to unmount",
		"With a terminationGracePeriodSeconds of 0 or 1 kubelet may kill the FUSE client together with the app, and its dead mount stays on the node. The value is left as it is: it is the app's.",
		"let terminationGracePeriodSeconds be 2 or more",
	},
	CodeNestedTooDeep: {
		"The sidecars of Datasets need each other",
		"A FUSE client that mounts another Dataset's claim needs that Dataset's sidecar too. Here that goes round in a circle, or on for more than eight Datasets.",
		"let the runtimes of the Datasets mount no claims of each other",
	},
	CodeSidecarLost: {
		"A pod has lost its sidecar on its way",
		"It was injected, but the sidecar that its labels name isn't there, or the labels are gone: another webhook has taken it out, or them off. The ValidatingAdmissionPolicy kubectl-fluid-sidecars refuses such a pod, which would read nothing.",
		"find the webhook that removes containers, and let it leave fluid-fuse-* alone: kubectl get mutatingwebhookconfigurations",
	},
	CodeSidecarAltered: {
		"A sidecar was changed on its way",
		"It is an init container that doesn't go on running, nobody waits for its mount, nothing that it mounts is seen outside of it, or the volume of the app leads elsewhere: another webhook has changed it after the injection. The ValidatingAdmissionPolicy kubectl-fluid-sidecars refuses such a pod.",
		"find the webhook that changes containers, and let it leave fluid-fuse-* alone: kubectl get mutatingwebhookconfigurations",
	},
	CodeMountAltered: {
		"A container of an injected pod wouldn't see the data",
		"It mounts the Dataset's volume without the mount propagation HostToContainer, or it would start before the sidecar: another webhook has added or changed it after the injection. The ValidatingAdmissionPolicy kubectl-fluid-sidecars refuses such a pod.",
		"let that webhook's name come before kubectl-fluid-sidecar-injector, or let it leave the Dataset's volume alone",
	},
}
