package finding

// Codes of findings about the physical Dataset and its runtime.
const (
	CodePhysicalMissing      Code = "KF2001"
	CodePhysicalUnbound      Code = "KF2002"
	CodeFuseMissing          Code = "KF2003"
	CodeVolumeMissing        Code = "KF2004"
	CodeSourceMissing        Code = "KF2005"
	CodeChain                Code = "KF2006"
	CodeRuntimeNoSidecar     Code = "KF2007"
	CodePhysicalDeleted      Code = "KF2008"
	CodeTemplateUnusable     Code = "KF2009"
	CodeTemplateClaim        Code = "KF2010"
	CodeNotRecorded          Code = "KF2011"
	CodeSharedWithInvalid    Code = "KF2012"
	CodeSecretsNotGranted    Code = "KF2013"
	CodeInitContainersLost   Code = "KF2014"
	CodePodSettingsLost      Code = "KF2015"
	CodeNodeNeeds            Code = "KF2016"
	CodeServiceAccountNeeded Code = "KF2017"
	CodeCredentialsShown     Code = "KF2018"
	CodePhysicalReplaced     Code = "KF2019"
	CodeVolumeOnly           Code = "KF2020"
	CodeRuntimeInvalid       Code = "KF2030"
	CodeRuntimeNameInUse     Code = "KF2031"
	CodeRuntimeRefused       Code = "KF2032"
	CodeRuntimePods          Code = "KF2033"
	CodeMountFailed          Code = "KF2034"
	CodeClientUnknown        Code = "KF2040"
	CodeHostPathNeeded       Code = "KF2041"
	CodeClientUnsupervised   Code = "KF2042"
)

// physicalKinds are the kinds of findings about the physical Dataset and its runtime, in the order of their codes.
var physicalKinds = []kind{
	{
		CodePhysicalMissing, Waiting, "PhysicalDatasetMissing",
		text{
			"The physical Dataset doesn't exist",
			"The reference waits for it and becomes Bound once it is there and Bound itself.",
			"create the physical Dataset, or correct the mount point",
		},
		text{
			"物理 Dataset 不存在",
			"引用会一直等待；物理 Dataset 创建并变为 Bound 之后，引用随之变为 Bound。",
			"创建物理 Dataset，或更正挂载点",
		},
	},
	{
		CodePhysicalUnbound, Waiting, "PhysicalDatasetNotBound",
		text{
			"The physical Dataset isn't Bound",
			"Its runtime hasn't finished its set-up, or there is no runtime of its name.",
			"look at the physical Dataset and its runtime: kubectl describe",
		},
		text{
			"物理 Dataset 尚未 Bound",
			"它的 Runtime 还没有完成初始化，或者没有同名的 Runtime。",
			"用 kubectl describe 查看物理 Dataset 及其 Runtime",
		},
	},
	{
		CodeFuseMissing, Waiting, "FuseDaemonSetMissing",
		text{
			"The DaemonSet of the FUSE pods doesn't exist",
			"The sidecar is made from its pod template.",
			"look at the physical Dataset's runtime: kubectl describe",
		},
		text{
			"FUSE Pod 的 DaemonSet 不存在",
			"Sidecar 是用它的 Pod 模板生成的。",
			"用 kubectl describe 查看物理 Dataset 的 Runtime",
		},
	},
	{
		CodeVolumeMissing, Waiting, "PhysicalVolumeMissing",
		text{
			"The physical Dataset's PersistentVolume doesn't exist",
			"It says where the FUSE client mounts and what the mount looks like.",
			"look at the physical Dataset's runtime: kubectl describe",
		},
		text{
			"物理 Dataset 的 PersistentVolume 不存在",
			"它说明 FUSE 客户端挂载在哪里，以及挂载点的文件系统类型。",
			"用 kubectl describe 查看物理 Dataset 的 Runtime",
		},
	},
	{
		CodeSourceMissing, Waiting, "SourceMissing",
		text{
			"A ConfigMap or Secret that the FUSE client needs doesn't exist",
			"The FUSE container of the physical Dataset names it, and it isn't optional.",
			"create it in the physical Dataset's namespace",
		},
		text{
			"FUSE 客户端需要的 ConfigMap 或 Secret 不存在",
			"物理 Dataset 的 FUSE 容器引用了它，并且没有标为 optional。",
			"在物理 Dataset 的命名空间中创建它",
		},
	},
	{
		CodeChain, Error, "ReferenceToReference",
		text{
			"The reference refers to another reference",
			"Fluid has no chains of references.",
			"refer to the physical Dataset itself",
		},
		text{
			"引用指向了另一个引用",
			"Fluid 不支持链式引用。",
			"直接引用物理 Dataset",
		},
	},
	{
		CodeRuntimeNoSidecar, Error, "RuntimeWithoutSidecar",
		text{
			"The runtime's FUSE client can't be a sidecar",
			"EFC, Vineyard and CacheRuntime clients depend on things that only their own pods have; of runtimes that Fluid v1.0.8 doesn't have, nothing is known.",
			"use the Dataset through its CSI volume, or another runtime",
		},
		text{
			"该 Runtime 的 FUSE 客户端不能作为 Sidecar",
			"EFC、Vineyard 和 CacheRuntime 的客户端依赖只有它们自己的 Pod 才具备的东西；对于 Fluid v1.0.8 没有的 Runtime，则一无所知。",
			"通过 CSI 卷使用该 Dataset，或改用其他 Runtime",
		},
	},
	{
		CodePhysicalDeleted, Error, "PhysicalDatasetBeingDeleted",
		text{
			"The physical Dataset is being deleted",
			"It goes as soon as no reference to it is left.",
			"delete this reference, or create the physical Dataset again once it has gone",
		},
		text{
			"物理 Dataset 正在被删除",
			"一旦没有引用指向它，它就会消失。",
			"删除这个引用；或等它消失后重新创建物理 Dataset",
		},
	},
	{
		CodeTemplateUnusable, Error, "FuseTemplateUnusable",
		text{
			"The FUSE pod template can't become a sidecar",
			"The template has no container, or the container doesn't mount the volume that the FUSE client mounts in.",
			"repair the runtime of the physical Dataset",
		},
		text{
			"FUSE Pod 模板不能变成 Sidecar",
			"模板中没有容器，或者容器没有挂载 FUSE 客户端用来挂载的那个卷。",
			"修复物理 Dataset 的 Runtime",
		},
	},
	{
		CodeTemplateClaim, Error, "FuseTemplateNeedsClaim",
		text{
			"The FUSE client needs a PersistentVolumeClaim",
			"A claim, like the Endpoints of a GlusterFS volume or the snapshot that a claim is filled from, belongs to its namespace and can't be mirrored; one of the same name elsewhere would be somebody else's.",
			"let the runtime use a volume that needs no claim, or use the physical Dataset in its own namespace",
		},
		text{
			"FUSE 客户端需要 PersistentVolumeClaim",
			"PersistentVolumeClaim 与 GlusterFS 卷的 Endpoints、用来填充它的快照一样，属于所在的命名空间，无法镜像；其他命名空间里同名的那个属于别人。",
			"让 Runtime 使用不需要 PersistentVolumeClaim 的卷，或在物理 Dataset 自己的命名空间中使用它",
		},
	},
	{
		CodeNotRecorded, Waiting, "NotRecorded",
		text{
			"The physical Dataset doesn't know the reference yet",
			"The reference becomes Bound after status.datasetRef of the physical Dataset names it, so that the physical Dataset can't be deleted under it.",
			"wait; if it lasts, look at the controller's log",
		},
		text{
			"物理 Dataset 还没有登记这个引用",
			"物理 Dataset 的 status.datasetRef 写入该引用之后，引用才会变为 Bound，这样物理 Dataset 就不会在引用仍在使用时被删除。",
			"等待；若持续如此，请查看控制器日志",
		},
	},
	{
		CodeSharedWithInvalid, Warning, "SharedWithInvalid",
		text{
			"The list of whom a Dataset is shared with has entries that aren't namespaces",
			"The annotation kubectl-fluid.dev/shared-with is a list of namespaces, separated by commas, or *. Entries that can't be namespaces are ignored, so somebody may be left out who was meant.",
			"let the owner of the physical Dataset correct the annotation: kubectl fluid ref share",
		},
		text{
			"Dataset 的共享名单中有不是命名空间的条目",
			"注解 kubectl-fluid.dev/shared-with 是以逗号分隔的命名空间名单，或者是 *。不可能是命名空间的条目会被忽略，因此本该在名单上的人可能被漏掉。",
			"请物理 Dataset 的所有者更正注解：kubectl fluid ref share",
		},
	},
	{
		CodeSecretsNotGranted, Error, "SecretsNotGranted",
		text{
			"The controller may not mirror Secrets of a namespace",
			"The FUSE client needs Secrets. The controller has a right to Secrets only where somebody gave it one: it reads them in the physical Dataset's namespace and keeps the mirrors in the reference's.",
			"give the controller Roles that name these Secrets only, or a right to all Secrets of the namespace",
		},
		text{
			"控制器无权镜像某个命名空间的 Secret",
			"FUSE 客户端需要 Secret。控制器只在被授权的地方才能访问 Secret：在物理 Dataset 的命名空间读取它们，在引用的命名空间维护副本。",
			"授予控制器只包含这些 Secret 的 Role，或者授予该命名空间全部 Secret 的权限",
		},
	},
	{
		CodeInitContainersLost, Warning, "InitContainersLost",
		text{
			"The FUSE pods have init containers, which a sidecar doesn't have",
			"Of a FUSE pod only the FUSE container and the volumes that it mounts become part of the app's pod. What its init containers do on the node was done where a FUSE pod of the physical Dataset has run; what they put into a volume of their own pod is missing.",
			"look at what the init containers do; where the FUSE client needs it, let its image do it, or use the Dataset through its CSI volume",
		},
		text{
			"FUSE Pod 有 init 容器，而 Sidecar 没有",
			"FUSE Pod 中只有 FUSE 容器和它挂载的卷会进入应用的 Pod。init 容器在节点上做的事，只在运行过物理 Dataset 的 FUSE Pod 的节点上做过；它们写入自己 Pod 的卷的内容则会缺失。",
			"查看这些 init 容器做了什么；如果 FUSE 客户端需要，让它的镜像来做，或通过 CSI 卷使用该 Dataset",
		},
	},
	{
		CodePodSettingsLost, Warning, "PodSettingsLost",
		text{
			"The FUSE pods have settings that a sidecar doesn't have",
			"They hold for a whole pod, or say something of the FUSE pod itself, and the sidecar is part of the app's pod. User and group come along; that the FUSE pods are in the node's network isn't needed.",
			"see that the FUSE client works without them: inspect a first pod",
		},
		text{
			"FUSE Pod 有 Sidecar 所没有的设置",
			"这些设置作用于整个 Pod，或者说明的是 FUSE Pod 自身，而 Sidecar 是应用 Pod 的一部分。用户和组会一并带过来；FUSE Pod 使用节点网络这一点则不需要。",
			"确认 FUSE 客户端没有这些设置也能工作：先检查一个 Pod",
		},
	},
	{
		CodeNodeNeeds, Warning, "NodeNeeds",
		text{
			"The FUSE client needs something of the node",
			"FUSE pods run only on nodes that have it; a sidecar runs wherever the app does, and its pod doesn't start on a node without it.",
			"let apps run on the same nodes as the FUSE pods, by a node selector or affinity",
		},
		text{
			"FUSE 客户端对节点有要求",
			"FUSE Pod 只在满足要求的节点上运行；Sidecar 则随应用运行在任何节点上，在不满足要求的节点上，它的 Pod 无法启动。",
			"用节点选择器或亲和性让应用运行在与 FUSE Pod 相同的节点上",
		},
	},
	{
		CodeServiceAccountNeeded, Warning, "ServiceAccountNeeded",
		text{
			"The FUSE pods have a ServiceAccount of their own",
			"A pod has one ServiceAccount, and a sidecar acts as the app's, which may have other rights.",
			"if the FUSE client uses the Kubernetes API, or what trusts its token, give the app's ServiceAccount the same rights",
		},
		text{
			"FUSE Pod 有自己的 ServiceAccount",
			"一个 Pod 只有一个 ServiceAccount，Sidecar 以应用的 ServiceAccount 行事，其权限可能不同。",
			"如果 FUSE 客户端使用 Kubernetes API 或信任其令牌的服务，给应用的 ServiceAccount 同样的权限",
		},
	},
	{
		CodeCredentialsShown, Warning, "CredentialsShown",
		text{
			"A reference shows credentials in its namespace",
			"Options of mounts are part of a Dataset's status, which references mirror, as with Fluid. Fluid's Alluxio engine, where its controller isn't set to keep them in the ConfigMap of mounts, writes the values of encryptOptions into the configuration that every client gets.",
			"put credentials into encryptOptions, and set Fluid's alluxioruntime-controller to ALLUXIO_MOUNT_CONFIG_STORAGE=configmap",
		},
		text{
			"引用会在其命名空间中显示凭据",
			"挂载的 options 是 Dataset 状态的一部分，引用会镜像它，与 Fluid 相同。如果 Fluid 的 Alluxio 控制器没有设置为把它们放进挂载用的 ConfigMap，它会把 encryptOptions 的值写进每个客户端都会得到的配置。",
			"把凭据放进 encryptOptions，并把 Fluid 的 alluxioruntime-controller 设置为 ALLUXIO_MOUNT_CONFIG_STORAGE=configmap",
		},
	},
	{
		CodePhysicalReplaced, Note, "PhysicalReplaced",
		text{
			"The physical Dataset was deleted and created again",
			"The reference follows: its copies are those of the present one. Pods that have run since before still have the sidecar of the former one.",
			"create pods again that were started before",
		},
		text{
			"物理 Dataset 被删除后又重新创建",
			"引用会跟随：它的副本来自现在的物理 Dataset。在那之前就运行的 Pod 仍然带着旧的 Sidecar。",
			"重新创建在那之前启动的 Pod",
		},
	},
	{
		CodeVolumeOnly, Warning, "VolumeOnly",
		text{
			"The reference has a volume, but pods have no sidecar for it",
			"The runtime's FUSE client can't be a sidecar (KF2007). As with Fluid, the reference has a volume all the same, which Fluid's CSI plugin serves on its nodes; pods that ask for a sidecar are denied.",
			"use the volume in pods without the label serverless.fluid.io/inject, on nodes with Fluid's CSI plugin",
		},
		text{
			"引用有卷，但 Pod 没有对应的 Sidecar",
			"该 Runtime 的 FUSE 客户端不能作为 Sidecar（KF2007）。与 Fluid 相同，引用仍然有自己的卷，由节点上 Fluid 的 CSI 插件提供服务；要求 Sidecar 的 Pod 会被拒绝。",
			"在有 Fluid CSI 插件的节点上，让没有标签 serverless.fluid.io/inject 的 Pod 使用该卷",
		},
	},
	{
		CodeRuntimeInvalid, Error, "RuntimeInvalid",
		text{
			"A Dataset and its AlluxioRuntime can't be served as they are written",
			"A field of one of them is missing, contradicts another one, or asks for something that this project's controller doesn't do.",
			"correct the field that the message names",
		},
		text{
			"Dataset 及其 AlluxioRuntime 的写法无法提供服务",
			"其中某个字段缺失、与其他字段矛盾，或者要求了本项目的控制器不支持的功能。",
			"更正消息中指出的字段",
		},
	},
	{
		CodeRuntimeNameInUse, Error, "RuntimeNameInUse",
		text{
			"An object that an AlluxioRuntime needs exists already and is somebody else's",
			"The objects have the names that Fluid gives them. What this project's controller didn't make for this runtime is never overwritten.",
			"rename or delete that object, or give the Dataset and its runtime another name",
		},
		text{
			"AlluxioRuntime 需要的对象已经存在，而且属于别人",
			"这些对象的名称与 Fluid 相同。不是本项目的控制器为该 Runtime 创建的对象，绝不会被覆盖。",
			"重命名或删除该对象，或者为 Dataset 及其 Runtime 换一个名称",
		},
	},
	{
		CodeRuntimeRefused, Error, "RuntimeRefused",
		text{
			"The API server refuses an object that an AlluxioRuntime needs",
			"An admission policy, a quota or missing rights forbid it, or a value in it isn't valid.",
			"change what the message names; a write that was forbidden is tried again by itself",
		},
		text{
			"API server 拒绝了 AlluxioRuntime 需要的对象",
			"准入策略、配额或权限不足禁止了该写入，或者其中某个值无效。",
			"更改消息中指出的内容；被禁止的写入会自动重试",
		},
	},
	{
		CodeRuntimePods, Error, "RuntimePodsNotRunning",
		text{
			"A pod of an AlluxioRuntime doesn't run",
			"A quota or Pod Security may refuse the pod. No node may have room for it, its image may be missing, or its process may end.",
			"do what the message asks for: raise the quota, lower the tier's quota, correct the image, or look at the container's log",
		},
		text{
			"AlluxioRuntime 的 Pod 没有运行",
			"Pod 未能创建（配额、Pod Security），找不到节点（例如缓存层所需的内存），镜像无法获取，或者进程退出。",
			"按消息处理：提高命名空间配额、降低缓存层的 quota、更正镜像，或者查看容器日志",
		},
	},
	{
		CodeMountFailed, Error, "MountFailed",
		text{
			"A mount of a Dataset failed",
			"Alluxio's masters can't mount it; the message has the origin's or Alluxio's own words. It is tried again every 30 seconds, and at once when the mount is changed.",
			"correct the mount's address, options or Secret, or bring the origin back; for http(s) addresses take an image with a web file system that can mount, see docs/alluxio.md",
		},
		text{
			"Dataset 的挂载失败",
			"Alluxio 的 master 无法挂载；消息中是数据源或 Alluxio 自己的说明。每 30 秒重试一次，挂载被修改时立即重试。",
			"更正挂载的地址、选项或 Secret，或恢复数据源；对于 http(s) 地址，请使用能够挂载的镜像，见 docs/alluxio.md",
		},
	},
	{
		CodeClientUnknown, Error, "ClientUnknown",
		text{
			"The FUSE client isn't known to run without privileges",
			"A sidecar without privileges can't mount: the node plugin does, and hands the client the open FUSE device. Alluxio's client is known to work so; of any other, the FUSE pods' template has to say it.",
			"try the client, and describe it in the annotation kubectl-fluid.dev/unprivileged-client (fuse.podMetadata of the profile or runtime). Or let the namespace have privileged sidecars",
		},
		text{
			"不确定该 FUSE 客户端能否在没有特权的情况下运行",
			"没有特权的 Sidecar 不能挂载：由节点插件挂载，再把打开的 FUSE 设备交给客户端。已知 Alluxio 的客户端可以这样运行；其他客户端必须在 FUSE Pod 的模板中声明。",
			"先试运行该客户端，再在 Profile 或 Runtime 的 fuse 的 podMetadata 中用注解 kubectl-fluid.dev/unprivileged-client 说明它的运行方式；或者让该命名空间使用有特权的 Sidecar",
		},
	},
	{
		CodeHostPathNeeded, Error, "HostPathNeeded",
		text{
			"The FUSE client needs a part of its node",
			"A sidecar without privileges has no directory and no device of its node. Those in which Fluid's clients mount and keep caches have a volume of the pod in their place.",
			"let the runtime do without that volume, or let the namespace have privileged sidecars",
		},
		text{
			"FUSE 客户端需要节点上的目录或设备",
			"没有特权的 Sidecar 不能使用节点上的任何目录和设备。Fluid 的客户端用于挂载和缓存的目录，会换成 Pod 自己的卷。",
			"让 Runtime 不再使用该卷，或者让该命名空间使用有特权的 Sidecar",
		},
	},
	{
		CodeClientUnsupervised, Warning, "ClientUnsupervised",
		text{
			"Nobody sees the FUSE client end",
			"The template names no command, so the image's own entry point runs. The program that watches the client and has kubelet restart all containers doesn't run. After the client has crashed, an app may keep a dead mount.",
			"write the command of the image's entry point into the profile's or runtime's fuse",
		},
		text{
			"没有程序监视 FUSE 客户端是否退出",
			"模板没有写明命令，因此运行的是镜像自己的入口，而不是启动客户端并通知 kubelet 重启所有容器的程序。客户端崩溃后，应用可能一直使用失效的挂载。",
			"把镜像入口的命令写到 Profile 或 Runtime 的 fuse 中",
		},
	},
}
