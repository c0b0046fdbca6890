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
	output *output
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
  kubectl fluid ref list -A -o wide

  # Who uses the Dataset phy of namespace default?
  kubectl fluid ref list -A --from default/phy

  # References that can't be used, now and from now on
  kubectl fluid ref list -A --broken --watch`,
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
	cmd.Flags().StringVar(&flags.from, "from", "", "Only references to this Dataset, namespace/name; with a sub-path only those to it.")
	cmd.Flags().BoolVar(&flags.broken, "broken", false, "Only references that aren't Bound, or aren't ready.")
	cmd.Flags().BoolVarP(&flags.watch, "watch", "w", false, "Go on with a line for each reference that changes.")
	addOutputFlag(cmd, &flags.output, readFormats()...)
	return cmd
}

// options validates the command line. It doesn't talk to the cluster.
func (f *refListFlags) options(cmd *cobra.Command, env Environment) (*refListOptions, error) {
	o := &refListOptions{broken: f.broken, follow: f.watch}
	var err error
	if f.from != "" {
		source, err := parseFrom(cmd, f.from)
		if err != nil {
			return nil, err
		}
		o.from = &source
	}
	if !f.allNamespaces {
		if o.namespace, err = namespaceOf(cmd, env.connection); err != nil {
			return nil, err
		}
	}
	if o.output, err = newOutput(cmd, env, f.output, readFormats()...); err != nil {
		return nil, err
	}
	if o.follow && !o.output.human() {
		return nil, usagef(cmd, "--watch only has text for people: with -o %s stdout is one document", f.output)
	}
	return o, nil
}

func (o *refListOptions) run(ctx context.Context, env Environment) error {
	c, err := env.connection.Client()
	if err != nil {
		return err
	}
	if o.follow {
		return o.watch(ctx, env, c)
	}
	allObjects, all, err := listReferences(ctx, c, o.namespace)
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
	if len(datasets) == 0 && o.output.human() {
		where := "in any namespace"
		if o.namespace != "" {
			where = "in namespace " + o.namespace
		}
		chosen := ""
		if len(all) > 0 {
			chosen = " that match"
		}
		fmt.Fprintf(env.ErrOut, "No references%s found %s.\n", chosen, where)
		return nil
	}
	v := listView(objects)
	v.text = func(out screen, wide bool) error { return o.table(env, datasets, wide).print(out) }
	return o.output.print(v)
}

// matches reports whether a Dataset is a reference that shall be listed.
func (o *refListOptions) matches(dataset *datav1alpha1.Dataset) bool {
	if !reference.IsReference(dataset) || o.broken && !broken(dataset) {
		return false
	}
	if o.from == nil {
		return true
	}
	source, err := reference.SourceOf(dataset)
	return err == nil && source.Key() == o.from.Key() && (o.from.SubPath == "" || o.from.SubPath == source.SubPath)
}

// broken reports whether pods can't use a reference now: it isn't Bound, or the controller says that it isn't ready.
func broken(dataset *datav1alpha1.Dataset) bool {
	condition := readyCondition(dataset)
	return dataset.Status.Phase != datav1alpha1.BoundPhase || condition != nil && condition.Status != corev1.ConditionTrue
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
		page := newDatasetList()
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
