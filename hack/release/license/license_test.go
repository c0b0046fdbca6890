package license

import (
	"slices"
	"strings"
	"testing"

	"github.com/kubectl-fluid/kubectl-fluid/hack/release/build"
)

// TestEverythingLinkedMayBeLinked finds a license that is allowed for each module that the programs are linked with, on
// every platform.
func TestEverythingLinkedMayBeLinked(t *testing.T) {
	if testing.Short() {
		t.Skip("listing what is linked for nine platforms takes half a minute on a busy machine")
	}
	modules, err := Modules(t.Context(), "../../..", build.PluginPlatforms(), "./cmd/kubectl-fluid", "./cmd/controller", "./cmd/node", "./cmd/fluid-fuse")
	if err != nil {
		t.Fatal(err)
	}
	byPath := map[string][]string{}
	for _, m := range modules {
		byPath[m.Path] = m.Licenses
	}
	for path, want := range map[string]string{"stdlib": "BSD-3-Clause", "k8s.io/client-go": "Apache-2.0", "github.com/spf13/cobra": "Apache-2.0", "sigs.k8s.io/yaml": "MIT"} {
		if !slices.Contains(byPath[path], want) {
			t.Errorf("%s has the licenses %q", path, byPath[path])
		}
	}
	text := string(Notices(modules))
	if !strings.Contains(text, "k8s.io/client-go v") || !strings.Contains(text, "Redistribution and use in source and binary forms") {
		t.Error("the notices lack client-go's license, or any BSD license")
	}
}

func TestLicensesThatAskForMoreAreRefused(t *testing.T) {
	for _, c := range []struct {
		licenses []string
		want     string
	}{
		{[]string{"MIT"}, ""},
		{[]string{"BSD-3-Clause", "GPL-3.0"}, "has the license GPL-3.0"},
		{[]string{"AGPL-3.0"}, "has the license AGPL-3.0"},
		{nil, "no license that is known"},
	} {
		err := Module{Path: "example.com/m", Version: "v1.0.0", Licenses: c.licenses}.check()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v", c.licenses, err)
		}
	}
}
