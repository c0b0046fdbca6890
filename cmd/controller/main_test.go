package main

import (
	"strings"
	"testing"
)

// TestOptionsThatCantBeAreNamed: the error names the flag, what it was and what it may be.
func TestOptionsThatCantBeAreNamed(t *testing.T) {
	for _, test := range []struct {
		change func(*options)
		want   []string
	}{
		{func(*options) {}, nil},
		{func(o *options) { o.sharing = "open" }, nil},
		{func(o *options) { o.sharing, o.mirrorNames = "owner", "source" }, nil},
		{func(o *options) { o.namespace = "" }, []string{"--namespace", "POD_NAMESPACE"}},
		{func(o *options) { o.sharing = "" }, []string{"--sharing", `""`, "open, rbac or owner"}},
		{func(o *options) { o.sharing = "RBAC" }, []string{"--sharing", `"RBAC"`, "open, rbac or owner"}},
		{func(o *options) { o.sidecarMode = "classic" }, nil},
		{func(o *options) { o.sidecarMode = "old" }, []string{"--sidecar-mode", `"old"`, "native or classic"}},
		{func(o *options) { o.privileges, o.sidecarUser = "none", "none" }, nil},
		{func(o *options) { o.privileges = "allowed" }, nil},
		{func(o *options) { o.privileges = "some" }, []string{"--sidecar-privileges", `"some"`, "none or allowed"}},
		{func(o *options) { o.sidecarUser = "0" }, []string{"--sidecar-user", `"0"`, "a number from 1", "or none"}},
		{func(o *options) { o.mirrorNames = "own" }, []string{"--mirror-names", `"own"`, "unique or source"}},
		{func(o *options) { o.alluxio = "auto" }, nil},
		{func(o *options) { o.alluxio = "yes" }, []string{"--alluxio-runtimes", `"yes"`, "true, false or auto"}},
	} {
		o := options{namespace: "system", sharing: "rbac", mirrorNames: "unique", alluxio: "false", privileges: "none", sidecarUser: "65534"}
		test.change(&o)
		err := o.validate()
		if (err == nil) != (test.want == nil) {
			t.Errorf("%+v: %v", o, err)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q lacks %q", err, want)
			}
		}
	}
}
