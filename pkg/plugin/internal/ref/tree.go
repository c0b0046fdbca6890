package ref

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/output"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/workload"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// Formats of graphs.
const (
	formatDot     = "dot"
	formatMermaid = "mermaid"
)

func treeFormats() []string { return append(output.ReadFormats(), formatDot, formatMermaid) }

// refTreeOptions say which trees to show.
type refTreeOptions struct {
	namespace string
	// name is the Dataset whose tree is shown; empty for all trees that the namespace has a part in.
	name string
	all  bool
	// write is how graphs are written; nil for other formats.
	write  func(*TreeReport) error
	output *output.Printer
}

func newRefTreeCommand(env command.Environment) *cobra.Command {
	var format string
	var all bool
	cmd := &cobra.Command{
		Use:   "tree [NAME]",
		Short: "Show who uses a Dataset: references, claims, pods and nodes",
		Long: `Show physical Datasets with the references to them, the claims of both, the pods
that use those and the nodes that the pods are on.

NAME is a physical Dataset or a reference of the namespace; without it all trees
are shown that the namespace has a part in, with -A all of the cluster. Where you
may not list pods, the tree says so.`,
		Example: `  # Who uses the data that the reference refdemo stands for?
  kubectl fluid ref tree refdemo -n ref

  # The whole cluster as a picture
  kubectl fluid ref tree -A -o dot`,
		Args: command.MaxArgs(1, "at most one Dataset"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o := &refTreeOptions{all: all}
			if err := o.complete(cmd, env, args, format); err != nil {
				return err
			}
			return o.run(cmd.Context(), env)
		},
	}
	cmd.Flags().BoolVarP(&all, "all-namespaces", "A", false, "Show all trees of the cluster.")
	output.AddFlag(cmd, &format, treeFormats()...)
	return cmd
}

// complete validates the command line. It doesn't talk to the cluster.
func (o *refTreeOptions) complete(cmd *cobra.Command, env command.Environment, args []string, format string) error {
	var err error
	if o.namespace, err = cluster.NamespaceOf(cmd, env.Connection); err != nil {
		return err
	}
	if len(args) > 0 {
		o.name = args[0]
		if err = reference.ValidateName(o.name); err != nil {
			return command.Usagef(cmd, "%w", err)
		}
		if o.all {
			return command.Usagef(cmd, "%q and --all-namespaces exclude each other", o.name)
		}
	}
	switch format {
	case formatDot:
		o.write = func(r *TreeReport) error { return r.writeDot(env.Out) }
	case formatMermaid:
		o.write = func(r *TreeReport) error { return r.writeMermaid(env.Out) }
	default:
		o.output, err = output.NewPrinter(cmd, env, format, treeFormats()...)
	}
	return err
}

func (o *refTreeOptions) run(ctx context.Context, env command.Environment) error {
	c, err := env.Connection.Client()
	if err != nil {
		return err
	}
	datasets, note, err := readDatasets(ctx, c, o.namespace)
	if err != nil {
		return err
	}
	env.Note(note)
	roots := o.choose(datasets)
	if len(roots) == 0 && o.name != "" {
		return fmt.Errorf("showing the tree of Dataset %s/%s: it doesn't exist; kubectl get datasets -n %s shows those that do", o.namespace, o.name, o.namespace)
	}
	builder := treeBuilder{ctx: ctx, reader: c, namespaces: map[string]*namespaceUse{}}
	found := &TreeReport{TypeMeta: report.NewTypeMeta("ReferenceTree"), Roots: []*treeNode{}}
	for _, root := range roots {
		found.Roots = append(found.Roots, builder.build(root))
	}
	if builder.err != nil {
		return builder.err
	}
	return o.print(env, found)
}

func (o *refTreeOptions) print(env command.Environment, found *TreeReport) error {
	if o.write != nil {
		return o.write(found)
	}
	if len(found.Roots) == 0 && o.output.Human() {
		env.Sayf("No references found.\n")
		return nil
	}
	v := output.View{Document: found, Items: []any{}, Text: found.print}
	for _, root := range found.Roots {
		root.visit(nil, func(_, node *treeNode) {
			v.Items = append(v.Items, node)
			if node.Kind == datav1alpha1.DatasetKind {
				v.Names = append(v.Names, cluster.DatasetName(node.Name))
			}
		})
	}
	return o.output.Print(v)
}

// readDatasets lists the Datasets of the cluster; of the namespace only if that is all that may be listed, and then the
// note says so.
func readDatasets(ctx context.Context, reader client.Reader, namespace string) (datasets []datav1alpha1.Dataset, note string, err error) {
	datasets, err = cluster.ListDatasets(ctx, reader, "")
	if apierrors.IsForbidden(err) {
		note = "you may not list the Datasets of all namespaces: those of other namespaces than " + namespace + " aren't shown"
		datasets, err = cluster.ListDatasets(ctx, reader, namespace)
	}
	return datasets, note, err
}

// datasetUse is a physical Dataset with the references to it.
type datasetUse struct {
	key types.NamespacedName
	// physical is nil if it doesn't exist, or isn't known.
	physical   *datav1alpha1.Dataset
	references []*datav1alpha1.Dataset
}

// choose returns the Datasets that the trees begin with, in the order of their names.
func (o *refTreeOptions) choose(datasets []datav1alpha1.Dataset) []*datasetUse {
	uses := map[types.NamespacedName]*datasetUse{}
	use := func(key types.NamespacedName) *datasetUse {
		if uses[key] == nil {
			uses[key] = &datasetUse{key: key}
		}
		return uses[key]
	}
	for i := range datasets {
		dataset := &datasets[i]
		if !reference.IsReference(dataset) {
			use(client.ObjectKeyFromObject(dataset)).physical = dataset
		} else if source, err := reference.SourceOf(dataset); err == nil {
			u := use(source.Key())
			u.references = append(u.references, dataset)
		}
	}
	var chosen []*datasetUse
	for _, u := range uses {
		if o.wants(u) {
			chosen = append(chosen, u)
		}
	}
	slices.SortFunc(chosen, func(a, b *datasetUse) int { return cmp.Compare(a.key.String(), b.key.String()) })
	return chosen
}

func (o *refTreeOptions) wants(u *datasetUse) bool {
	mine := func(key types.NamespacedName) bool {
		return key.Namespace == o.namespace && (o.name == "" || key.Name == o.name)
	}
	switch {
	case o.name != "" && u.physical != nil && mine(u.key):
		return true
	case len(u.references) == 0:
		return false
	case o.all, mine(u.key):
		return true
	}
	return slices.ContainsFunc(u.references, func(ref *datav1alpha1.Dataset) bool { return mine(client.ObjectKeyFromObject(ref)) })
}

// namespaceUse is what a namespace has that can use Datasets.
type namespaceUse struct {
	claims     map[string]*corev1.PersistentVolumeClaim
	pods       []corev1.Pod
	unread     string // of claims
	podsUnread string
}

// treeBuilder reads claims and pods, those of each namespace once, until the first error.
type treeBuilder struct {
	ctx        context.Context
	reader     client.Reader
	namespaces map[string]*namespaceUse
	err        error
}

func (b *treeBuilder) build(u *datasetUse) *treeNode {
	root := &treeNode{Kind: datav1alpha1.DatasetKind, Namespace: u.key.Namespace, Name: u.key.Name, State: "doesn't exist, or may not be read"}
	if u.physical != nil {
		root.State = string(u.physical.Status.Phase)
		if runtime, ok := reference.RuntimeOfDataset(u.physical); ok {
			root.Detail = "served by its " + runtime.Kind
		}
		b.addClaim(root, u.key)
	}
	for _, ref := range u.references {
		node := root.add(&treeNode{Kind: datav1alpha1.DatasetKind, Namespace: ref.Namespace, Name: ref.Name,
			State: string(ref.Status.Phase), Detail: "reference to " + cluster.SourceText(ref)})
		b.addClaim(node, client.ObjectKeyFromObject(ref))
	}
	return root
}

// addClaim adds a Dataset's claim with the pods that use it.
func (b *treeBuilder) addClaim(dataset *treeNode, key types.NamespacedName) {
	n := b.namespace(key.Namespace)
	if b.err != nil {
		return
	}
	node := &treeNode{Kind: "PersistentVolumeClaim", Namespace: key.Namespace, Name: key.Name, State: "doesn't exist"}
	if claim := n.claims[key.Name]; claim != nil {
		node.State = string(claim.Status.Phase)
	} else if n.unread != "" {
		node.State, node.Detail = "unknown", n.unread
	}
	dataset.add(node)
	if n.podsUnread != "" {
		node.add(&treeNode{Kind: "Pods", Name: "of namespace " + key.Namespace, State: "unknown", Detail: n.podsUnread})
	}
	for _, pod := range workload.UsersOf(n.pods, key) {
		p := node.add(&treeNode{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, State: workload.PodState(pod), Detail: "by " + workload.UseOf(pod, key)})
		if pod.Spec.NodeName != "" {
			p.add(&treeNode{Kind: "Node", Name: pod.Spec.NodeName})
		}
	}
}

func (b *treeBuilder) namespace(name string) *namespaceUse {
	if n := b.namespaces[name]; n != nil || b.err != nil {
		return n
	}
	n := &namespaceUse{claims: map[string]*corev1.PersistentVolumeClaim{}}
	b.namespaces[name] = n
	for page, err := range cluster.Pages(b.ctx, b.reader, &corev1.PersistentVolumeClaimList{}, client.InNamespace(name)) {
		switch {
		case apierrors.IsForbidden(err):
			n.unread = err.Error()
		case err != nil:
			b.err = cluster.ExplainAPI("listing the claims of namespace "+name, err)
			return n
		}
		for i := range page.Items {
			n.claims[page.Items[i].Name] = &page.Items[i]
		}
	}
	n.pods, n.podsUnread, b.err = workload.ListPods(b.ctx, b.reader, name)
	return n
}
