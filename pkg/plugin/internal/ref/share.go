package ref

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// refShareOptions say how the list of a physical Dataset's owner is to be changed.
type refShareOptions struct {
	physical   types.NamespacedName
	namespaces []string
	// remove takes the namespaces off the list instead of putting them on it.
	remove bool
	// others lets references of namespaces that aren't on the list lose their access.
	others bool
}

func newRefShareCommand(env command.Environment) *cobra.Command {
	o, with := &refShareOptions{}, []string{}
	cmd := &cobra.Command{
		Use:   "share NAMESPACE/DATASET --with NAMESPACE[,NAMESPACE]",
		Short: "Share a Dataset with namespaces",
		Long: `Put namespaces on the list of those that may refer to a Dataset, its annotation
kubectl-fluid.dev/shared-with; * is all of them.

Once there is a list it is the whole list: references of other namespaces lose
their copies of the Dataset's configuration, and new pods can't use them. Where
that would happen, nothing is written without --revoke-others.`,
		Example: `  # Share the Dataset phy of namespace default with the namespaces ref and team-b
  kubectl fluid ref share default/phy --with ref,team-b

  # Leave it to RBAC again who may refer to it: remove the list
  kubectl annotate dataset phy -n default kubectl-fluid.dev/shared-with-`,
		Args: command.ExactArg("the Dataset as namespace/name"),
		RunE: func(cmd *cobra.Command, args []string) error { return o.runCommand(cmd, env, args[0], with) },
	}
	cmd.Flags().StringSliceVar(&with, "with", nil, "The namespaces, or * for all. Required.")
	cmd.Flags().BoolVar(&o.others, "revoke-others", false, "Also when references of namespaces that aren't on the list lose their access.")
	return cmd
}

func newRefUnshareCommand(env command.Environment) *cobra.Command {
	o, with := &refShareOptions{remove: true, others: true}, []string{}
	cmd := &cobra.Command{
		Use:   "unshare NAMESPACE/DATASET --with NAMESPACE[,NAMESPACE]",
		Short: "Share a Dataset with namespaces no longer",
		Long: `Take namespaces off the list of those that may refer to a Dataset.

Their references lose their copies of the Dataset's configuration at once, and new
pods can't use them; pods that run go on running. An empty list stays a list.`,
		Example: `  # Share the Dataset phy of namespace default with the namespace ref no longer
  kubectl fluid ref unshare default/phy --with ref`,
		Args: command.ExactArg("the Dataset as namespace/name"),
		RunE: func(cmd *cobra.Command, args []string) error { return o.runCommand(cmd, env, args[0], with) },
	}
	cmd.Flags().StringSliceVar(&with, "with", nil, "The namespaces, or * for the entry that means all. Required.")
	return cmd
}

// runCommand validates the command line, and then changes the list.
func (o *refShareOptions) runCommand(cmd *cobra.Command, env command.Environment, physical string, with []string) error {
	source, err := reference.ParseSource(physical)
	switch {
	case err != nil:
		return command.Usagef(cmd, "%w", err)
	case source.SubPath != "":
		return command.Usagef(cmd, "%q has a sub-path: a Dataset is shared as a whole", physical)
	}
	list := reference.ParseSharedWith(strings.Join(with, ","))
	switch {
	case len(list.Ignored) > 0:
		return command.Usagef(cmd, "--with: %q is not a namespace", list.Ignored[0])
	case len(list.Namespaces) == 0:
		return command.Usagef(cmd, "missing flag: --with NAMESPACE[,NAMESPACE] says which namespaces")
	}
	o.physical, o.namespaces = source.Key(), list.Namespaces
	return o.run(cmd.Context(), env)
}

func (o *refShareOptions) run(ctx context.Context, env command.Environment) error {
	c, err := env.Connection.Client()
	if err != nil {
		return err
	}
	object, err := cluster.GetDataset(ctx, c, o.physical)
	if err != nil {
		return err
	}
	if object == nil {
		return fmt.Errorf("changing whom Dataset %s is shared with: it doesn't exist; kubectl get datasets -n %s shows those that do", o.physical, o.physical.Namespace)
	}
	dataset, err := cluster.TypedDataset(object)
	if err != nil {
		return err
	}
	list, err := o.changed(dataset)
	if err != nil {
		return err
	}
	if before, ok := dataset.Annotations[reference.AnnotationSharedWith]; ok && before == list.String() {
		env.Printf("Dataset %s unchanged: shared with %s\n", o.physical, terminal.OrNone(list.String()))
		return nil
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"resourceVersion": dataset.ResourceVersion,
		"annotations":     map[string]string{reference.AnnotationSharedWith: list.String()},
	}})
	if err != nil {
		return fmt.Errorf("making a patch of Dataset %s: %w", o.physical, err)
	}
	doing := fmt.Sprintf("changing whom Dataset %s is shared with", o.physical)
	if err := c.Patch(ctx, object, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(cluster.FieldManager)); err != nil {
		return cluster.ExplainAPI(doing, err)
	}
	env.Printf("Dataset %s changed: shared with %s\n", o.physical, terminal.OrNone(list.String()))
	return nil
}

// changed returns the list as it shall be, or why it can't be changed.
func (o *refShareOptions) changed(dataset *datav1alpha1.Dataset) (reference.SharedWith, error) {
	doing := fmt.Sprintf("changing whom Dataset %s is shared with", o.physical)
	if reference.IsReference(dataset) {
		return reference.SharedWith{}, fmt.Errorf("%s: it is itself a reference, to %s, and can't be shared; share that", doing, cluster.SourceText(dataset))
	}
	list, present := reference.SharedWithOf(dataset)
	if !o.remove {
		list.Namespaces = append(list.Namespaces, o.namespaces...)
		slices.Sort(list.Namespaces)
		list.Namespaces = slices.Compact(list.Namespaces)
		if lost := losing(dataset, list); !present && !o.others && len(lost) > 0 {
			return list, fmt.Errorf("%s: it has no list yet, and with one these namespaces, which have references to it, would lose their access: %s; "+
				"name them in --with too, or let them lose it with --revoke-others", doing, strings.Join(lost, ", "))
		}
		return list, nil
	}
	if !present {
		return list, fmt.Errorf("%s: it has no list that a namespace could be taken off: RBAC or the cluster's policy says who may refer to it; "+
			"begin a list with kubectl fluid ref share", doing)
	}
	list.Namespaces = slices.DeleteFunc(list.Namespaces, func(namespace string) bool { return slices.Contains(o.namespaces, namespace) })
	if slices.Contains(list.Namespaces, reference.AllNamespaces) {
		return list, fmt.Errorf("%s: it is shared with all namespaces (%s), also with those; put the others on the list and take %s off it", doing,
			reference.AllNamespaces, reference.AllNamespaces)
	}
	return list, nil
}

// losing returns the namespaces that have references to a Dataset and aren't on a list.
func losing(dataset *datav1alpha1.Dataset, list reference.SharedWith) []string {
	var lost []string
	for _, ref := range dataset.Status.DatasetRef {
		namespace, _, _ := strings.Cut(ref, "/")
		if namespace != dataset.Namespace && !list.Has(namespace) {
			lost = append(lost, namespace)
		}
	}
	slices.Sort(lost)
	return slices.Compact(lost)
}
