package inject

import (
	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// Verdict says why a pod gets no sidecars, by its labels and annotations: any of the reasons below. The zero Verdict means
// that it gets those of its claims.
type Verdict uint8

const (
	// Forbidden says that the label fluid.io/enable-injection is false.
	Forbidden Verdict = 1 << iota
	// NotAsked says that the label serverless.fluid.io/inject isn't true.
	NotAsked
	// Done says that another webhook has injected the pod: its label done.sidecar.fluid.io/inject is true.
	Done
)

// VerdictOf reads the labels of Fluid v1.0.8. A pod that has sidecars from here may want more: another webhook may have
// added a container or a volume since.
//
//	serverless.fluid.io/inject  fluid.io/enable-injection  done.sidecar.fluid.io/inject  injected by   Verdict
//	true                        not false                  not true                      anybody       0: it gets sidecars
//	true                        not false                  true                          this project  0: it gets more
//	true                        not false                  true                          another       Done
//	anything                    false                      anything                      anybody       Forbidden, and more
//	not true                    anything                   anything                      anybody       NotAsked, and more
func VerdictOf(labels, annotations map[string]string) Verdict {
	var v Verdict
	if labels[datav1alpha1.LabelEnableInjection] == "false" {
		v |= Forbidden
	}
	if labels[datav1alpha1.LabelInject] != "true" {
		v |= NotAsked
	}
	if labels[datav1alpha1.LabelInjectionDone] == "true" && annotations[AnnotationInjectedBy] != reference.FieldManager {
		v |= Done
	}
	return v
}

// Has reports whether one of some reasons is among those of the Verdict.
func (v Verdict) Has(reasons Verdict) bool { return v&reasons != 0 }

// Verdict says why the pod gets no sidecars.
func (p *Pod) Verdict() Verdict { return VerdictOf(p.Metadata.Labels, p.Metadata.Annotations) }

// Wants reports whether the pod asks for sidecars and nothing forbids them.
func (p *Pod) Wants() bool { return p.Verdict() == 0 }
