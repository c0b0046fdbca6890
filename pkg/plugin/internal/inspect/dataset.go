package inspect

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/observe"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/output"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/preflight"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/workload"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// inspectDatasetFlags are the flags as they were given.
type inspectDatasetFlags struct {
	naming    string
	manifests cluster.ManifestFlags
	selection output.SelectionFlags
	policy    output.PolicyFlags
	output    string
}

// inspectDatasetOptions say which Datasets to look at.
type inspectDatasetOptions struct {
	// key has no name if the Datasets of the manifests are meant.
	key       types.NamespacedName
	naming    string
	manifests cluster.ManifestFlags
	selection output.Selection
	policy    report.Policy
	output    *output.Printer
}

func newInspectDatasetCommand(env command.Environment) *cobra.Command {
	flags := &inspectDatasetFlags{}
	cmd := &cobra.Command{
		Use:     "dataset NAME | -f FILE | -k DIRECTORY",
		Aliases: []string{"datasets"},
		Short:   "Show what pods that use a Dataset get, and who uses it",
		Long: `Show the chain from a Dataset's claim to the FUSE pod template, the sidecar that
pods get, everything that is in the way, and which pods and references use the
Dataset. It may be a reference or a physical Dataset. It only reads.`,
		Example: `  # What do pods that use the reference refdemo get?
  kubectl fluid inspect dataset refdemo -n ref

  # Who uses the physical Dataset phy?
  kubectl fluid inspect dataset phy -n default -o jsonpath='{.datasets[0].usedBy}'`,
		Args: command.MaxArgs(1, "at most one Dataset"),
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
func (f *inspectDatasetFlags) options(cmd *cobra.Command, env command.Environment, args []string) (*inspectDatasetOptions, error) {
	namespace, err := cluster.NamespaceOf(cmd, env.Connection)
	if err != nil {
		return nil, err
	}
	o := &inspectDatasetOptions{key: types.NamespacedName{Namespace: namespace}, naming: f.naming, manifests: f.manifests}
	switch {
	case len(args) == 0 && !f.manifests.Given():
		return nil, command.Usagef(cmd, "missing argument: the name of a Dataset, -f FILE or -k DIRECTORY")
	case len(args) > 0:
		o.key.Name = args[0]
		if err = reference.ValidateName(o.key.Name); err != nil {
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

func (o *inspectDatasetOptions) run(ctx context.Context, env command.Environment) error {
	c, err := cluster.Open(ctx, env, o.manifests, o.key.Namespace)
	if err != nil {
		return err
	}
	datasets, err := o.datasets(ctx, c)
	if err != nil {
		return err
	}
	s, err := c.Settings(ctx, env, o.naming)
	if err != nil {
		return err
	}
	document := &DatasetReport{TypeMeta: report.NewTypeMeta("DatasetReport"), Datasets: []datasetResult{}}
	for _, dataset := range datasets {
		found, err := inspectDataset(ctx, c, dataset, s, o.output.Language)
		if err != nil {
			return err
		}
		found.Results = o.selection.Apply(found.Results, dataset.Annotations, found.object().String())
		for i := range found.Results {
			found.Results[i].File = found.File
		}
		document.Datasets = append(document.Datasets, *found)
	}
	document.Summary = report.Summarize(document.groups()...)
	if len(document.Datasets) == 0 && o.output.Human() {
		env.Sayf("No Datasets found in the manifests.\n")
		return nil
	}
	if err := o.output.Print(document.view(o.policy)); err != nil {
		return err
	}
	return output.ExitWith(o.policy, document.Summary)
}

func (o *inspectDatasetOptions) datasets(ctx context.Context, c *cluster.View) ([]*datav1alpha1.Dataset, error) {
	if o.key.Name == "" {
		return cluster.ManifestDatasets(ctx, c)
	}
	object, err := cluster.GetDataset(ctx, c, o.key)
	if err != nil {
		return nil, err
	}
	if object == nil {
		return nil, fmt.Errorf("reading Dataset %s: it doesn't exist; kubectl get datasets -n %s shows those that do", o.key, o.key.Namespace)
	}
	dataset, err := cluster.TypedDataset(object)
	return []*datav1alpha1.Dataset{dataset}, err
}

// inspectDataset finds out what pods that use a Dataset get.
func inspectDataset(ctx context.Context, c *cluster.View, dataset *datav1alpha1.Dataset, s cluster.Settings, language finding.Language) (*datasetResult, error) {
	r := &datasetResult{Namespace: dataset.Namespace, Name: dataset.Name, Phase: string(dataset.Status.Phase),
		Exists: dataset.UID != "", Reference: reference.IsReference(dataset), UsedBy: datasetUsers{References: []string{}, Pods: []string{}}}
	r.File = c.File(r.object())
	var err error
	if r.Reference {
		err = r.inspectReference(ctx, c, dataset, s, language)
	} else {
		err = r.inspectPhysical(ctx, c, dataset, language)
	}
	if err != nil {
		return nil, err
	}
	return r, r.findPods(ctx, c, language)
}

func (r *datasetResult) inspectReference(ctx context.Context, c *cluster.View, dataset *datav1alpha1.Dataset, s cluster.Settings, language finding.Language) error {
	p, err := preflight.Run(ctx, c, dataset, s, reference.ForReport)
	if err != nil {
		return err
	}
	r.From = cluster.SourceText(dataset)
	r.Chain = newChain(p.World, p.Plan.Source, p.Findings)
	r.Chain.addCopies(p)
	r.Chain.Would = newWouldBe(p.Plan.Sidecar, p.Plan.Mirrors, 0)
	r.Results = p.Results(language)
	return nil
}

func (r *datasetResult) inspectPhysical(ctx context.Context, c *cluster.View, dataset *datav1alpha1.Dataset, language finding.Language) error {
	world, plan, err := observe.Plan(ctx, c, dataset, reference.Policy{Depth: reference.ForAdmission})
	if err != nil {
		return cluster.ExplainAPI(fmt.Sprintf("reading what belongs to Dataset %s/%s", dataset.Namespace, dataset.Name), err)
	}
	r.Chain = newChain(world, plan.Source, plan.Findings)
	r.Chain.Would = newWouldBe(plan.Sidecar, plan.Mirrors, 0)
	for _, l := range r.Chain.Links {
		if l.Fine {
			r.Results = append(r.Results, report.NewPass(l.Object, l.State))
		}
	}
	r.Results = append(r.Results, output.ResultsOf(plan.Findings, language)...)
	r.UsedBy.References = append(r.UsedBy.References, dataset.Status.DatasetRef...)
	slices.Sort(r.UsedBy.References)
	return nil
}

// addCopies adds the copies that the sidecar reads.
func (c *chain) addCopies(p *preflight.Preflight) {
	b := &chainBuilder{findings: p.Findings, world: p.World}
	for _, mirror := range p.Plan.Mirrors {
		b.add("copy of "+mirror.Original.Namespace+"/"+mirror.Original.Name, mirror.Target, p.World.Metadata(mirror.Target) != nil, "OK")
	}
	c.Links = append(c.Links, b.links...)
}

// findPods finds the pods of the namespace that use the Dataset, by its claim or by a sidecar for it.
func (r *datasetResult) findPods(ctx context.Context, c *cluster.View, language finding.Language) error {
	if c.Offline() {
		return nil
	}
	pods, unread, err := workload.ListPods(ctx, c.Live, r.Namespace)
	if unread != "" {
		f := finding.New(finding.CodeUnread, finding.Object{Kind: "Namespace", Name: r.Namespace}, "its pods couldn't be listed: %s", unread)
		r.Results = append(r.Results, report.NewResult(f, language))
	}
	for i := range pods {
		if usesDataset(&pods[i], r.Name) {
			r.UsedBy.Pods = append(r.UsedBy.Pods, pods[i].Name)
		}
	}
	return err
}

// usesDataset reports whether a pod uses a Dataset of its namespace.
func usesDataset(pod *corev1.Pod, name string) bool {
	return !reference.HasEnded(pod) && (slices.Contains(workload.ClaimsOf(pod), name) || slices.ContainsFunc(workload.Sidecars(pod), func(s workload.Sidecar) bool {
		return s.Key == types.NamespacedName{Namespace: pod.Namespace, Name: name}
	}))
}
