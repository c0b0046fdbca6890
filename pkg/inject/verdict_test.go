package inject

import "testing"

// TestVerdicts has every combination of the labels, and who injected the pod.
func TestVerdicts(t *testing.T) {
	values := []string{"", "true", "false", "x"}
	for _, asked := range values {
		for _, enabled := range values {
			for _, done := range values {
				for _, by := range []string{"", "kubectl-fluid-controller", "another"} {
					labels := map[string]string{"serverless.fluid.io/inject": asked, "fluid.io/enable-injection": enabled, "done.sidecar.fluid.io/inject": done}
					got := VerdictOf(labels, map[string]string{AnnotationInjectedBy: by})
					for reason, want := range map[Verdict]bool{
						NotAsked: asked != "true", Forbidden: enabled == "false", Done: done == "true" && by != "kubectl-fluid-controller",
					} {
						if got.Has(reason) != want {
							t.Errorf("%v, injected by %q: %b", labels, by, got)
						}
					}
				}
			}
		}
	}
	if VerdictOf(nil, nil) != NotAsked {
		t.Error("a pod without labels asks for nothing")
	}
}
