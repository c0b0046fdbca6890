// Package cluster starts and stops a real Kubernetes cluster on this machine.
//
// Without a node it is a control plane: etcd, kube-apiserver and
// kube-controller-manager, as an ordinary user, on Linux or macOS. With a node
// ([Options.Node], Linux and root only) it also has a kube-scheduler, a kubelet
// on a containerd of its own, a pod network and a cluster DNS, so that pods
// really run.
//
// No container engine, image registry or prebuilt Kubernetes binary is needed:
// the components are built from the Go modules that hack/tools pins (once per
// version, then cached), and images are put together from Debian packages.
//
// The components outlive the process that called [Start]. What they consist of
// is written to cluster.json in the state directory before it is relied on, so
// that [Teardown] can undo it all, also after a crash or a SIGKILL at any
// moment. Several clusters, each with its own state directory, run side by side.
package cluster
