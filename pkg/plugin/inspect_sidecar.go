package plugin

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// inspectSidecarFlags are the flags as they were given.
type inspectSidecarFlags struct {
	naming    string
	manifests manifestFlags
	selection selectionFlags
	policy    policyFlags
	output    string
}

// inspectSidecarOptions say which pods to look at.
type inspectSidecarOptions struct {
	// kind is Pod or that of a workload; empty for what is in the manifests.
	kind      string
	object    types.NamespacedName
	naming    string
	manifests manifestFlags
	selection selection
	policy    report.Policy
	output    *output
}

func newInspectSidecarCommand(env Environment) *cobra.Command {
	flags := &inspectSidecarFlags{}
	cmd := &cobra.Command{
		Use:   "sidecar POD | TYPE/NAME | -f FILE | -k DIRECTORY",
		Short: "Show a pod's FUSE sidecars and where they come from, or why there are none",
		Long: `Show the FUSE sidecars of a pod: their state, which Dataset they serve, who
injected them, where containers see the data, what injection has changed in the
pod, and the chain from the claim to the physical Dataset's FUSE pod template.

For a pod without sidecars that uses Datasets it shows the first link of the
chain that fails, and what to do. For a workload (TYPE/NAME) and for manifests
(-f, -k) it shows what would be injected into new pods; with --offline without a
cluster. It only reads.`,
		Example: `  # Why is there a sidecar, or why is there none?
  kubectl fluid inspect sidecar nginx -n ref

  # What would be injected into new pods of a Deployment?
  kubectl fluid inspect sidecar deployment/web -n ref

  # What would be injected into the pods of manifests, once these and the reference have been applied?
  kubectl fluid inspect sidecar -f pod.yaml -f reference.yaml -n ref`,
		Args: maxArgs(1, "at most one pod or TYPE/NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := flags.options(cmd, env, args)
			if err != nil {
				return err
			}
			return o.run(cmd.Context(), env)
		},
	}
	addNamingFlag(cmd, &flags.naming)
	flags.manifests.add(cmd)
	flags.selection.add(cmd)
	flags.policy.add(cmd)
	addOutputFlag(cmd, &flags.output, checkFormats()...)
	return cmd
}

// options validates the command line. It doesn't talk to the cluster.
func (f *inspectSidecarFlags) options(cmd *cobra.Command, env Environment, args []string) (*inspectSidecarOptions, error) {
	namespace, err := namespaceOf(cmd, env.connection)
	if err != nil {
		return nil, err
	}
	o := &inspectSidecarOptions{object: types.NamespacedName{Namespace: namespace}, naming: f.naming, manifests: f.manifests}
	switch {
	case len(args) == 0 && !f.manifests.given():
		return nil, usagef(cmd, "missing argument: the name of a pod, TYPE/NAME, -f FILE or -k DIRECTORY")
	case len(args) > 0:
		if o.kind, o.object.Name, err = parseWorkload(args[0]); err != nil {
			return nil, usagef(cmd, "%w", err)
		}
	}
	if err := f.manifests.validate(cmd); err != nil {
		return nil, err
	}
	if err := validateNaming(cmd, f.naming); err != nil {
		return nil, err
	}
	if o.selection, err = f.selection.selection(cmd); err != nil {
		return nil, err
	}
	if o.policy, err = f.policy.policy(cmd); err != nil {
		return nil, err
	}
	o.output, err = newOutput(cmd, env, f.output, checkFormats()...)
	return o, err
}

// parseWorkload reads POD or TYPE/NAME, with kubectl's short names for types.
func parseWorkload(text string) (kind, name string, err error) {
	short, name, typed := strings.Cut(text, "/")
	if !typed {
		short, name = "pod", text
	}
	if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
		return "", "", fmt.Errorf("%q is not a pod's name or TYPE/NAME: %s", text, problems[0])
	}
	short, _, _ = strings.Cut(strings.ToLower(short), ".")
	for _, w := range workloads() {
		if slices.Contains(w.names, short) {
			return w.kind.Kind, name, nil
		}
	}
	var known []string
	for _, w := range workloads() {
		known = append(known, w.names[0])
	}
	return "", "", fmt.Errorf("%q is not a type that has pods: known are %s", short, strings.Join(known, ", "))
}

func (o *inspectSidecarOptions) run(ctx context.Context, env Environment) error {
	c, err := openCluster(ctx, env, o.manifests, o.object.Namespace)
	if err != nil {
		return err
	}
	subjects, err := o.subjects(ctx, c)
	if err != nil {
		return err
	}
	document := &sidecarReport{TypeMeta: report.NewTypeMeta("SidecarReport"), Pods: []podReport{}}
	i := &inspector{ctx: ctx, env: env, c: c, naming: o.naming}
	for _, subject := range subjects {
		found, err := i.inspect(subject)
		if err != nil {
			return err
		}
		found.finish(o.selection, subject, o.output.language)
		document.Pods = append(document.Pods, *found)
	}
	document.Summary = report.Summarize(document.groups()...)
	if len(document.Pods) == 0 && o.output.human() {
		fmt.Fprintln(env.ErrOut, "No pods and no workloads found in the manifests.")
		return nil
	}
	if err := o.output.print(document.view(o.policy)); err != nil {
		return err
	}
	return exitWith(o.policy, document.Summary)
}
