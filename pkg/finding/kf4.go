package finding

// Codes of findings about the sidecar and the pod.
const (
	CodePodClaimUnresolved  Code = "KF4002"
	CodeNoNativeSidecars    Code = "KF4004"
	CodePodNoDataset        Code = "KF4005"
	CodePodUnsupportedUsage Code = "KF4006"
	CodePodNotLabelled      Code = "KF4007"
	CodePodInjectionOff     Code = "KF4008"
	CodePodNotInjected      Code = "KF4009"
	CodeSidecarNotReady     Code = "KF4010"
	CodeTemplateUnreadable  Code = "KF4011"
	CodeNoPodTemplate       Code = "KF4012"
	CodeSwitchUnknown       Code = "KF4013"
	CodeInitContainerReads  Code = "KF4014"
	CodeClassicKeepsRunning Code = "KF4015"
	CodeSharedDirectory     Code = "KF4016"
	CodeDeprecatedSwitch    Code = "KF4017"
	CodeSwitchUnsupported   Code = "KF4018"
	CodePropagationReplaced Code = "KF4019"
	CodeGraceShort          Code = "KF4020"
	CodeNestedTooDeep       Code = "KF4021"
	CodePrivilegesRefused   Code = "KF4022"
	CodeSidecarLost         Code = "KF4040"
	CodeSidecarAltered      Code = "KF4041"
	CodeMountAltered        Code = "KF4042"
)

// podKinds are the kinds of findings about the sidecar and the pod, in the order of their codes.
var podKinds = []kind{
	{
		CodePodClaimUnresolved, Error, "DatasetNotReady",
		text{
			"The Dataset of a claim isn't ready for a sidecar",
			"A pod is never admitted without the sidecar that it asks for.",
			"wait until the Dataset is Bound, then create the pod again",
		},
		text{
			"PersistentVolumeClaim 的 Dataset 还不能提供 Sidecar",
			"要求 Sidecar 的 Pod 绝不会在没有 Sidecar 的情况下被放行。",
			"等 Dataset 变为 Bound，再重新创建 Pod",
		},
	},
	{
		CodeNoNativeSidecars, Error, "NoNativeSidecars",
		text{
			"The API server doesn't know native sidecars",
			"Init containers with restartPolicy Always exist from Kubernetes 1.29 on.",
			"update the cluster, or let sidecars be classic: the annotation kubectl-fluid.dev/sidecar-mode=classic on the pod or its namespace",
		},
		text{
			"API server 不支持原生 Sidecar",
			"restartPolicy 为 Always 的 init 容器从 Kubernetes 1.29 开始提供。",
			"升级集群，或者让 Sidecar 采用 classic 模式：在 Pod 或其命名空间上使用注解 kubectl-fluid.dev/sidecar-mode=classic",
		},
	},
	{
		CodePodNoDataset, Note, "NoDataset",
		text{
			"The pod asks for sidecars but uses no Dataset",
			"None of its volumes is the claim of a Dataset.",
			"mount the Dataset's claim, or leave the label out",
		},
		text{
			"Pod 要求 Sidecar，但没有使用任何 Dataset",
			"它的卷中没有任何 Dataset 的 PersistentVolumeClaim。",
			"挂载 Dataset 的 PersistentVolumeClaim，或去掉这个标签",
		},
	},
	{
		CodePodUnsupportedUsage, Error, "UnsupportedUsage",
		text{
			"The pod uses a Dataset in a way that a sidecar can't serve",
			"A FUSE mount reaches the app as a directory that is propagated from the node; raw block devices, recursively read-only mounts and pods with a user namespace of their own have no part in that.",
			"mount the claim with ordinary volumeMounts, in a pod that shares the node's user namespace",
		},
		text{
			"Pod 使用 Dataset 的方式是 Sidecar 无法支持的",
			"FUSE 挂载以目录的形式从节点传播到应用容器；裸块设备、递归只读挂载以及拥有独立用户命名空间的 Pod 都做不到这一点。",
			"用普通的 volumeMounts 挂载该 PersistentVolumeClaim，并让 Pod 与节点共用用户命名空间",
		},
	},
	{
		CodePodNotLabelled, Warning, "InjectionNotAsked",
		text{
			"The pod uses a Dataset and doesn't ask for a sidecar",
			"Without the label serverless.fluid.io/inject=true the claim is an ordinary CSI volume, which needs Fluid's CSI plugin on the node.",
			"give the pod the label serverless.fluid.io/inject=true (in a workload: its pod template) and create it again",
		},
		text{
			"Pod 使用 Dataset，但没有要求 Sidecar",
			"没有标签 serverless.fluid.io/inject=true，这个 PersistentVolumeClaim 就是普通的 CSI 卷，节点上需要有 Fluid 的 CSI 插件。",
			"给 Pod（在工作负载中是它的 Pod 模板）加上标签 serverless.fluid.io/inject=true，然后重新创建",
		},
	},
	{
		CodePodInjectionOff, Warning, "InjectionForbidden",
		text{
			"The pod's labels forbid sidecars",
			"fluid.io/enable-injection=false and done.sidecar.fluid.io/inject=true keep webhooks from the pod.",
			"leave the label out and create the pod again",
		},
		text{
			"Pod 的标签禁止注入 Sidecar",
			"fluid.io/enable-injection=false 和 done.sidecar.fluid.io/inject=true 会让 webhook 跳过该 Pod。",
			"去掉该标签，然后重新创建 Pod",
		},
	},
	{
		CodePodNotInjected, Error, "NotInjected",
		text{
			"The pod asks for a sidecar and has none",
			"It was created while no webhook that injects sidecars answered, or Fluid's webhook admitted it unchanged after an error: v1.0.7 and later do that.",
			"see that a webhook is installed and ready, and create the pod again",
		},
		text{
			"Pod 要求 Sidecar，却没有得到",
			"它创建时没有可以注入 Sidecar 的 webhook 应答，或者 Fluid 的 webhook 出错后把它原样放行：v1.0.7 及以后的版本会这样做。",
			"确认 webhook 已安装并就绪，然后重新创建 Pod",
		},
	},
	{
		CodeSidecarNotReady, Waiting, "SidecarNotReady",
		text{
			"A sidecar isn't ready",
			"Containers that mount the Dataset start after it, or see an empty directory.",
			"look at the sidecar's log: kubectl logs POD -c CONTAINER",
		},
		text{
			"Sidecar 尚未就绪",
			"挂载 Dataset 的容器会在它之后启动，否则会看到空目录。",
			"查看 Sidecar 的日志：kubectl logs POD -c CONTAINER",
		},
	},
	{
		CodeTemplateUnreadable, Error, "PodTemplateUnreadable",
		text{
			"An object's pod can't be read",
			"What is at its pod template isn't a pod by the API server's rules.",
			"correct the object",
		},
		text{
			"无法读取对象中的 Pod",
			"按照 API server 的规则，其 Pod 模板处的内容不是一个 Pod。",
			"更正该对象",
		},
	},
	{
		CodeNoPodTemplate, Note, "NoPodTemplate",
		text{
			"The object has no pod template",
			"Sidecars are given to pods, and to objects with a pod template at spec.template or where Kubernetes has it.",
			"",
		},
		text{
			"对象没有 Pod 模板",
			"Sidecar 只会注入 Pod，以及在 spec.template 或 Kubernetes 规定的位置带有 Pod 模板的对象。",
			"",
		},
	},
	{
		CodeSwitchUnknown, Error, "SwitchUnknown",
		text{
			"A switch has a value that isn't known",
			"An annotation that says how the sidecar is to be has another value than those there are. Nothing is guessed.",
			"correct the annotation",
		},
		text{
			"开关的值未知",
			"一个说明 Sidecar 应当如何的注解，其值不在允许的范围之内。这里不作任何猜测。",
			"更正该注解",
		},
	},
	{
		CodeInitContainerReads, Error, "InitContainerReadsDataset",
		text{
			"An init container reads a Dataset whose sidecar is classic",
			"A classic sidecar is an ordinary container: it starts after all init containers, which would see an empty directory. Fluid v1.0.8 lets them.",
			"let the sidecar be native, with the annotation kubectl-fluid.dev/sidecar-mode=native on the pod, or read the data in an ordinary container",
		},
		text{
			"init 容器读取 Dataset，而其 Sidecar 是 classic 模式",
			"classic 模式的 Sidecar 是普通容器：它在所有 init 容器之后启动，init 容器只能看到空目录。Fluid v1.0.8 会放行这样的 Pod。",
			"在 Pod 上使用注解 kubectl-fluid.dev/sidecar-mode=native，让 Sidecar 成为原生 Sidecar；或者在普通容器中读取数据",
		},
	},
	{
		CodeClassicKeepsRunning, Warning, "ClassicSidecarKeepsPodRunning",
		text{
			"A classic sidecar keeps the pod from completing",
			"A pod completes when all its ordinary containers have ended, and a classic sidecar doesn't end by itself. Fluid's fluidapp-controller ends it, where that runs.",
			"let the sidecar be native, with the annotation kubectl-fluid.dev/sidecar-mode=native on the pod",
		},
		text{
			"classic 模式的 Sidecar 使 Pod 无法结束",
			"所有普通容器结束之后 Pod 才算结束，而 classic 模式的 Sidecar 不会自行结束。如果运行着 Fluid 的 fluidapp-controller，则由它来结束该 Sidecar。",
			"在 Pod 上使用注解 kubectl-fluid.dev/sidecar-mode=native，让 Sidecar 成为原生 Sidecar",
		},
	},
	{
		CodeSharedDirectory, Warning, "HostDirectoryShared",
		text{
			"Pods share the directory on the node in which their FUSE clients mount",
			"Sidecars of several such pods on a node mount one over the other, each pod sees the mount on top, and the end of one may end another's. Pods that are injected at admission each have a directory of their own, which goes with them.",
			"leave the annotation default.fuse-sidecar.fluid.io/host-mount-path-mode out, and let sidecars be injected at admission",
		},
		text{
			"多个 Pod 共用节点上 FUSE 客户端的挂载目录",
			"同一节点上这些 Pod 的 Sidecar 会相互覆盖挂载，每个 Pod 看到的都是最上层的挂载，一个 Pod 的结束也可能终止另一个 Pod 的挂载。在准入时注入的 Pod 各有自己的目录，并随 Pod 一起删除。",
			"去掉注解 default.fuse-sidecar.fluid.io/host-mount-path-mode，并在准入时注入 Sidecar",
		},
	},
	{
		CodeDeprecatedSwitch, Warning, "SwitchDeprecated",
		text{
			"A switch of the pod is out of date",
			"The label fuse.sidecar.fluid.io/inject asked for sidecars in old versions of Fluid. No webhook is called for it, neither here nor with Fluid v1.0.8; where it is the only one, the ValidatingAdmissionPolicy kubectl-fluid-deprecated-labels warns.",
			"use the label serverless.fluid.io/inject=true",
		},
		text{
			"Pod 的某个开关已过时",
			"标签 fuse.sidecar.fluid.io/inject 在旧版 Fluid 中用于请求 Sidecar。无论在这里还是在 Fluid v1.0.8 中，都没有 webhook 会因它而被调用；如果只有这个标签，ValidatingAdmissionPolicy kubectl-fluid-deprecated-labels 会发出警告。",
			"使用标签 serverless.fluid.io/inject=true",
		},
	},
	{
		CodeSwitchUnsupported, Warning, "SwitchUnsupported",
		text{
			"A switch of the pod has no effect here",
			"Fluid's file prefetcher is a container of Fluid's own that reads files ahead; it isn't part of this project. Caches on the node are for privileged sidecars.",
			"leave the label or annotation out; to read files ahead, let a container of yours read them",
		},
		text{
			"Pod 的某个开关在这里不起作用",
			"Fluid 的文件预取器是 Fluid 自己的一个预读文件的容器，不属于本项目。节点上的缓存只供有特权的 Sidecar 使用。",
			"去掉该标签或注解；需要预读文件时，用自己的容器读取",
		},
	},
	{
		CodePropagationReplaced, Warning, "MountPropagationReplaced",
		text{
			"A container's mountPropagation None is replaced",
			"The FUSE client's mount reaches the app by propagation; without it a container would see an empty directory, or a dead mount after the client was started again. The mount gets HostToContainer.",
			"leave mountPropagation out, or set it to HostToContainer",
		},
		text{
			"容器的 mountPropagation None 被替换",
			"FUSE 客户端的挂载通过传播到达应用；没有传播，容器会看到空目录，或者在客户端重启之后看到失效的挂载。该挂载会改为 HostToContainer。",
			"去掉 mountPropagation，或者将其设为 HostToContainer",
		},
	},
	{
		CodeGraceShort, Warning, "TerminationGracePeriodShort",
		text{
			"The pod leaves its sidecar no time to unmount",
			"With a terminationGracePeriodSeconds of 0 or 1 kubelet may kill the FUSE client together with the app, and its dead mount stays on the node. The value is left as it is: it is the app's.",
			"let terminationGracePeriodSeconds be 2 or more",
		},
		text{
			"Pod 没有给 Sidecar 留出卸载的时间",
			"当 terminationGracePeriodSeconds 为 0 或 1 时，kubelet 可能会同时杀死 FUSE 客户端和应用，失效的挂载会留在节点上。该值属于应用，因此保持不变。",
			"将 terminationGracePeriodSeconds 设为 2 或更大",
		},
	},
	{
		CodeNestedTooDeep, Error, "NestedDatasetsTooDeep",
		text{
			"The sidecars of Datasets need each other",
			"A FUSE client that mounts another Dataset's claim needs that Dataset's sidecar too. Here that goes round in a circle, or on for more than eight Datasets.",
			"let the runtimes of the Datasets mount no claims of each other",
		},
		text{
			"多个 Dataset 的 Sidecar 相互依赖",
			"如果 FUSE 客户端挂载了另一个 Dataset 的 PVC，它也需要那个 Dataset 的 Sidecar。这里的依赖形成了环，或者超过了八个 Dataset。",
			"不要让这些 Dataset 的运行时相互挂载对方的 PVC",
		},
	},
	{
		CodePrivilegesRefused, Warning, "PrivilegesRefused",
		text{
			"The namespace asks for privileged sidecars and doesn't get them",
			"The label kubectl-fluid.dev/sidecar-privileges=allowed counts where the controller was started with --sidecar-privileges=allowed. Here sidecars have no privileges.",
			"take the label off, or ask the cluster's administrator to start the controller with --sidecar-privileges=allowed",
		},
		text{
			"命名空间要求有特权的 Sidecar，但没有得到",
			"标签 kubectl-fluid.dev/sidecar-privileges=allowed 只有在控制器以 --sidecar-privileges=allowed 启动时才有效。当前 Sidecar 没有特权。",
			"去掉该标签，或者请集群管理员以 --sidecar-privileges=allowed 启动控制器",
		},
	},
	{
		CodeSidecarLost, Error, "SidecarLost",
		text{
			"A pod has lost its sidecar on its way",
			"It was injected, but the sidecar that its labels name isn't there, or the labels are gone: another webhook has taken it out, or them off. The ValidatingAdmissionPolicy kubectl-fluid-sidecars refuses such a pod, which would read nothing.",
			"find the webhook that removes containers, and let it leave fluid-fuse-* alone: kubectl get mutatingwebhookconfigurations",
		},
		text{
			"Pod 在准入途中丢失了 Sidecar",
			"它已被注入，但标签所指的 Sidecar 不在，或者这些标签不在了：另一个 webhook 把它们移除了。这样的 Pod 什么也读不到，ValidatingAdmissionPolicy kubectl-fluid-sidecars 会拒绝它。",
			"找出移除容器的 webhook，让它不要动 fluid-fuse-*：kubectl get mutatingwebhookconfigurations",
		},
	},
	{
		CodeSidecarAltered, Error, "SidecarAltered",
		text{
			"A sidecar was changed on its way",
			"It is an init container that doesn't go on running, nobody waits for its mount, nothing that it mounts is seen outside of it, or the volume of the app leads elsewhere: another webhook has changed it after the injection. The ValidatingAdmissionPolicy kubectl-fluid-sidecars refuses such a pod.",
			"find the webhook that changes containers, and let it leave fluid-fuse-* alone: kubectl get mutatingwebhookconfigurations",
		},
		text{
			"Sidecar 在准入途中被改动",
			"它是不会持续运行的 Init 容器，或者没有谁等待它的挂载，或者它的挂载在容器外不可见，或者应用的卷指向了别处：另一个 webhook 在注入之后改动了它。ValidatingAdmissionPolicy kubectl-fluid-sidecars 会拒绝这样的 Pod。",
			"找出改动容器的 webhook，让它不要动 fluid-fuse-*：kubectl get mutatingwebhookconfigurations",
		},
	},
	{
		CodeMountAltered, Error, "MountAltered",
		text{
			"A container of an injected pod wouldn't see the data",
			"It mounts the Dataset's volume without the mount propagation HostToContainer, or it would start before the sidecar: another webhook has added or changed it after the injection. The ValidatingAdmissionPolicy kubectl-fluid-sidecars refuses such a pod.",
			"let that webhook's name come before kubectl-fluid-sidecar-injector, or let it leave the Dataset's volume alone",
		},
		text{
			"已注入的 Pod 中有容器看不到数据",
			"它挂载了 Dataset 的卷，但挂载传播不是 HostToContainer，或者它会先于 Sidecar 启动：另一个 webhook 在注入之后添加或改动了它。ValidatingAdmissionPolicy kubectl-fluid-sidecars 会拒绝这样的 Pod。",
			"让该 webhook 的名称排在 kubectl-fluid-sidecar-injector 之前，或者让它不要动 Dataset 的卷",
		},
	},
}
