package finding

// Codes of findings about the reference.
const (
	CodeMountPointMalformed  Code = "KF3001"
	CodeMountsMixed          Code = "KF3002"
	CodeSelfReference        Code = "KF3003"
	CodeMirrorNameTaken      Code = "KF3004"
	CodeClaimNameTaken       Code = "KF3005"
	CodeVolumeNameTaken      Code = "KF3006"
	CodeRuntimeNameTaken     Code = "KF3007"
	CodeNameInvalid          Code = "KF3008"
	CodeFieldsIgnored        Code = "KF3009"
	CodeMountPointChanged    Code = "KF3010"
	CodeBeingDeleted         Code = "KF3011"
	CodeDatasetNameTaken     Code = "KF3012"
	CodeSourceNameInUse      Code = "KF3013"
	CodeNotShared            Code = "KF3014"
	CodeNotAllowed           Code = "KF3015"
	CodePodSecurity          Code = "KF3016"
	CodeWriteRefused         Code = "KF3017"
	CodeMirrorNameWanted     Code = "KF3018"
	CodeAccessModesInvalid   Code = "KF3019"
	CodeAccessModesIgnored   Code = "KF3020"
	CodeOperationOnReference Code = "KF3021"
	CodeCopyStale            Code = "KF3022"
	CodeNamesUnchecked       Code = "KF3023"
)

// referenceKinds are the kinds of findings about the reference, in the order of their codes.
var referenceKinds = []kind{
	{
		CodeMountPointMalformed, Error, "MountPointMalformed",
		text{
			"The mount point isn't dataset://namespace/name[/sub/path]",
			"Names must be DNS labels in lower case; a sub-path has no empty, . or .. element and no character that a shell would read.",
			"correct spec.mounts[0].mountPoint",
		},
		text{
			"挂载点不是 dataset://命名空间/名称[/子/路径] 的形式",
			"名称必须是小写的 DNS 标签；子路径不能含有空的、. 或 .. 的部分，也不能含有 shell 会解释的字符。",
			"更正 spec.mounts[0].mountPoint",
		},
	},
	{
		CodeMountsMixed, Error, "MountsMixed",
		text{
			"The reference has more than one mount",
			"A Dataset with a dataset:// mount has no other mount.",
			"make one Dataset per mount",
		},
		text{
			"引用有不止一个挂载",
			"有 dataset:// 挂载的 Dataset 不能再有其他挂载。",
			"每个挂载各建一个 Dataset",
		},
	},
	{
		CodeSelfReference, Error, "SelfReference",
		text{
			"The reference refers to itself",
			"A reference needs a physical Dataset.",
			"refer to a physical Dataset",
		},
		text{
			"引用指向了自己",
			"引用需要一个物理 Dataset。",
			"引用一个物理 Dataset",
		},
	},
	{
		CodeMirrorNameTaken, Error, "MirrorNameTaken",
		text{
			"A name that a copy needs is taken",
			"An object that doesn't belong to this reference has the name. Fluid v1.0.8 would silently use the foreign object, and the sidecar would read another configuration or another Dataset's data.",
			"rename the object that has the name, or let mirrors have names of their own (--mirror-names=unique)",
		},
		text{
			"副本需要的名称已被占用",
			"占用该名称的对象不属于这个引用。Fluid v1.0.8 会默默使用那个不相干的对象，Sidecar 会读到别的配置，甚至别的 Dataset 的数据。",
			"给占用名称的对象改名，或让副本使用自己的名称（--mirror-names=unique）",
		},
	},
	{
		CodeClaimNameTaken, Error, "ClaimNameTaken",
		text{
			"A PersistentVolumeClaim of the reference's name exists already",
			"Pods would mount that claim and not the Dataset. Fluid v1.0.8 says nothing and shows the reference as Bound.",
			"delete the claim, or give the reference another name",
		},
		text{
			"与引用同名的 PersistentVolumeClaim 已经存在",
			"Pod 会挂载那个 PersistentVolumeClaim，而不是 Dataset。Fluid v1.0.8 不会提示，还显示引用为 Bound。",
			"删除该 PersistentVolumeClaim，或给引用换一个名称",
		},
	},
	{
		CodeVolumeNameTaken, Error, "VolumeNameTaken",
		text{
			"A PersistentVolume of the reference's name exists already",
			"Volumes are called <namespace>-<name>, so a-b/c and a/b-c want the same.",
			"delete the volume if nothing uses it, or give the reference another name",
		},
		text{
			"引用的 PersistentVolume 名称已被占用",
			"卷名是 <命名空间>-<名称>，所以 a-b/c 和 a/b-c 要用同一个名称。",
			"若无人使用该卷，删除它；否则给引用换一个名称",
		},
	},
	{
		CodeRuntimeNameTaken, Error, "RuntimeNameTaken",
		text{
			"A ThinRuntime of the reference's name exists already",
			"It serves something else or has another owner; it isn't adopted.",
			"delete the ThinRuntime, or give the reference another name",
		},
		text{
			"与引用同名的 ThinRuntime 已经存在",
			"它服务于别的数据，或者属于别的所有者；不会被接管。",
			"删除该 ThinRuntime，或给引用换一个名称",
		},
	},
	{
		CodeNameInvalid, Error, "NameInvalid",
		text{
			"The reference's name isn't a DNS-1035 label",
			"Fluid's controllers refuse such a name, though the API server accepts it.",
			"use at most 63 lower-case letters, digits and dashes, beginning with a letter",
		},
		text{
			"引用的名称不是 DNS-1035 标签",
			"API server 接受这样的名称，但 Fluid 的控制器拒绝它。",
			"使用不超过 63 个小写字母、数字和连字符，并以字母开头",
		},
	},
	{
		CodeFieldsIgnored, Note, "FieldsIgnored",
		text{
			"Fields have no effect on a reference",
			"Of a reference's spec only the mount point and the access modes count.",
			"leave these fields out",
		},
		text{
			"有些字段对引用不起作用",
			"引用的 spec 中只有挂载点和访问模式（accessModes）有效。",
			"去掉这些字段",
		},
	},
	{
		CodeMountPointChanged, Error, "MountPointChanged",
		text{
			"The mount point was changed",
			"The reference's volume still leads to the Dataset it was made for, and a volume's source can't be changed.",
			"change it back, or delete the reference and create it again",
		},
		text{
			"挂载点被修改了",
			"引用的卷仍然指向当初的 Dataset，而卷的来源不能修改。",
			"改回原来的挂载点，或删除引用后重新创建",
		},
	},
	{
		CodeBeingDeleted, Waiting, "BeingDeleted",
		text{
			"An object of an earlier reference of this name is still being deleted",
			"It has the name that this reference needs.",
			"wait; if it lasts, look at the finalizers of the object",
		},
		text{
			"同名的旧引用还有对象正在删除",
			"它占用着这个引用需要的名称。",
			"等待；若持续如此，请查看该对象的 finalizers",
		},
	},
	{
		CodeDatasetNameTaken, Error, "DatasetNameTaken",
		text{
			"A Dataset of the reference's name exists already",
			"It holds data of its own or refers to something else. It is never overwritten.",
			"give the reference another name, or delete that Dataset if nobody needs it",
		},
		text{
			"与引用同名的 Dataset 已经存在",
			"它有自己的数据，或者指向别处。它绝不会被覆盖。",
			"给引用换一个名称；若无人需要那个 Dataset，也可以删除它",
		},
	},
	{
		CodeSourceNameInUse, Note, "SourceNameInUse",
		text{
			"Something else has a name that Fluid would give to a copy",
			"Mirrors have names of their own here, so it is neither read nor written. Where only Fluid's own controllers run, it would be a collision.",
			"",
		},
		text{
			"Fluid 会给副本用的名称已被别的对象占用",
			"这里的副本有自己的名称，所以那个对象既不会被读取也不会被写入。如果只有 Fluid 自己的控制器在运行，这就是一次冲突。",
			"",
		},
	},
	{
		CodeNotShared, Error, "NotShared",
		text{
			"The physical Dataset isn't shared with the reference's namespace",
			"Its owner has a list of the namespaces that may refer to it, the annotation kubectl-fluid.dev/shared-with, and this one isn't on it; or the cluster's policy is owner and there is no list. The reference has no mirrors and new pods are denied; it recovers as soon as the Dataset is shared.",
			"ask the owner of the physical Dataset to share it: kubectl fluid ref share NAMESPACE/DATASET --with NAMESPACE",
		},
		text{
			"物理 Dataset 没有共享给引用所在的命名空间",
			"它的所有者用注解 kubectl-fluid.dev/shared-with 列出了可以引用它的命名空间，而这个命名空间不在其中；或者集群策略是 owner 而没有名单。引用没有副本，新的 Pod 会被拒绝；Dataset 一旦共享，引用立即恢复。",
			"请物理 Dataset 的所有者共享它：kubectl fluid ref share NAMESPACE/DATASET --with NAMESPACE",
		},
	},
	{
		CodeNotAllowed, Error, "NotAllowed",
		text{
			"Whoever creates the reference may not use the physical Dataset",
			"A reference reads the data of another namespace and copies what its FUSE client needs. The cluster's policy is rbac: that takes the verb use on the Dataset, or the owner's list. The answer is the same whether the Dataset exists or not.",
			"ask the owner of the Dataset for a RoleBinding to the ClusterRole fluid-dataset-user in its namespace, or to share it with yours: kubectl fluid ref share",
		},
		text{
			"创建引用的人不能使用物理 Dataset",
			"引用会读取另一个命名空间的数据，并复制其 FUSE 客户端所需的内容。集群策略是 rbac：需要对该 Dataset 的 use 动词权限，或者在所有者的名单上。无论 Dataset 是否存在，答复都一样。",
			"请 Dataset 的所有者在其命名空间中创建到 ClusterRole fluid-dataset-user 的 RoleBinding，或把它共享给你的命名空间：kubectl fluid ref share",
		},
	},
	{
		CodePodSecurity, Warning, "PodSecurityForbidsSidecar",
		text{
			"The namespace refuses pods with the sidecar",
			"The namespace asks for privileged sidecars. Of the Pod Security Standards only the level privileged allows their hostPath volumes.",
			"take the label kubectl-fluid.dev/sidecar-privileges off the namespace, so that the node plugin mounts, or let it enforce the level privileged",
		},
		text{
			"命名空间会拒绝带有 Sidecar 的 Pod",
			"该命名空间要求使用特权 Sidecar。Pod 安全标准中只有 privileged 级别允许它们所需的 hostPath 卷。",
			"去掉命名空间上的标签 kubectl-fluid.dev/sidecar-privileges，由节点插件挂载；或让该命名空间执行 privileged 级别",
		},
	},
	{
		CodeWriteRefused, Error, "WriteRefused",
		text{
			"The API server refuses an object of the reference",
			"A quota, an admission policy or a missing right keeps the controller from writing it. It tries again every 30 seconds.",
			"take away what the message names, or allow the controller to write the object",
		},
		text{
			"API server 拒绝了引用的某个对象",
			"配额、准入策略或缺少权限使控制器无法写入它。控制器每 30 秒重试一次。",
			"消除消息中所说的障碍，或允许控制器写入该对象",
		},
	},
	{
		CodeMirrorNameWanted, Error, "MirrorNameWanted",
		text{
			"Something will come that has the name of a copy",
			"There is a Dataset or runtime in the reference's namespace, mostly of the physical Dataset's name, whose runtime brings ConfigMaps of its own under names that Fluid gives to copies, and Fluid's charts delete what has them, or fail.",
			"give the reference a namespace without such a Dataset, or let mirrors have names of their own (--mirror-names=unique)",
		},
		text{
			"副本的名称将被别的对象占用",
			"引用的命名空间中有一个 Dataset 或 Runtime（通常与物理 Dataset 同名），它的 Runtime 会带来自己的 ConfigMap，名称正是 Fluid 给副本用的名称；Fluid 的 chart 会删除占用该名称的对象，或者安装失败。",
			"把引用放到没有这种 Dataset 的命名空间，或让副本使用自己的名称（--mirror-names=unique）",
		},
	},
	{
		CodeAccessModesInvalid, Error, "AccessModesInvalid",
		text{
			"The reference asks for access modes that no volume can have",
			"Fluid's CRD accepts any word; Kubernetes wants ReadOnlyMany, ReadWriteMany and ReadWriteOnce in any combination, or ReadWriteOncePod alone.",
			"correct spec.accessModes, or leave it out for ReadOnlyMany",
		},
		text{
			"引用要求的访问模式没有卷可以具备",
			"Fluid 的 CRD 接受任何文字；Kubernetes 只接受 ReadOnlyMany、ReadWriteMany 和 ReadWriteOnce 的任意组合，或单独的 ReadWriteOncePod。",
			"更正 spec.accessModes，或者不写，即 ReadOnlyMany",
		},
	},
	{
		CodeAccessModesIgnored, Note, "AccessModesIgnored",
		text{
			"The access modes have no effect",
			"As with Fluid, a reference to a Dataset whose volume is ReadOnlyMany is ReadOnlyMany, whatever it asks for, and those of a volume can't be changed.",
			"leave spec.accessModes out; or create the reference again where they were changed",
		},
		text{
			"访问模式不起作用",
			"与 Fluid 相同，如果物理 Dataset 的卷是 ReadOnlyMany，引用无论要求什么都是 ReadOnlyMany；卷的访问模式也不能修改。",
			"去掉 spec.accessModes；如果是后来修改的，请重新创建引用",
		},
	},
	{
		CodeOperationOnReference, Warning, "OperationOnReference",
		text{
			"A data operation names a reference",
			"Fluid refuses DataLoad, DataMigrate, DataProcess and DataBackup on references, with an event DataOperationNotSupport.",
			"let the operation name the physical Dataset, in its namespace",
		},
		text{
			"有数据操作指定了引用",
			"Fluid 拒绝对引用执行 DataLoad、DataMigrate、DataProcess 和 DataBackup，并产生事件 DataOperationNotSupport。",
			"让该操作指定物理 Dataset，并放在它的命名空间中",
		},
	},
	{
		CodeCopyStale, Error, "CopyStale",
		text{
			"A copy that Fluid made isn't what its source is",
			"Fluid v1.0.8 never updates its copies, and the controller writes nothing that isn't its own.",
			"delete the copy: the controller makes it anew",
		},
		text{
			"Fluid 创建的副本与来源不一致",
			"Fluid v1.0.8 从不更新它的副本，而控制器不会写入不属于自己的对象。",
			"删除该副本：控制器会重新创建",
		},
	},
	{
		CodeNamesUnchecked, Waiting, "NamesUnchecked",
		text{
			"Nobody has checked yet whether the names of the copies are taken",
			"Copies have the names of their sources, which something else may have (--mirror-names=source). A pod gets no sidecar before the controller has said of the reference that they aren't.",
			"wait until the reference is Bound, then create the pod again",
		},
		text{
			"还没有检查副本的名称是否被占用",
			"副本使用来源的名称，而这些名称可能已被占用（--mirror-names=source）。在控制器确认没有被占用之前，Pod 不会得到 Sidecar。",
			"等引用变为 Bound，再重新创建 Pod",
		},
	},
}
