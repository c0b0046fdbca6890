package reference

// chineseTexts explain the kinds of findings in the Chinese of the mainland. Names of kinds, fields and commands stay as
// they are typed.
var chineseTexts = map[Code]text{
	CodeUnread: {
		"有对象无法读取",
		"读取失败，多数情况是没有权限。凡是取决于该对象的结论都无从得知。",
		"申请读取（get）该对象的权限，或请有权限的人执行检查",
	},
	CodeNameNeededByNeighbour: {
		"命名空间中的另一个 Dataset 也需要副本的名称",
		"这里的副本与来源同名，与 Fluid 一样。后来者要么不声不响地使用已有的对象（Fluid 的副本），要么把它替换掉（Fluid 各 Runtime 的 Helm release）：于是 sidecar 读到的是另一个 Dataset 的配置。",
		"让副本使用自己的名称（--mirror-names=unique），或换一个命名空间",
	},
	CodeCopySharedWithNeighbour: {
		"命名空间中的另一个引用也需要同一个副本",
		"这里的副本与来源同名，与 Fluid 一样，因此指向同一个 Dataset 的两个引用共用副本。副本属于先来的引用，并随它一起删除：之后另一个引用的新 Pod 无法启动。",
		"让副本使用自己的名称（--mirror-names=unique），或让两者使用同一个引用",
	},
	CodePodWouldBeDenied: {
		"Pod 会被拒绝",
		"Pod 要求注入 sidecar，而目前的状况下无法生成。本项目的 webhook 会拒绝这样的 Pod；Fluid 的 webhook 则会放行，但不带 sidecar。",
		"按消息中各项的处理方法解决，然后再创建 Pod",
	},

	CodeKubernetesTooOld: {
		"Kubernetes 版本过低，没有原生 Sidecar",
		"Sidecar 就是 restartPolicy 为 Always 的 init 容器。从 Kubernetes 1.29 起，API Server 和各节点的 kubelet 才默认支持。",
		"升级集群",
	},
	CodeNoSelfHealing: {
		"FUSE 客户端崩溃后，Pod 不会自行恢复",
		"从 Kubernetes 1.36 起，Sidecar 可以让 kubelet 重启 Pod 的全部容器（RestartAllContainers）。此前的版本中，应用会一直持有失效的挂载点。",
		"升级到 Kubernetes 1.36，或删除 Sidecar 重启过的 Pod",
	},
	CodeKubeletBug: {
		"kubelet 存在影响 Sidecar 的缺陷",
		"原生 Sidecar 带有启动探针，应用靠它等待 FUSE 挂载完成。在 1.33.6 和 1.34.2 之前的版本中，如果 Sidecar 第一次启动失败，restartPolicy 为 Never 的 Pod 不会启动应用（kubernetes/kubernetes#132826）；在 1.35.4 之前的 1.35 中，kubelet 重启之后，崩溃的应用不会再被启动（kubernetes/kubernetes#137146）。",
		"把节点升级到所用 Kubernetes 版本的最新补丁版本，且不低于 1.33",
	},
	CodeDefinitionMissing: {
		"缺少 Fluid 的 CustomResourceDefinition",
		"没有它就没有这类对象，也就没有引用。",
		"安装 Fluid，或应用 kubectl fluid 自己的定义：kubectl apply --server-side --field-manager=kubectl-fluid -k config/crd",
	},
	CodeDefinitionForeign: {
		"CustomResourceDefinition 不符合 Fluid 的要求",
		"它与 Fluid 的某个类型同名，但不提供 v1alpha1 版本，或者作用域不同，或者没有 status 子资源。",
		"查明由谁安装，并请其安装 Fluid 的定义",
	},
	CodeNobodyServes: {
		"集群中没有控制器处理引用",
		"既没有找到本项目的控制器，也没有找到 Fluid 的 dataset-controller，引用会一直停留在原状。",
		"安装控制器：kubectl apply --server-side -k config/default",
	},
	CodeTwoControllers: {
		"有两个控制器在处理引用",
		"Fluid 的 dataset-controller 会处理每一个引用，且无法关闭，因此它的对象会与本项目控制器的对象相遇。",
		"只运行其中一个",
	},
	CodeControllerNotReady: {
		"控制器未就绪",
		"它没有就绪的 Pod，因此什么都不会处理；如果它提供 webhook，Pod 会被拒绝。",
		"用 kubectl describe 和 kubectl logs 查看它的 Pod",
	},
	CodeWebhookMissing: {
		"没有注入 Sidecar 的 webhook",
		"注入 Sidecar 所需的 MutatingWebhookConfiguration 一个也不存在，创建的 Pod 都没有 Sidecar。",
		"安装控制器：kubectl apply --server-side -k config/default",
	},
	CodeWebhookFails: {
		"webhook 没有正常工作",
		"一次不会保存的探测（服务端 dry-run）原样返回，或者本应被拒绝却没有被拒绝，或者 API Server 无法调用该 webhook。",
		"查看控制器的 Pod 和日志，以及 webhook 配置中指定的 Service",
	},
	CodeCertificateInvalid: {
		"API Server 无法信任 webhook",
		"webhook 配置中的 caBundle 为空、不是证书，或者已经过期。",
		"重启控制器：由它签发证书并维护 caBundle",
	},
	CodeCertificateExpires: {
		"webhook 的证书颁发机构即将过期",
		"控制器会在剩余三分之一有效期时更新自己的证书，看来没有更新。",
		"查看控制器的日志",
	},
	CodeRightsMissing: {
		"你没有某个命令所需的权限",
		"已向 API Server 查询你在该命名空间的权限。该命令会失败，或者说明有哪些内容无法查看。",
		"向管理员申请角色：kubectl fluid rbac print --for COMMAND",
	},
	CodeControllerRights: {
		"控制器缺少权限",
		"它的 ServiceAccount 无权执行处理引用所需的操作。",
		"应用 kubectl fluid 的 config/rbac",
	},
	CodeServerUnreachable: {
		"无法访问 API Server",
		"连接不上，或者它不接受你的凭据。其他检查都无法进行。",
		"检查 --kubeconfig、--context 和 --server，或重新登录",
	},

	CodePhysicalMissing: {
		"物理 Dataset 不存在",
		"引用会一直等待；物理 Dataset 创建并变为 Bound 之后，引用随之变为 Bound。",
		"创建物理 Dataset，或更正挂载点",
	},
	CodePhysicalUnbound: {
		"物理 Dataset 尚未 Bound",
		"它的 Runtime 还没有完成初始化，或者没有同名的 Runtime。",
		"用 kubectl describe 查看物理 Dataset 及其 Runtime",
	},
	CodeFuseMissing: {
		"FUSE Pod 的 DaemonSet 不存在",
		"Sidecar 是用它的 Pod 模板生成的。",
		"用 kubectl describe 查看物理 Dataset 的 Runtime",
	},
	CodeVolumeMissing: {
		"物理 Dataset 的 PersistentVolume 不存在",
		"它说明 FUSE 客户端挂载在哪里，以及挂载点的文件系统类型。",
		"用 kubectl describe 查看物理 Dataset 的 Runtime",
	},
	CodeSourceMissing: {
		"FUSE 客户端需要的 ConfigMap 或 Secret 不存在",
		"物理 Dataset 的 FUSE 容器引用了它，并且没有标为 optional。",
		"在物理 Dataset 的命名空间中创建它",
	},
	CodeChain: {
		"引用指向了另一个引用",
		"Fluid 不支持链式引用。",
		"直接引用物理 Dataset",
	},
	CodeRuntimeNoSidecar: {
		"该 Runtime 的 FUSE 客户端不能作为 Sidecar",
		"EFC、Vineyard 和 CacheRuntime 的客户端依赖只有它们自己的 Pod 才具备的东西；对于 Fluid v1.0.8 没有的 Runtime，则一无所知。",
		"通过 CSI 卷使用该 Dataset，或改用其他 Runtime",
	},
	CodePhysicalDeleted: {
		"物理 Dataset 正在被删除",
		"一旦没有引用指向它，它就会消失。",
		"删除这个引用；或等它消失后重新创建物理 Dataset",
	},
	CodeTemplateUnusable: {
		"FUSE Pod 模板不能变成 Sidecar",
		"模板中没有容器，或者容器没有挂载 FUSE 客户端用来挂载的那个卷。",
		"修复物理 Dataset 的 Runtime",
	},
	CodeTemplateClaim: {
		"FUSE 客户端需要 PersistentVolumeClaim",
		"PersistentVolumeClaim 与 GlusterFS 卷的 Endpoints、用来填充它的快照一样，属于所在的命名空间，无法镜像；其他命名空间里同名的那个属于别人。",
		"让 Runtime 使用不需要 PersistentVolumeClaim 的卷，或在物理 Dataset 自己的命名空间中使用它",
	},
	CodeNotRecorded: {
		"物理 Dataset 还没有登记这个引用",
		"物理 Dataset 的 status.datasetRef 写入该引用之后，引用才会变为 Bound，这样物理 Dataset 就不会在引用仍在使用时被删除。",
		"等待；若持续如此，请查看控制器日志",
	},
	CodeSharedWithInvalid: {
		"Dataset 的共享名单中有不是命名空间的条目",
		"注解 " + AnnotationSharedWith + " 是以逗号分隔的命名空间名单，或者是 *。不可能是命名空间的条目会被忽略，因此本该在名单上的人可能被漏掉。",
		"请物理 Dataset 的所有者更正注解：kubectl fluid ref share",
	},
	CodeSecretsNotGranted: {
		"控制器无权镜像某个命名空间的 Secret",
		"FUSE 客户端需要 Secret。控制器只在被授权的地方才能访问 Secret：在物理 Dataset 的命名空间读取它们，在引用的命名空间维护副本。",
		"授予控制器只包含这些 Secret 的 Role，或者授予该命名空间全部 Secret 的权限",
	},
	CodeInitContainersLost: {
		"FUSE Pod 有 init 容器，而 Sidecar 没有",
		"FUSE Pod 中只有 FUSE 容器和它挂载的卷会进入应用的 Pod。init 容器在节点上做的事，只在运行过物理 Dataset 的 FUSE Pod 的节点上做过；它们写入自己 Pod 的卷的内容则会缺失。",
		"查看这些 init 容器做了什么；如果 FUSE 客户端需要，让它的镜像来做，或通过 CSI 卷使用该 Dataset",
	},
	CodePodSettingsLost: {
		"FUSE Pod 有 Sidecar 所没有的设置",
		"这些设置作用于整个 Pod，或者说明的是 FUSE Pod 自身，而 Sidecar 是应用 Pod 的一部分。用户和组会一并带过来；FUSE Pod 使用节点网络这一点则不需要。",
		"确认 FUSE 客户端没有这些设置也能工作：先检查一个 Pod",
	},
	CodeNodeNeeds: {
		"FUSE 客户端对节点有要求",
		"FUSE Pod 只在满足要求的节点上运行；Sidecar 则随应用运行在任何节点上，在不满足要求的节点上，它的 Pod 无法启动。",
		"用节点选择器或亲和性让应用运行在与 FUSE Pod 相同的节点上",
	},
	CodeServiceAccountNeeded: {
		"FUSE Pod 有自己的 ServiceAccount",
		"一个 Pod 只有一个 ServiceAccount，Sidecar 以应用的 ServiceAccount 行事，其权限可能不同。",
		"如果 FUSE 客户端使用 Kubernetes API 或信任其令牌的服务，给应用的 ServiceAccount 同样的权限",
	},
	CodeCredentialsShown: {
		"引用会在其命名空间中显示凭据",
		"挂载的 options 是 Dataset 状态的一部分，引用会镜像它，与 Fluid 相同。如果 Fluid 的 Alluxio 控制器没有设置为把它们放进挂载用的 ConfigMap，它会把 encryptOptions 的值写进每个客户端都会得到的配置。",
		"把凭据放进 encryptOptions，并把 Fluid 的 alluxioruntime-controller 设置为 ALLUXIO_MOUNT_CONFIG_STORAGE=configmap",
	},
	CodePhysicalReplaced: {
		"物理 Dataset 被删除后又重新创建",
		"引用会跟随：它的副本来自现在的物理 Dataset。在那之前就运行的 Pod 仍然带着旧的 Sidecar。",
		"重新创建在那之前启动的 Pod",
	},
	CodeVolumeOnly: {
		"引用有卷，但 Pod 没有对应的 Sidecar",
		"该 Runtime 的 FUSE 客户端不能作为 Sidecar（KF2007）。与 Fluid 相同，引用仍然有自己的卷，由节点上 Fluid 的 CSI 插件提供服务；要求 Sidecar 的 Pod 会被拒绝。",
		"在有 Fluid CSI 插件的节点上，让没有标签 serverless.fluid.io/inject 的 Pod 使用该卷",
	},

	CodeMountPointMalformed: {
		"挂载点不是 dataset://命名空间/名称[/子/路径] 的形式",
		"名称必须是小写的 DNS 标签；子路径不能含有空的、. 或 .. 的部分，也不能含有 shell 会解释的字符。",
		"更正 spec.mounts[0].mountPoint",
	},
	CodeMountsMixed: {
		"引用有不止一个挂载",
		"有 dataset:// 挂载的 Dataset 不能再有其他挂载。",
		"每个挂载各建一个 Dataset",
	},
	CodeSelfReference: {
		"引用指向了自己",
		"引用需要一个物理 Dataset。",
		"引用一个物理 Dataset",
	},
	CodeMirrorNameTaken: {
		"副本需要的名称已被占用",
		"占用该名称的对象不属于这个引用。Fluid v1.0.8 会默默使用那个不相干的对象，Sidecar 会读到别的配置，甚至别的 Dataset 的数据。",
		"给占用名称的对象改名，或让副本使用自己的名称（--mirror-names=unique）",
	},
	CodeClaimNameTaken: {
		"与引用同名的 PersistentVolumeClaim 已经存在",
		"Pod 会挂载那个 PersistentVolumeClaim，而不是 Dataset。Fluid v1.0.8 不会提示，还显示引用为 Bound。",
		"删除该 PersistentVolumeClaim，或给引用换一个名称",
	},
	CodeVolumeNameTaken: {
		"引用的 PersistentVolume 名称已被占用",
		"卷名是 <命名空间>-<名称>，所以 a-b/c 和 a/b-c 要用同一个名称。",
		"若无人使用该卷，删除它；否则给引用换一个名称",
	},
	CodeRuntimeNameTaken: {
		"与引用同名的 ThinRuntime 已经存在",
		"它服务于别的数据，或者属于别的所有者；不会被接管。",
		"删除该 ThinRuntime，或给引用换一个名称",
	},
	CodeNameInvalid: {
		"引用的名称不是 DNS-1035 标签",
		"API server 接受这样的名称，但 Fluid 的控制器拒绝它。",
		"使用不超过 63 个小写字母、数字和连字符，并以字母开头",
	},
	CodeFieldsIgnored: {
		"有些字段对引用不起作用",
		"引用的 spec 中只有挂载点和访问模式（accessModes）有效。",
		"去掉这些字段",
	},
	CodeMountPointChanged: {
		"挂载点被修改了",
		"引用的卷仍然指向当初的 Dataset，而卷的来源不能修改。",
		"改回原来的挂载点，或删除引用后重新创建",
	},
	CodeBeingDeleted: {
		"同名的旧引用还有对象正在删除",
		"它占用着这个引用需要的名称。",
		"等待；若持续如此，请查看该对象的 finalizers",
	},
	CodeDatasetNameTaken: {
		"与引用同名的 Dataset 已经存在",
		"它有自己的数据，或者指向别处。它绝不会被覆盖。",
		"给引用换一个名称；若无人需要那个 Dataset，也可以删除它",
	},
	CodeSourceNameInUse: {
		"Fluid 会给副本用的名称已被别的对象占用",
		"这里的副本有自己的名称，所以那个对象既不会被读取也不会被写入。如果只有 Fluid 自己的控制器在运行，这就是一次冲突。",
		"",
	},
	CodeNotShared: {
		"物理 Dataset 没有共享给引用所在的命名空间",
		"它的所有者用注解 " + AnnotationSharedWith + " 列出了可以引用它的命名空间，而这个命名空间不在其中；或者集群策略是 owner 而没有名单。引用没有副本，新的 Pod 会被拒绝；Dataset 一旦共享，引用立即恢复。",
		"请物理 Dataset 的所有者共享它：kubectl fluid ref share NAMESPACE/DATASET --with NAMESPACE",
	},
	CodeNotAllowed: {
		"创建引用的人不能使用物理 Dataset",
		"引用会读取另一个命名空间的数据，并复制其 FUSE 客户端所需的内容。集群策略是 rbac：需要对该 Dataset 的 use 动词权限，或者在所有者的名单上。无论 Dataset 是否存在，答复都一样。",
		"请 Dataset 的所有者在其命名空间中创建到 ClusterRole fluid-dataset-user 的 RoleBinding，或把它共享给你的命名空间：kubectl fluid ref share",
	},
	CodePodSecurity: {
		"命名空间会拒绝带有 Sidecar 的 Pod",
		"Pod 安全标准中只有 privileged 级别允许 hostPath 卷，而 FUSE 挂载要通过它到达应用容器。",
		"让该命名空间执行 privileged 级别，或在另一个命名空间运行这些 Pod",
	},
	CodeWriteRefused: {
		"API server 拒绝了引用的某个对象",
		"配额、准入策略或缺少权限使控制器无法写入它。控制器每 30 秒重试一次。",
		"消除消息中所说的障碍，或允许控制器写入该对象",
	},
	CodeMirrorNameWanted: {
		"副本的名称将被别的对象占用",
		"引用的命名空间中有一个 Dataset 或 Runtime（通常与物理 Dataset 同名），它的 Runtime 会带来自己的 ConfigMap，名称正是 Fluid 给副本用的名称；Fluid 的 chart 会删除占用该名称的对象，或者安装失败。",
		"把引用放到没有这种 Dataset 的命名空间，或让副本使用自己的名称（--mirror-names=unique）",
	},
	CodeAccessModesInvalid: {
		"引用要求的访问模式没有卷可以具备",
		"Fluid 的 CRD 接受任何文字；Kubernetes 只接受 ReadOnlyMany、ReadWriteMany 和 ReadWriteOnce 的任意组合，或单独的 ReadWriteOncePod。",
		"更正 spec.accessModes，或者不写，即 ReadOnlyMany",
	},
	CodeAccessModesIgnored: {
		"访问模式不起作用",
		"与 Fluid 相同，如果物理 Dataset 的卷是 ReadOnlyMany，引用无论要求什么都是 ReadOnlyMany；卷的访问模式也不能修改。",
		"去掉 spec.accessModes；如果是后来修改的，请重新创建引用",
	},
	CodeOperationOnReference: {
		"有数据操作指定了引用",
		"Fluid 拒绝对引用执行 DataLoad、DataMigrate、DataProcess 和 DataBackup，并产生事件 DataOperationNotSupport。",
		"让该操作指定物理 Dataset，并放在它的命名空间中",
	},
	CodeCopyStale: {
		"Fluid 创建的副本与来源不一致",
		"Fluid v1.0.8 从不更新它的副本，而控制器不会写入不属于自己的对象。",
		"删除该副本：控制器会重新创建",
	},
	CodeNamesUnchecked: {
		"还没有检查副本的名称是否被占用",
		"副本使用来源的名称，而这些名称可能已被占用（--mirror-names=source）。在控制器确认没有被占用之前，Pod 不会得到 Sidecar。",
		"等引用变为 Bound，再重新创建 Pod",
	},

	CodePodClaimUnresolved: {
		"PersistentVolumeClaim 的 Dataset 还不能提供 Sidecar",
		"要求 Sidecar 的 Pod 绝不会在没有 Sidecar 的情况下被放行。",
		"等 Dataset 变为 Bound，再重新创建 Pod",
	},
	CodeNoNativeSidecars: {
		"API server 不支持原生 Sidecar",
		"restartPolicy 为 Always 的 init 容器从 Kubernetes 1.29 开始提供。",
		"升级集群，或者让 Sidecar 采用 classic 模式：在 Pod 或其命名空间上使用注解 kubectl-fluid.dev/sidecar-mode=classic",
	},
	CodePodNoDataset: {
		"Pod 要求 Sidecar，但没有使用任何 Dataset",
		"它的卷中没有任何 Dataset 的 PersistentVolumeClaim。",
		"挂载 Dataset 的 PersistentVolumeClaim，或去掉这个标签",
	},
	CodePodUnsupportedUsage: {
		"Pod 使用 Dataset 的方式是 Sidecar 无法支持的",
		"FUSE 挂载以目录的形式从节点传播到应用容器；裸块设备、递归只读挂载以及拥有独立用户命名空间的 Pod 都做不到这一点。",
		"用普通的 volumeMounts 挂载该 PersistentVolumeClaim，并让 Pod 与节点共用用户命名空间",
	},
	CodePodNotLabelled: {
		"Pod 使用 Dataset，但没有要求 Sidecar",
		"没有标签 serverless.fluid.io/inject=true，这个 PersistentVolumeClaim 就是普通的 CSI 卷，节点上需要有 Fluid 的 CSI 插件。",
		"给 Pod（在工作负载中是它的 Pod 模板）加上标签 serverless.fluid.io/inject=true，然后重新创建",
	},
	CodePodInjectionOff: {
		"Pod 的标签禁止注入 Sidecar",
		"fluid.io/enable-injection=false 和 done.sidecar.fluid.io/inject=true 会让 webhook 跳过该 Pod。",
		"去掉该标签，然后重新创建 Pod",
	},
	CodePodNotInjected: {
		"Pod 要求 Sidecar，却没有得到",
		"它创建时没有可以注入 Sidecar 的 webhook 应答，或者 Fluid 的 webhook 出错后把它原样放行：v1.0.7 及以后的版本会这样做。",
		"确认 webhook 已安装并就绪，然后重新创建 Pod",
	},
	CodeSidecarNotReady: {
		"Sidecar 尚未就绪",
		"挂载 Dataset 的容器会在它之后启动，否则会看到空目录。",
		"查看 Sidecar 的日志：kubectl logs POD -c CONTAINER",
	},
	CodeTemplateUnreadable: {
		"无法读取对象中的 Pod",
		"按照 API server 的规则，其 Pod 模板处的内容不是一个 Pod。",
		"更正该对象",
	},
	CodeNoPodTemplate: {
		"对象没有 Pod 模板",
		"Sidecar 只会注入 Pod，以及在 spec.template 或 Kubernetes 规定的位置带有 Pod 模板的对象。",
		"",
	},
	CodeSwitchUnknown: {
		"开关的值未知",
		"一个说明 Sidecar 应当如何的注解，其值不在允许的范围之内。这里不作任何猜测。",
		"更正该注解",
	},
	CodeInitContainerReads: {
		"init 容器读取 Dataset，而其 Sidecar 是 classic 模式",
		"classic 模式的 Sidecar 是普通容器：它在所有 init 容器之后启动，init 容器只能看到空目录。Fluid v1.0.8 会放行这样的 Pod。",
		"在 Pod 上使用注解 kubectl-fluid.dev/sidecar-mode=native，让 Sidecar 成为原生 Sidecar；或者在普通容器中读取数据",
	},
	CodeClassicKeepsRunning: {
		"classic 模式的 Sidecar 使 Pod 无法结束",
		"所有普通容器结束之后 Pod 才算结束，而 classic 模式的 Sidecar 不会自行结束。如果运行着 Fluid 的 fluidapp-controller，则由它来结束该 Sidecar。",
		"在 Pod 上使用注解 kubectl-fluid.dev/sidecar-mode=native，让 Sidecar 成为原生 Sidecar",
	},
	CodeSharedDirectory: {
		"多个 Pod 共用节点上 FUSE 客户端的挂载目录",
		"同一节点上这些 Pod 的 Sidecar 会相互覆盖挂载，每个 Pod 看到的都是最上层的挂载，一个 Pod 的结束也可能终止另一个 Pod 的挂载。在准入时注入的 Pod 各有自己的目录，并随 Pod 一起删除。",
		"去掉注解 default.fuse-sidecar.fluid.io/host-mount-path-mode，并在准入时注入 Sidecar",
	},
	CodeDeprecatedSwitch: {
		"Pod 的某个开关已过时",
		"标签 fuse.sidecar.fluid.io/inject 在旧版 Fluid 中用于请求 Sidecar。无论在这里还是在 Fluid v1.0.8 中，都没有 webhook 会因它而被调用；如果只有这个标签，ValidatingAdmissionPolicy kubectl-fluid-deprecated-labels 会发出警告。",
		"使用标签 serverless.fluid.io/inject=true",
	},
	CodeSwitchUnsupported: {
		"Pod 的某个开关在这里不起作用",
		"Fluid 的文件预取器是 Fluid 自己的一个预读文件的容器，不属于本项目。",
		"用自己的容器读取这些文件，或者去掉该注解",
	},
	CodePropagationReplaced: {
		"容器的 mountPropagation None 被替换",
		"FUSE 客户端的挂载通过传播到达应用；没有传播，容器会看到空目录，或者在客户端重启之后看到失效的挂载。该挂载会改为 HostToContainer。",
		"去掉 mountPropagation，或者将其设为 HostToContainer",
	},
	CodeGraceShort: {
		"Pod 没有给 Sidecar 留出卸载的时间",
		"当 terminationGracePeriodSeconds 为 0 或 1 时，kubelet 可能会同时杀死 FUSE 客户端和应用，失效的挂载会留在节点上。该值属于应用，因此保持不变。",
		"将 terminationGracePeriodSeconds 设为 2 或更大",
	},
	CodeNestedTooDeep: {
		"多个 Dataset 的 Sidecar 相互依赖",
		"如果 FUSE 客户端挂载了另一个 Dataset 的 PVC，它也需要那个 Dataset 的 Sidecar。这里的依赖形成了环，或者超过了八个 Dataset。",
		"不要让这些 Dataset 的运行时相互挂载对方的 PVC",
	},
	CodeSidecarLost: {
		"Pod 在准入途中丢失了 Sidecar",
		"它已被注入，但标签所指的 Sidecar 不在，或者这些标签不在了：另一个 webhook 把它们移除了。这样的 Pod 什么也读不到，ValidatingAdmissionPolicy kubectl-fluid-sidecars 会拒绝它。",
		"找出移除容器的 webhook，让它不要动 fluid-fuse-*：kubectl get mutatingwebhookconfigurations",
	},
	CodeSidecarAltered: {
		"Sidecar 在准入途中被改动",
		"它是不会持续运行的 Init 容器，或者没有谁等待它的挂载，或者它的挂载在容器外不可见，或者应用的卷指向了别处：另一个 webhook 在注入之后改动了它。ValidatingAdmissionPolicy kubectl-fluid-sidecars 会拒绝这样的 Pod。",
		"找出改动容器的 webhook，让它不要动 fluid-fuse-*：kubectl get mutatingwebhookconfigurations",
	},
	CodeMountAltered: {
		"已注入的 Pod 中有容器看不到数据",
		"它挂载了 Dataset 的卷，但挂载传播不是 HostToContainer，或者它会先于 Sidecar 启动：另一个 webhook 在注入之后添加或改动了它。ValidatingAdmissionPolicy kubectl-fluid-sidecars 会拒绝这样的 Pod。",
		"让该 webhook 的名称排在 kubectl-fluid-sidecar-injector 之前，或者让它不要动 Dataset 的卷",
	},
}
