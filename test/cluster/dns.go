package cluster

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// corefile is CoreDNS's configuration: its address, the domain of the cluster,
// a kubeconfig, and what to do with other names.
const corefile = `.:53 {
    bind %[1]s
    errors
    ready %[1]s:8181
    kubernetes %[2]s in-addr.arpa ip6.arpa {
        kubeconfig %[3]s
        ttl 1
    }
    %[4]s
}
`

// resolvConf names the machine's resolvers, which pods' questions about other
// names are forwarded to.
const resolvConf = "/etc/resolv.conf"

// startDNS starts the cluster DNS as a process of the machine.
func (c *Cluster) startDNS(ctx context.Context, client kubernetes.Interface) error {
	const role = "system:coredns"
	roles := client.RbacV1()
	if _, err := roles.ClusterRoles().Create(ctx, &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: role},
		Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"namespaces", "services", "pods", "endpoints"}, Verbs: []string{"list", "watch"}},
			{APIGroups: []string{"discovery.k8s.io"}, Resources: []string{"endpointslices"}, Verbs: []string{"list", "watch"}},
		},
	}, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("allow the cluster DNS to read Services: %w", err)
	}
	if _, err := roles.ClusterRoleBindings().Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "coredns"}},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
	}, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("allow the cluster DNS to read Services: %w", err)
	}
	address := c.journal.get().Network.DNS
	path := c.path("node", "Corefile")
	forward := ""
	if hasNameserver() {
		forward = "forward . " + resolvConf
	}
	config := fmt.Sprintf(corefile, address, clusterDomain, c.path("kubeconfigs", "coredns"), forward)
	if err := writeFile(path, []byte(config), 0o600); err != nil {
		return fmt.Errorf("write the configuration of the cluster DNS: %w", err)
	}
	if err := c.run("coredns", []string{"-conf", path}); err != nil {
		return err
	}
	return waitFor(ctx, "the cluster DNS", 30*time.Second, c.running, func(ctx context.Context) error {
		return checkHTTP(ctx, "http://"+address+":8181/ready")
	})
}

// hasNameserver reports whether the machine has a resolver to forward to;
// CoreDNS doesn't start without one.
func hasNameserver() bool {
	data, err := os.ReadFile(resolvConf)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) >= 2 && fields[0] == "nameserver" {
			return true
		}
	}
	return false
}

// checkHTTP returns an error unless the URL answers with the status 200.
func checkHTTP(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	// Directly, whatever proxy the caller's environment names.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, response.Status)
	}
	return nil
}
