package inspect

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/output"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/workload"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// inspectSidecarFlags are the flags as they were given.
type inspectSidecarFlags struct {
	naming    string
	manifests cluster.ManifestFlags
	selection output.SelectionFlags
	policy    output.PolicyFlags
	output    string
}

// inspectSidecarOptions say which pods to look at.
type inspectSidecarOptions struct {
	// kind is Pod or that of a workload; empty for what is in the manifests.
	kind      string
	object    types.NamespacedName
	naming    string
	manifests cluster.ManifestFlags
	selection output.Selection
	policy    report.Policy
	output    *output.Printer
}

func newInspectSidecarCommand(env command.Environment) *cobra.Command {
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
		Args: command.MaxArgs(1, "at most one pod or TYPE/NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := flags.options(cmd, env, args)
			if err != nil {
				return err
			}
			return o.run(cmd.Context(), env)
		},
	}
	cluster.AddNamingFlag(cmd, &flags.naming)
	flags.manifests.Add(cmd)
	flags.selection.Add(cmd)
	flags.policy.Add(cmd)
	output.AddFlag(cmd, &flags.output, output.CheckFormats()...)
	return cmd
}

// options validates the command line. It doesn't talk to the cluster.
func (f *inspectSidecarFlags) options(cmd *cobra.Command, env command.Environment, args []string) (*inspectSidecarOptions, error) {
	namespace, err := cluster.NamespaceOf(cmd, env.Connection)
	if err != nil {
		return nil, err
	}
	o := &inspectSidecarOptions{object: types.NamespacedName{Namespace: namespace}, naming: f.naming, manifests: f.manifests}
	switch {
	case len(args) == 0 && !f.manifests.Given():
		return nil, command.Usagef(cmd, "missing argument: the name of a pod, TYPE/NAME, -f FILE or -k DIRECTORY")
	case len(args) > 0:
		if o.kind, o.object.Name, err = parseWorkload(args[0]); err != nil {
			return nil, command.Usagef(cmd, "%w", err)
		}
	}
	if err = f.manifests.Validate(cmd); err != nil {
		return nil, err
	}
	if err = cluster.ValidateNaming(cmd, f.naming); err != nil {
		return nil, err
	}
	if o.selection, err = f.selection.Selection(cmd); err != nil {
		return nil, err
	}
	if o.policy, err = f.policy.Policy(cmd); err != nil {
		return nil, err
	}
	o.output, err = output.NewPrinter(cmd, env, f.output, output.CheckFormats()...)
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
	for _, w := range workload.Kinds() {
		if slices.Contains(w.Names, short) {
			return w.GVK.Kind, name, nil
		}
	}
	var known []string
	for _, w := range workload.Kinds() {
		known = append(known, w.Names[0])
	}
	return "", "", fmt.Errorf("%q is not a type that has pods: known are %s", short, strings.Join(known, ", "))
}

func (o *inspectSidecarOptions) run(ctx context.Context, env command.Environment) error {
	c, err := cluster.Open(ctx, env, o.manifests, o.object.Namespace)
	if err != nil {
		return err
	}
	subjects, err := o.subjects(ctx, c)
	if err != nil {
		return err
	}
	document := &SidecarReport{TypeMeta: report.NewTypeMeta("SidecarReport"), Pods: []podReport{}}
	i := &inspector{ctx: ctx, env: env, c: c, naming: o.naming}
	for _, subject := range subjects {
		found, err := i.inspect(subject)
		if err != nil {
			return err
		}
		found.finish(o.selection, subject, o.output.Language)
		document.Pods = append(document.Pods, *found)
	}
	document.Summary = report.Summarize(document.groups()...)
	if len(document.Pods) == 0 && o.output.Human() {
		env.Sayf("No pods and no workloads found in the manifests.\n")
		return nil
	}
	if err := o.output.Print(document.view(o.policy)); err != nil {
		return err
	}
	return output.ExitWith(o.policy, document.Summary)
}
