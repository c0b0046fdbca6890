package cluster

import "testing"

func TestFreeNetwork(t *testing.T) {
	for name, test := range map[string]struct {
		used  string
		start int
		want  string
	}{
		"nothing used":      {"", 0, "10.217.1.0/24"},
		"from the start":    {"", 253, "10.217.254.0/24"},
		"around the end":    {"10.217.254.1/32", 253, "10.217.1.0/24"},
		"other networks":    {"inet 127.0.0.1/8 scope host lo default via 192.0.2.1 dev eth0 192.0.2.0/24", 0, "10.217.1.0/24"},
		"route to a pod":    {"10.217.1.5 dev veth1 scope host", 0, "10.217.2.0/24"},
		"claimed DNS":       {"inet 169.254.217.1/32 scope global lo", 0, "10.217.2.0/24"},
		"link-local subnet": {"169.254.0.0/16 dev eth0", 0, "10.217.1.0/24"},
		"VPN":               {"10.0.0.0/8 dev tun0", 0, "10.217.1.0/24"},
		"part of it":        {"10.217.0.0/18 dev eth1", 0, "10.217.64.0/24"},
		"all of it":         {"10.217.0.0/16 dev eth1", 0, ""},
	} {
		got := ""
		if n := freeNetwork(usedPrefixes(test.used), test.start); n != nil {
			got = n.Subnet
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
