package reference_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/util/version"

	. "github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

func TestFeaturesOfVersions(t *testing.T) {
	for text, want := range map[string]Features{
		"v1.28.15": {}, "v1.29.0": {NativeSidecars: true}, "1.29": {NativeSidecars: true}, "v1.35.9+k3s1": {NativeSidecars: true},
		"v1.36.0": {NativeSidecars: true, SelfHealing: true}, "v1.40.1-gke.1": {NativeSidecars: true, SelfHealing: true},
	} {
		parsed, err := version.ParseGeneric(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := FeaturesOf(parsed); got != want {
			t.Errorf("%s has %+v, want %+v", text, got, want)
		}
	}
	if FeaturesOf(NewestVersion()) != (Features{true, true}) {
		t.Error("the newest version hasn't all features")
	}
}
