package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// podNetwork is the network of a node's pods. Several nodes on one machine have
// networks of different numbers.
type podNetwork struct {
	Number int    `json:"number"`
	Subnet string `json:"subnet"`
	// DNS is the address of the cluster DNS, on the loopback interface of the
	// machine, which pods reach by their default route.
	DNS string `json:"dns"`
	// Rules are the rules of iptables that were added, without their command.
	Rules []firewallRule `json:"rules,omitempty"`
}

// firewallRule is a rule of iptables.
type firewallRule struct {
	Table string   `json:"table"`
	Chain string   `json:"chain"`
	Match []string `json:"match"`
}

func newPodNetwork(number int) *podNetwork {
	return &podNetwork{
		Number: number,
		Subnet: fmt.Sprintf("10.217.%d.0/24", number),
		DNS:    fmt.Sprintf("169.254.217.%d", number),
	}
}

// name is what things of the node that the machine has only one set of, such as
// cgroups, are called.
func (n *podNetwork) name() string { return fmt.Sprintf("kubectl-fluid-%d", n.Number) }

// machineLock is held while something is changed that all clusters of the
// machine share. Only root runs nodes, and only root writes there.
const machineLock = "/run/kubectl-fluid.lock"

// setUpNetwork claims a network and configures it.
func (c *Cluster) setUpNetwork(ctx context.Context) error {
	network, err := c.claimNetwork(ctx)
	if err != nil {
		return err
	}
	conf, err := json.MarshalIndent(network.cniConfig(c.path("node", "cni-addresses")), "", "  ")
	if err != nil {
		return fmt.Errorf("encode the configuration of the pod network: %w", err)
	}
	if err := writeFile(c.path("node", "cni", "10-pods.conflist"), conf, 0o644); err != nil {
		return fmt.Errorf("write the configuration of the pod network: %w", err)
	}
	for i, rule := range network.Rules {
		if err := rule.apply(ctx, "-I"); err != nil {
			if ctx.Err() != nil {
				return err
			}
			// A kernel without them is enough where nothing blocks the pods' packets.
			fmt.Fprintf(c.out, "Pods can only reach each other and this machine: %v\n", err)
			return c.journal.update(func(r *record) { r.Network.Rules = r.Network.Rules[:i] })
		}
	}
	return nil
}

// forwardAPIServer lets pods reach the API server at the address of the Service "kubernetes", which every client in a
// pod uses. There is no kube-proxy: its rules are the whole machine's, and other clusters may run on it.
func (c *Cluster) forwardAPIServer(ctx context.Context, port string) error {
	network := c.journal.get().Network
	rule := firewallRule{"nat", "PREROUTING", []string{"-s", network.Subnet, "-d", kubernetesIP + "/32",
		"-p", "tcp", "--dport", "443", "-j", "DNAT", "--to-destination", network.DNS + ":" + port}}
	if err := c.journal.update(func(r *record) { r.Network.Rules = append(r.Network.Rules, rule) }); err != nil {
		return err
	}
	if err := rule.apply(ctx, "-I"); err != nil {
		return fmt.Errorf("let pods reach the API server: %w", err)
	}
	return nil
}

// claimNetwork picks a network that nothing on the machine uses and claims it
// by adding its DNS address.
func (c *Cluster) claimNetwork(ctx context.Context) (*podNetwork, error) {
	unlock, err := lockFile(ctx, machineLock)
	if err != nil {
		return nil, err
	}
	defer unlock()
	addresses, err := command(ctx, "", "ip", "-4", "address", "show")
	if err != nil {
		return nil, err
	}
	routes, err := command(ctx, "", "ip", "-4", "route", "show", "table", "all")
	if err != nil {
		return nil, err
	}
	network := freeNetwork(usedPrefixes(addresses+routes), rand.IntN(networks))
	if network == nil {
		return nil, errors.New("find a free network for pods: every 10.217.<n>.0/24 or 169.254.217.<n> is used by an interface or a route of this machine; " +
			"stop other clusters, or a VPN that uses them")
	}
	if err = saveSysctls(); err != nil {
		return nil, err
	}
	network.Rules = network.firewallRules()
	if err = c.journal.update(func(r *record) { r.Network = network }); err != nil {
		return nil, err
	}
	_, err = command(ctx, "", "ip", "address", "add", network.DNS+"/32", "dev", "lo")
	return network, err
}

// usedPrefixes returns the addresses and networks that the output of ip names.
func usedPrefixes(output string) []netip.Prefix {
	var used []netip.Prefix
	for _, word := range strings.Fields(output) {
		if prefix, err := netip.ParsePrefix(word); err == nil {
			used = append(used, prefix)
		} else if addr, err := netip.ParseAddr(word); err == nil && addr.Is4() {
			used = append(used, netip.PrefixFrom(addr, 32))
		}
	}
	return used
}

// networks is how many pod networks a machine can have at once.
const networks = 254

// freeNetwork returns the first network, counted from start, that overlaps with
// none of used, or nil. An arbitrary start avoids a network that was just given
// up, of which a peer may still have connections. Routes to much larger networks, as VPNs have them for all of 10.0.0.0/8, don't
// count: the pods' routes are more specific.
func freeNetwork(used []netip.Prefix, start int) *podNetwork {
	for i := range networks {
		network := newPodNetwork(1 + (start+i)%networks)
		pods, dns := netip.MustParsePrefix(network.Subnet), netip.MustParseAddr(network.DNS)
		if !slices.ContainsFunc(used, func(p netip.Prefix) bool {
			return p.Bits() >= 16 && p.Overlaps(pods) || p.Bits() == 32 && p.Contains(dns)
		}) {
			return network
		}
	}
	return nil
}

// cniConfig returns the configuration of the pod network: each pod has a pair of
// interfaces to the machine, which forwards between them.
func (n *podNetwork) cniConfig(dataDir string) map[string]any {
	return map[string]any{
		"cniVersion": "0.4.0",
		"name":       n.name(),
		"plugins": []map[string]any{{
			"type": "ptp",
			"ipam": map[string]any{
				"type":    "host-local",
				"dataDir": dataDir,
				"ranges":  [][]map[string]string{{{"subnet": n.Subnet}}},
				"routes":  []map[string]string{{"dst": "0.0.0.0/0"}},
			},
		}},
	}
}

// firewallRules returns rules that let pods reach each other, this machine and
// what it reaches, also where a firewall or a container engine forbids forwarding.
func (n *podNetwork) firewallRules() []firewallRule {
	return []firewallRule{
		{"filter", "INPUT", []string{"-s", n.Subnet, "-j", "ACCEPT"}},
		{"filter", "FORWARD", []string{"-s", n.Subnet, "-j", "ACCEPT"}},
		{"filter", "FORWARD", []string{"-d", n.Subnet, "-j", "ACCEPT"}},
		{"nat", "POSTROUTING", []string{"-s", n.Subnet, "!", "-d", n.Subnet, "-j", "MASQUERADE"}},
	}
}

// apply runs iptables with the rule: -I inserts it, -D deletes it, -C checks for it.
func (r firewallRule) apply(ctx context.Context, action string) error {
	_, err := command(ctx, "", "iptables", append([]string{"--wait", "-t", r.Table, action, r.Chain}, r.Match...)...)
	return err
}

// removeNetwork removes the rules and the address of a network.
func (c *Cluster) removeNetwork(ctx context.Context, n *podNetwork) error {
	unlock, err := lockFile(ctx, machineLock)
	if err != nil {
		return err
	}
	defer unlock()
	var errs []error
	for _, rule := range n.Rules {
		// Rules that were not added yet can't be checked for.
		for rule.apply(ctx, "-C") == nil {
			if err = rule.apply(ctx, "-D"); err != nil {
				errs = append(errs, err)
				break
			}
		}
	}
	// What libcni remembers of pods that were not deleted in order.
	remembered, err := filepath.Glob("/var/lib/cni/results/" + n.name() + "-*")
	errs = append(errs, err)
	for _, file := range remembered {
		errs = append(errs, os.Remove(file))
	}
	addresses, err := command(ctx, "", "ip", "-4", "address", "show", "dev", "lo")
	errs = append(errs, err)
	if strings.Contains(addresses, " "+n.DNS+"/32 ") {
		_, err := command(ctx, "", "ip", "address", "del", n.DNS+"/32", "dev", "lo")
		errs = append(errs, err)
	}
	if strings.Count(addresses, " 169.254.217.") <= strings.Count(addresses, " "+n.DNS+"/32 ") {
		errs = append(errs, restoreSysctls())
	}
	return errors.Join(errs...)
}

// cniPluginDir returns the directory with the programs of the CNI plugins.
func cniPluginDir() (string, error) {
	dirs := []string{"/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"}
	for _, dir := range dirs {
		if isExecutable(filepath.Join(dir, "ptp")) && isExecutable(filepath.Join(dir, "host-local")) {
			return dir, nil
		}
	}
	return "", fmt.Errorf("find the CNI plugins ptp and host-local: they are in none of %q; install the package containernetworking-plugins", dirs)
}
