package ref

import (
	"context"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/output"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// refListFlags are the flags as they were given.
type refListFlags struct {
	allNamespaces bool
	from          string
	broken        bool
	watch         bool
	output        string
}

// refListOptions say which references to list.
type refListOptions struct {
	// namespace is empty for all.
	namespace string
	// from is the physical Dataset that references are listed of; nil for any.
	from   *reference.Source
	broken bool
	follow bool
	output *output.Printer
}

func newRefListCommand(env command.Environment) *cobra.Command {
	flags := &refListFlags{}
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List references",
		Long: `List the references of a namespace, or of all.

FROM is the physical Dataset and the sub-path, READY the condition ReferenceReady
with its reason, which the controller of kubectl fluid writes; it is <unknown>
where only Fluid's own controllers run.`,
		Example: `  # References of the namespace team-b
  kubectl fluid ref list -n team-b

  # All references, with what the ones that aren't ready wait for
  kubectl fluid ref list -A -o wide

  # Who uses the Dataset phy of namespace default?
  kubectl fluid ref list -A --from default/phy

  # References that can't be used, now and from now on
  kubectl fluid ref list -A --broken --watch`,
		Args: command.MaxArgs(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := flags.options(cmd, env)
			if err != nil {
				return err
			}
			return o.run(cmd.Context(), env)
		},
	}
	cmd.Flags().BoolVarP(&flags.allNamespaces, "all-namespaces", "A", false, "List the references of all namespaces.")
	cmd.Flags().StringVar(&flags.from, "from", "", "Only references to this Dataset, namespace/name; with a sub-path only those to it.")
	cmd.Flags().BoolVar(&flags.broken, "broken", false, "Only references that aren't Bound, or aren't ready.")
	cmd.Flags().BoolVarP(&flags.watch, "watch", "w", false, "Go on with a line for each reference that changes.")
	output.AddFlag(cmd, &flags.output, output.ReadFormats()...)
	return cmd
}

// options validates the command line. It doesn't talk to the cluster.
func (f *refListFlags) options(cmd *cobra.Command, env command.Environment) (*refListOptions, error) {
	o := &refListOptions{broken: f.broken, follow: f.watch}
	var err error
	if f.from != "" {
		o.from = &reference.Source{}
		if *o.from, err = parseFrom(cmd, f.from); err != nil {
			return nil, err
		}
	}
	if !f.allNamespaces {
		if o.namespace, err = cluster.NamespaceOf(cmd, env.Connection); err != nil {
			return nil, err
		}
	}
	if o.output, err = output.NewPrinter(cmd, env, f.output, output.ReadFormats()...); err != nil {
		return nil, err
	}
	if o.follow && !o.output.Human() {
		return nil, command.Usagef(cmd, "--watch only has text for people: with -o %s stdout is one document", f.output)
	}
	return o, nil
}

func (o *refListOptions) run(ctx context.Context, env command.Environment) error {
	c, err := env.Connection.Client()
	if err != nil {
		return err
	}
	if o.follow {
		return o.watch(ctx, env, c)
	}
	allObjects, all, err := cluster.ListReferences(ctx, c, o.namespace)
	if err != nil {
		return err
	}
	var objects []unstructured.Unstructured
	var datasets []*datav1alpha1.Dataset
	for i, dataset := range all {
		if o.matches(dataset) {
			objects, datasets = append(objects, allObjects[i]), append(datasets, dataset)
		}
	}
	if len(datasets) == 0 && o.output.Human() {
		where := "in any namespace"
		if o.namespace != "" {
			where = "in namespace " + o.namespace
		}
		chosen := ""
		if len(all) > 0 {
			chosen = " that match"
		}
		env.Sayf("No references%s found %s.\n", chosen, where)
		return nil
	}
	v := output.ListView(objects)
	v.Text = func(out terminal.Screen, wide bool) error { return o.table(env, datasets, wide).Print(out) }
	return o.output.Print(v)
}

// matches reports whether a Dataset is a reference that shall be listed.
func (o *refListOptions) matches(dataset *datav1alpha1.Dataset) bool {
	if !reference.IsReference(dataset) || o.broken && !cluster.Broken(dataset) {
		return false
	}
	if o.from == nil {
		return true
	}
	source, err := reference.SourceOf(dataset)
	return err == nil && source.Key() == o.from.Key() && (o.from.SubPath == "" || o.from.SubPath == source.SubPath)
}

func (o *refListOptions) table(env command.Environment, datasets []*datav1alpha1.Dataset, wide bool) *terminal.Table {
	columns := []string{"NAME", "FROM", "PHASE", "READY", "AGE"}
	if o.namespace == "" {
		columns = append([]string{"NAMESPACE"}, columns...)
	}
	if wide {
		columns = append(columns, "ACCESS MODES", "MESSAGE")
	}
	t := terminal.NewTable(columns...)
	for _, dataset := range datasets {
		row := []string{dataset.Name, cluster.SourceText(dataset), terminal.OrNone(string(dataset.Status.Phase)), cluster.ReadyText(dataset), output.Age(env, dataset.CreationTimestamp)}
		if o.namespace == "" {
			row = append([]string{dataset.Namespace}, row...)
		}
		if wide {
			message := ""
			if condition := cluster.ReadyCondition(dataset); condition != nil && condition.Status != corev1.ConditionTrue {
				message = condition.Message
			}
			row = append(row, cluster.ModesText(dataset.Spec.AccessModes), terminal.OrNone(message))
		}
		t.Add(row...)
	}
	return t
}
