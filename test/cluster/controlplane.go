package cluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	serviceRange     = "10.96.0.0/16"
	kubernetesIP     = "10.96.0.1" // the first of serviceRange: the Service "kubernetes"
	clusterDomain    = "cluster.local"
	readinessTimeout = 2 * time.Minute
)

// startControlPlane starts etcd, kube-apiserver and kube-controller-manager and
// waits until the cluster can be used: a pod can be created in a new namespace.
func (c *Cluster) startControlPlane(ctx context.Context, apiServerArgs []string) error {
	ports, err := FreePorts(3)
	if err != nil {
		return err
	}
	etcdURL := "https://127.0.0.1:" + ports[0]
	peerURL := "http://127.0.0.1:" + ports[1]
	address := "127.0.0.1"
	if network := c.journal.get().Network; network != nil {
		// Pods reach this address, and nothing outside the machine does.
		address = network.DNS
		if err = c.forwardAPIServer(ctx, ports[2]); err != nil {
			return err
		}
	}
	if err = c.writePKI("https://"+address+":"+ports[2], net.ParseIP(address)); err != nil {
		return err
	}
	if err = c.run("etcd", c.etcdArgs(etcdURL, peerURL)); err != nil {
		return err
	}
	if err = c.run("kube-apiserver", append(c.apiServerArgs(address, ports[2], etcdURL), apiServerArgs...)); err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	err = waitFor(ctx, "the API server", readinessTimeout, c.running, func(ctx context.Context) error {
		_, getErr := client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		return getErr
	})
	if err != nil {
		return err
	}
	if err := c.run("kube-controller-manager", c.controllerManagerArgs()); err != nil {
		return err
	}
	// Without this ServiceAccount, every pod in the namespace is refused.
	return waitFor(ctx, "the default ServiceAccount", readinessTimeout, c.running, func(ctx context.Context) error {
		_, err := client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}

// writePKI makes the certificates and kubeconfigs. etcd has an authority of its
// own, so that a certificate of the cluster's doesn't open it.
func (c *Cluster) writePKI(server string, address net.IP) error {
	pki := c.path("pki")
	etcdCA, err := newAuthority(filepath.Join(pki, "etcd"), "ca")
	if err != nil {
		return err
	}
	if err = etcdCA.issue(identity{file: "etcd", user: "etcd", server: true}); err != nil {
		return err
	}
	ca, err := newAuthority(pki, "ca")
	if err != nil {
		return err
	}
	for _, id := range []identity{
		{file: "apiserver", user: "kube-apiserver", server: true, ips: []net.IP{net.ParseIP(kubernetesIP), address},
			names: []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + clusterDomain}},
		{file: "apiserver-kubelet-client", user: "kube-apiserver-kubelet-client", group: "system:masters"},
		{file: "admin", user: "kubernetes-admin", group: "system:masters"},
		{file: "controller-manager", user: "system:kube-controller-manager"},
		{file: "scheduler", user: "system:kube-scheduler"},
		{file: "coredns", user: "coredns"},
		{file: "kubelet", user: "system:node:" + nodeName, group: "system:nodes", server: true, names: []string{nodeName}},
	} {
		if err := ca.issue(id); err != nil {
			return err
		}
	}
	// The key that signs ServiceAccount tokens; its certificate isn't used.
	if err := ca.issue(identity{file: "service-accounts", user: "service-accounts"}); err != nil {
		return err
	}
	for _, name := range []string{"controller-manager", "scheduler", "coredns", "kubelet"} {
		if err := writeKubeconfig(c.path("kubeconfigs", name), server, pki, name); err != nil {
			return err
		}
	}
	return writeKubeconfig(c.Kubeconfig(), server, pki, "admin")
}

func (c *Cluster) etcdArgs(clientURL, peerURL string) []string {
	pki := c.path("pki", "etcd")
	return []string{
		"--data-dir=" + c.path("etcd"),
		"--listen-client-urls=" + clientURL,
		"--advertise-client-urls=" + clientURL,
		"--listen-peer-urls=" + peerURL,
		"--initial-advertise-peer-urls=" + peerURL,
		"--initial-cluster=default=" + peerURL,
		"--cert-file=" + filepath.Join(pki, "etcd.crt"),
		"--key-file=" + filepath.Join(pki, "etcd.key"),
		"--trusted-ca-file=" + filepath.Join(pki, "ca.crt"),
		"--client-cert-auth",
		"--log-level=warn",
		// The data needn't survive a power cut, and waiting for the disk is
		// most of the time that a write takes.
		"--unsafe-no-fsync",
	}
}

func (c *Cluster) apiServerArgs(address, port, etcdURL string) []string {
	pki := c.path("pki")
	return []string{
		"--bind-address=" + address,
		"--advertise-address=" + address,
		"--secure-port=" + port,
		// Neither a loopback nor a link-local address is a valid endpoint of the Service "kubernetes".
		"--endpoint-reconciler-type=none",
		"--etcd-servers=" + etcdURL,
		"--etcd-cafile=" + filepath.Join(pki, "etcd", "ca.crt"),
		"--etcd-certfile=" + filepath.Join(pki, "etcd", "etcd.crt"),
		"--etcd-keyfile=" + filepath.Join(pki, "etcd", "etcd.key"),
		"--tls-cert-file=" + filepath.Join(pki, "apiserver.crt"),
		"--tls-private-key-file=" + filepath.Join(pki, "apiserver.key"),
		"--client-ca-file=" + filepath.Join(pki, "ca.crt"),
		"--anonymous-auth=false",
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--kubelet-certificate-authority=" + filepath.Join(pki, "ca.crt"),
		"--kubelet-client-certificate=" + filepath.Join(pki, "apiserver-kubelet-client.crt"),
		"--kubelet-client-key=" + filepath.Join(pki, "apiserver-kubelet-client.key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--service-account-issuer=https://kubernetes.default.svc." + clusterDomain,
		"--service-account-key-file=" + filepath.Join(pki, "service-accounts.key"),
		"--service-account-signing-key-file=" + filepath.Join(pki, "service-accounts.key"),
		"--service-cluster-ip-range=" + serviceRange,
		"--allow-privileged=true",
		// Reach the webhooks of Services by their endpoints: there is no kube-proxy.
		"--enable-aggregator-routing=true",
	}
}

func (c *Cluster) controllerManagerArgs() []string {
	pki := c.path("pki")
	return []string{
		"--kubeconfig=" + c.path("kubeconfigs", "controller-manager"),
		"--root-ca-file=" + filepath.Join(pki, "ca.crt"),
		"--cluster-signing-cert-file=" + filepath.Join(pki, "ca.crt"),
		"--cluster-signing-key-file=" + filepath.Join(pki, "ca.key"),
		"--service-account-private-key-file=" + filepath.Join(pki, "service-accounts.key"),
		"--use-service-account-credentials=true",
		"--leader-elect=false",
		"--secure-port=0",
		// The default of 20 requests per second is the brake of any test with many objects.
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
	}
}

// run starts a component and keeps it among those that are watched while Start waits.
func (c *Cluster) run(name string, args []string) error {
	p, err := c.startProcess(name, args...)
	if err != nil {
		return err
	}
	c.running = append(c.running, p)
	return nil
}

func (c *Cluster) client() (kubernetes.Interface, error) {
	config, err := c.RESTConfig()
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make a client of the cluster: %w", err)
	}
	return client, nil
}

// FreePorts returns n ports of 127.0.0.1 on which nothing listens. They are
// below the range from which systems take the ports of outgoing connections:
// one of those could take the port before the component listens on it.
func FreePorts(n int) ([]string, error) {
	const first, last = 20000, 30000
	var ports []string
	for range 1000 {
		port := strconv.Itoa(first + rand.IntN(last-first))
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
		if err != nil {
			continue
		}
		defer listener.Close()
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, fmt.Errorf("find %d free ports of 127.0.0.1 between %d and %d: found %d after 1000 tries", n, first, last, len(ports))
}
