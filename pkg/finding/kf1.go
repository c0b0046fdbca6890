package finding

// Codes of findings about the cluster and the installation.
const (
	CodeUnread                  Code = "KF1001"
	CodeNameNeededByNeighbour   Code = "KF1010"
	CodeCopySharedWithNeighbour Code = "KF1011"
	CodePodWouldBeDenied        Code = "KF1012"
	CodeKubernetesTooOld        Code = "KF1020"
	CodeNoSelfHealing           Code = "KF1021"
	CodeKubeletBug              Code = "KF1022"
	CodeDefinitionMissing       Code = "KF1023"
	CodeDefinitionForeign       Code = "KF1024"
	CodeNobodyServes            Code = "KF1025"
	CodeTwoControllers          Code = "KF1026"
	CodeControllerNotReady      Code = "KF1027"
	CodeWebhookMissing          Code = "KF1028"
	CodeWebhookFails            Code = "KF1029"
	CodeCertificateInvalid      Code = "KF1030"
	CodeCertificateExpires      Code = "KF1031"
	CodeRightsMissing           Code = "KF1032"
	CodeControllerRights        Code = "KF1033"
	CodeServerUnreachable       Code = "KF1035"
)

// clusterKinds are the kinds of findings about the cluster and the installation, in the order of their codes.
var clusterKinds = []kind{
	{
		CodeUnread, Inconclusive, "Unread",
		text{
			"An object couldn't be read",
			"Reading failed, mostly because you aren't allowed to. Nothing is known of what depends on the object.",
			"ask for the right to get this object, or let somebody who has it run the check",
		},
		text{
			"有对象无法读取",
			"读取失败，多数情况是没有权限。凡是取决于该对象的结论都无从得知。",
			"申请读取（get）该对象的权限，或请有权限的人执行检查",
		},
	},
	{
		CodeNameNeededByNeighbour, Error, "NameNeededByNeighbour",
		text{
			"Another Dataset of the namespace needs the name of a copy",
			"Copies have their sources' names here, as with Fluid. Whichever comes second silently uses what is there (Fluid's copies), or replaces it (the Helm releases of Fluid's runtimes): sidecars then read another Dataset's configuration.",
			"let mirrors have names of their own (--mirror-names=unique), or use another namespace",
		},
		text{
			"命名空间中的另一个 Dataset 也需要副本的名称",
			"这里的副本与来源同名，与 Fluid 一样。后来者要么不声不响地使用已有的对象（Fluid 的副本），要么把它替换掉（Fluid 各 Runtime 的 Helm release）：于是 sidecar 读到的是另一个 Dataset 的配置。",
			"让副本使用自己的名称（--mirror-names=unique），或换一个命名空间",
		},
	},
	{
		CodeCopySharedWithNeighbour, Warning, "CopySharedWithNeighbour",
		text{
			"Another reference of the namespace needs the same copy",
			"Copies have their sources' names here, as with Fluid, so two references to one Dataset share them. A copy belongs to the reference that came first and goes with it: new pods of the other one then don't start.",
			"let mirrors have names of their own (--mirror-names=unique), or use one reference for both",
		},
		text{
			"命名空间中的另一个引用也需要同一个副本",
			"这里的副本与来源同名，与 Fluid 一样，因此指向同一个 Dataset 的两个引用共用副本。副本属于先来的引用，并随它一起删除：之后另一个引用的新 Pod 无法启动。",
			"让副本使用自己的名称（--mirror-names=unique），或让两者使用同一个引用",
		},
	},
	{
		CodePodWouldBeDenied, Error, "PodWouldBeDenied",
		text{
			"The pod would be denied",
			"The pod asks for sidecars that can't be made as things are. The webhook of this project denies such a pod; Fluid's admits it without a sidecar.",
			"follow the remedies of what the message names, then create the pod",
		},
		text{
			"Pod 会被拒绝",
			"Pod 要求注入 sidecar，而目前的状况下无法生成。本项目的 webhook 会拒绝这样的 Pod；Fluid 的 webhook 则会放行，但不带 sidecar。",
			"按消息中各项的处理方法解决，然后再创建 Pod",
		},
	},
	{
		CodeKubernetesTooOld, Error, "KubernetesTooOld",
		text{
			"Kubernetes is too old for native sidecars",
			"Init containers with restartPolicy Always, which sidecars are, are on by default from Kubernetes 1.29 on, in the API server and in each node's kubelet.",
			"update the cluster",
		},
		text{
			"Kubernetes 版本过低，没有原生 Sidecar",
			"Sidecar 就是 restartPolicy 为 Always 的 init 容器。从 Kubernetes 1.29 起，API Server 和各节点的 kubelet 才默认支持。",
			"升级集群",
		},
	},
	{
		CodeNoSelfHealing, Warning, "NoSelfHealing",
		text{
			"Pods don't recover by themselves from a FUSE client that crashed",
			"A sidecar can let kubelet restart all containers of its pod from Kubernetes 1.36 on (RestartAllContainers). Before, the app keeps a dead mount.",
			"update to Kubernetes 1.36, or delete pods whose sidecar has restarted",
		},
		text{
			"FUSE 客户端崩溃后，Pod 不会自行恢复",
			"从 Kubernetes 1.36 起，Sidecar 可以让 kubelet 重启 Pod 的全部容器（RestartAllContainers）。此前的版本中，应用会一直持有失效的挂载点。",
			"升级到 Kubernetes 1.36，或删除 Sidecar 重启过的 Pod",
		},
	},
	{
		CodeKubeletBug, Warning, "KubeletBug",
		text{
			"The kubelet has a bug that concerns sidecars",
			"Native sidecars have a startup probe, by which apps wait for the FUSE mount. Before 1.33.6 and 1.34.2, a pod with restartPolicy Never doesn't start its app if the sidecar's first start failed (kubernetes/kubernetes#132826); in 1.35 before 1.35.4, after a restart of the kubelet, an app that crashes isn't started again (kubernetes/kubernetes#137146).",
			"update the nodes to the newest patch release of their Kubernetes version, 1.33 or newer",
		},
		text{
			"kubelet 存在影响 Sidecar 的缺陷",
			"原生 Sidecar 带有启动探针，应用靠它等待 FUSE 挂载完成。在 1.33.6 和 1.34.2 之前的版本中，如果 Sidecar 第一次启动失败，restartPolicy 为 Never 的 Pod 不会启动应用（kubernetes/kubernetes#132826）；在 1.35.4 之前的 1.35 中，kubelet 重启之后，崩溃的应用不会再被启动（kubernetes/kubernetes#137146）。",
			"把节点升级到所用 Kubernetes 版本的最新补丁版本，且不低于 1.33",
		},
	},
	{
		CodeDefinitionMissing, Error, "DefinitionMissing",
		text{
			"A CustomResourceDefinition of Fluid's isn't installed",
			"Without it there are no such objects, and no references.",
			"install Fluid, or kubectl fluid's own: kubectl apply --server-side --field-manager=kubectl-fluid -k config/crd",
		},
		text{
			"缺少 Fluid 的 CustomResourceDefinition",
			"没有它就没有这类对象，也就没有引用。",
			"安装 Fluid，或应用 kubectl fluid 自己的定义：kubectl apply --server-side --field-manager=kubectl-fluid -k config/crd",
		},
	},
	{
		CodeDefinitionForeign, Error, "DefinitionForeign",
		text{
			"A CustomResourceDefinition isn't what Fluid's kinds need",
			"It has the name of one of Fluid's kinds, but doesn't serve the version v1alpha1, or has another scope or no status sub-resource.",
			"find out who installed it, and let them install Fluid's",
		},
		text{
			"CustomResourceDefinition 不符合 Fluid 的要求",
			"它与 Fluid 的某个类型同名，但不提供 v1alpha1 版本，或者作用域不同，或者没有 status 子资源。",
			"查明由谁安装，并请其安装 Fluid 的定义",
		},
	},
	{
		CodeNobodyServes, Error, "NobodyServesReferences",
		text{
			"Nobody serves references in this cluster",
			"Neither this project's controller nor Fluid's dataset-controller was found, so references stay as they are.",
			"install the controller: kubectl apply --server-side -k config/default",
		},
		text{
			"集群中没有控制器处理引用",
			"既没有找到本项目的控制器，也没有找到 Fluid 的 dataset-controller，引用会一直停留在原状。",
			"安装控制器：kubectl apply --server-side -k config/default",
		},
	},
	{
		CodeTwoControllers, Warning, "TwoControllers",
		text{
			"Two controllers serve references",
			"Fluid's dataset-controller serves every reference and can't be told not to, so its objects and those of this project's controller meet.",
			"run only one of them",
		},
		text{
			"有两个控制器在处理引用",
			"Fluid 的 dataset-controller 会处理每一个引用，且无法关闭，因此它的对象会与本项目控制器的对象相遇。",
			"只运行其中一个",
		},
	},
	{
		CodeControllerNotReady, Error, "ControllerNotReady",
		text{
			"A controller isn't ready",
			"None of its pods is ready, so nothing is served and, where it has a webhook, pods are denied.",
			"look at its pods: kubectl describe and kubectl logs",
		},
		text{
			"控制器未就绪",
			"它没有就绪的 Pod，因此什么都不会处理；如果它提供 webhook，Pod 会被拒绝。",
			"用 kubectl describe 和 kubectl logs 查看它的 Pod",
		},
	},
	{
		CodeWebhookMissing, Error, "WebhookMissing",
		text{
			"No webhook injects sidecars",
			"Neither of the MutatingWebhookConfigurations by which sidecars are injected exists: pods are created without them.",
			"install the controller: kubectl apply --server-side -k config/default",
		},
		text{
			"没有注入 Sidecar 的 webhook",
			"注入 Sidecar 所需的 MutatingWebhookConfiguration 一个也不存在，创建的 Pod 都没有 Sidecar。",
			"安装控制器：kubectl apply --server-side -k config/default",
		},
	},
	{
		CodeWebhookFails, Error, "WebhookFails",
		text{
			"A webhook doesn't do its work",
			"A probe that is never stored (a server-side dry run) came back unchanged, wasn't refused where it had to be, or the API server couldn't call the webhook.",
			"look at the controller's pods and logs, and at the Service that the webhook configuration names",
		},
		text{
			"webhook 没有正常工作",
			"一次不会保存的探测（服务端 dry-run）原样返回，或者本应被拒绝却没有被拒绝，或者 API Server 无法调用该 webhook。",
			"查看控制器的 Pod 和日志，以及 webhook 配置中指定的 Service",
		},
	},
	{
		CodeCertificateInvalid, Error, "CertificateInvalid",
		text{
			"The API server can't trust a webhook",
			"The caBundle in the webhook's configuration is empty, isn't a certificate or has expired.",
			"restart the controller: it issues its certificates and keeps the caBundle",
		},
		text{
			"API Server 无法信任 webhook",
			"webhook 配置中的 caBundle 为空、不是证书，或者已经过期。",
			"重启控制器：由它签发证书并维护 caBundle",
		},
	},
	{
		CodeCertificateExpires, Warning, "CertificateExpires",
		text{
			"A webhook's certificate authority expires soon",
			"The controller renews its own when a third of its time is left, so it seems not to have.",
			"look at the controller's log",
		},
		text{
			"webhook 的证书颁发机构即将过期",
			"控制器会在剩余三分之一有效期时更新自己的证书，看来没有更新。",
			"查看控制器的日志",
		},
	},
	{
		CodeRightsMissing, Warning, "RightsMissing",
		text{
			"You may not do what a command needs",
			"The API server was asked for your rights in this namespace. The command would fail, or say what it couldn't look at.",
			"ask an administrator for the role: kubectl fluid rbac print --for COMMAND",
		},
		text{
			"你没有某个命令所需的权限",
			"已向 API Server 查询你在该命名空间的权限。该命令会失败，或者说明有哪些内容无法查看。",
			"向管理员申请角色：kubectl fluid rbac print --for COMMAND",
		},
	},
	{
		CodeControllerRights, Error, "ControllerRightsMissing",
		text{
			"The controller lacks a right",
			"Its ServiceAccount may not do what it needs for references.",
			"apply config/rbac of kubectl fluid",
		},
		text{
			"控制器缺少权限",
			"它的 ServiceAccount 无权执行处理引用所需的操作。",
			"应用 kubectl fluid 的 config/rbac",
		},
	},
	{
		CodeServerUnreachable, Error, "ServerUnreachable",
		text{
			"The API server can't be asked",
			"There is no connection, or it doesn't accept your credentials. Nothing else can be checked.",
			"check --kubeconfig, --context and --server, or log in again",
		},
		text{
			"无法访问 API Server",
			"连接不上，或者它不接受你的凭据。其他检查都无法进行。",
			"检查 --kubeconfig、--context 和 --server，或重新登录",
		},
	},
}
