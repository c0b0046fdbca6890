package plugin

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// listChunk is how many Datasets one request lists, as kubectl does it.
const listChunk = 500

// refListFlags are the flags as they were given.
type refListFlags struct {
	allNamespaces bool
	output        string
}

// refListOptions say which references to list.
type refListOptions struct {
	// namespace is empty for all.
	namespace string
	output    *output
}

func newRefListCommand(env Environment) *cobra.Command {
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
  kubectl fluid ref list -A -o wide`,
		Args: maxArgs(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := flags.options(cmd, env)
			if err != nil {
				return err
			}
			return o.run(cmd.Context(), env)
		},
	}
	cmd.Flags().BoolVarP(&flags.allNamespaces, "all-namespaces", "A", false, "List the references of all namespaces.")
	addOutputFlag(cmd, &flags.output, readFormats()...)
	return cmd
}

// options validates the command line. It doesn't talk to the cluster.
func (f *refListFlags) options(cmd *cobra.Command, env Environment) (*refListOptions, error) {
	o := &refListOptions{}
	var err error
	if !f.allNamespaces {
		if o.namespace, err = namespaceOf(env.connection); err != nil {
			return nil, usagef(cmd, "%w", err)
		}
	}
	o.output, err = newOutput(cmd, env, f.output, readFormats()...)
	return o, err
}

func (o *refListOptions) run(ctx context.Context, env Environment) error {
	c, err := env.connection.Client()
	if err != nil {
		return err
	}
	objects, datasets, err := listReferences(ctx, c, o.namespace)
	if err != nil {
		return err
	}
	if len(datasets) == 0 && o.output.human() {
		where := "in any namespace"
		if o.namespace != "" {
			where = "in namespace " + o.namespace
		}
		fmt.Fprintf(env.ErrOut, "No references found %s.\n", where)
		return nil
	}
	v := listView(objects)
	v.text = func(out screen, wide bool) error { return o.table(env, datasets, wide).print(out) }
	return o.output.print(v)
}

// listReferences returns the references of a namespace (empty for all), as they are and typed.
func listReferences(ctx context.Context, reader client.Reader, namespace string) ([]unstructured.Unstructured, []*datav1alpha1.Dataset, error) {
	allObjects, all, err := listDatasetObjects(ctx, reader, namespace)
	if err != nil {
		return nil, nil, err
	}
	var objects []unstructured.Unstructured
	var datasets []*datav1alpha1.Dataset
	for i, dataset := range all {
		if reference.IsReference(dataset) {
			objects, datasets = append(objects, allObjects[i]), append(datasets, dataset)
		}
	}
	return objects, datasets, nil
}

// listDatasetObjects returns the Datasets of a namespace (empty for all), as they are and typed.
func listDatasetObjects(ctx context.Context, reader client.Reader, namespace string) ([]unstructured.Unstructured, []*datav1alpha1.Dataset, error) {
	var objects []unstructured.Unstructured
	var datasets []*datav1alpha1.Dataset
	options := client.ListOptions{Namespace: namespace, Limit: listChunk}
	for {
		page := &unstructured.UnstructuredList{}
		page.SetGroupVersionKind(datav1alpha1.GroupVersion.WithKind(datav1alpha1.DatasetKind + "List"))
		if err := reader.List(ctx, page, &options); err != nil {
			return nil, nil, explainAPI("listing Datasets", err)
		}
		for i := range page.Items {
			dataset, err := typedDataset(&page.Items[i])
			if err != nil {
				return nil, nil, err
			}
			objects, datasets = append(objects, page.Items[i]), append(datasets, dataset)
		}
		if options.Continue = page.GetContinue(); options.Continue == "" {
			return objects, datasets, nil
		}
	}
}

func (o *refListOptions) table(env Environment, datasets []*datav1alpha1.Dataset, wide bool) *table {
	columns := []string{"NAME", "FROM", "PHASE", "READY", "AGE"}
	if o.namespace == "" {
		columns = append([]string{"NAMESPACE"}, columns...)
	}
	if wide {
		columns = append(columns, "ACCESS MODES", "MESSAGE")
	}
	t := newTable(columns...)
	for _, dataset := range datasets {
		row := []string{dataset.Name, sourceText(dataset), orNone(string(dataset.Status.Phase)), readyText(dataset), age(env, dataset.CreationTimestamp)}
		if o.namespace == "" {
			row = append([]string{dataset.Namespace}, row...)
		}
		if wide {
			message := ""
			if condition := readyCondition(dataset); condition != nil && condition.Status != corev1.ConditionTrue {
				message = condition.Message
			}
			row = append(row, modesText(dataset.Spec.AccessModes), orNone(message))
		}
		t.add(row...)
	}
	return t
}

// age returns how long ago a time was, as kubectl shows it.
func age(env Environment, t metav1.Time) string {
	if t.IsZero() {
		return "<unknown>"
	}
	return duration.HumanDuration(env.Now().Sub(t.Time))
}

// readyText returns the condition ReferenceReady as True, False (Reason) or <unknown>.
func readyText(dataset *datav1alpha1.Dataset) string {
	condition := readyCondition(dataset)
	switch {
	case condition == nil:
		return "<unknown>"
	case condition.Status == corev1.ConditionTrue || condition.Reason == "":
		return string(condition.Status)
	}
	return string(condition.Status) + " (" + condition.Reason + ")"
}

// modesText returns access modes; a Dataset without any has ReadOnlyMany.
func modesText(modes []corev1.PersistentVolumeAccessMode) string {
	if len(modes) == 0 {
		return string(corev1.ReadOnlyMany)
	}
	texts := make([]string, len(modes))
	for i, mode := range modes {
		texts[i] = string(mode)
	}
	return strings.Join(texts, ",")
}

func orNone(text string) string {
	if text == "" {
		return "<none>"
	}
	return text
}
