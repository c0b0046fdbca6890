package walkthrough

import (
	"context"
	"fmt"
	"strings"
)

// Step is one step of the walk-through: what it is about, and the commands that a user types.
type Step struct {
	Title    string
	Commands [][]string
}

// Prepare returns the steps up to the pod. They work without a node.
func (e *Environment) Prepare() []Step {
	steps := []Step{
		{"The remote data, the physical Dataset phy in default, and the runtime that serves it", [][]string{
			words("kubectl apply -f examples/walkthrough/origin.yaml"),
			words("kubectl apply -f examples/walkthrough/profile.yaml -f examples/walkthrough/phy.yaml"),
			words("kubectl wait dataset/phy --for=jsonpath={.status.phase}=Bound --timeout=60s"),
			words("kubectl get dataset,thinruntime"),
		}},
		{"The reference refdemo in ref", [][]string{
			words("kubectl create namespace ref"),
			words("kubectl label namespace ref pod-security.kubernetes.io/enforce=baseline"),
			words("kubectl fluid ref create refdemo --from default/phy -n ref --wait"),
			words("kubectl fluid ref list -n ref"),
		}},
		{"A pod that mounts it, as Fluid documents it", [][]string{
			words("kubectl create -f examples/walkthrough/nginx.yaml -n ref"),
		}},
	}
	if e.Node {
		wait := words("kubectl wait pod/origin --for=condition=Ready --timeout=60s")
		steps[0].Commands = append(steps[0].Commands[:1:1], append([][]string{wait}, steps[0].Commands[1:]...)...)
		steps[2].Commands = append(steps[2].Commands, words("kubectl wait pod/nginx -n ref --for=condition=Ready --timeout=120s"))
	}
	steps = append(steps, Step{"What was injected", [][]string{words("kubectl fluid inspect sidecar nginx -n ref")}})
	return steps
}

// Data returns the step that reads the data. It takes a node.
func Data() Step {
	return Step{"The data, through the sidecar's FUSE mount; one cache only, and no FUSE pod in default", [][]string{
		words("kubectl get pods -n default"),
		words("kubectl exec nginx -c nginx -n ref -- ls /data_spark"),
	}}
}

func words(line string) []string { return strings.Fields(line) }

// Run runs a step and returns what its last command printed.
func (e *Environment) Run(ctx context.Context, step Step) (string, error) {
	fmt.Fprintf(e.out, "\n# %s\n", step.Title)
	var output string
	for _, command := range step.Commands {
		var err error
		if output, err = e.Show(ctx, command...); err != nil {
			return output, err
		}
	}
	return output, nil
}
