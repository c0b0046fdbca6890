package ref

import (
	"context"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/output"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/preflight"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// refCheckFlags are the flags as they were given.
type refCheckFlags struct {
	from          string
	name          string
	allNamespaces bool
	naming        string
	manifests     cluster.ManifestFlags
	selection     output.SelectionFlags
	policy        output.PolicyFlags
	output        string
}

// refCheckOptions say which references to check.
type refCheckOptions struct {
	// namespace is that of the reference to check, or of all; empty for all namespaces.
	namespace string
	// name is the reference to check; empty for all of the namespace, or of the manifests.
	name string
	// source is what a reference that needn't exist refers to; nil for existing ones.
	source    *reference.Source
	namings   []string
	manifests cluster.ManifestFlags
	// home is the namespace of manifests that name none.
	home      string
	selection output.Selection
	policy    report.Policy
	output    *output.Printer
}

// namingBoth is the value of --mirror-names that shows what happens under each.
const namingBoth = "both"

func newRefCheckCommand(env command.Environment) *cobra.Command {
	flags := &refCheckFlags{}
	cmd := &cobra.Command{
		Use:   "check [NAME | --from NAMESPACE/DATASET[/SUB/PATH] | -f FILE | -k DIRECTORY | -A]",
		Short: "Check references for name collisions and everything else in their way",
		Long: `Check one reference, all of a namespace or of all namespaces (-A), one that
doesn't exist yet (--from), or those of manifests (-f, -k): as if they had been
applied to the cluster, or without any cluster (--offline).

A sidecar needs copies of ConfigMaps and Secrets in the reference's namespace.
The report shows the name of each, and who has it. Where copies have names of
their own (--mirror-names=unique) nothing can collide; Fluid's own controllers
use the sources' names (--mirror-names=source) and silently take whatever has
the name already. --mirror-names=both shows both. Only metadata is read, never a
value of a Secret.

Each result is a pass, a warning (it works, or will without anybody's
help), an error, skipped, or inconclusive: it couldn't be looked at.
A Dataset's annotation ` + output.AnnotationIgnore + ` lists codes of
findings that are accepted.`,
		Example: `  # Would a reference to default/phy meet something of the same name in namespace ref?
  kubectl fluid ref check --from default/phy -n ref

  # The same on a cluster with only Fluid's own controllers
  kubectl fluid ref check --from default/phy -n ref --mirror-names=source

  # All references of all namespaces, for a script
  kubectl fluid ref check -A -o json

  # The references of a Git repository before they are applied, for a pipeline
  kubectl fluid ref check -f manifests/ -R --fail-on warning -o junit

  # The same without a cluster
  kubectl fluid ref check -f manifests/ -R --offline

  # Those of a kustomization
  kubectl fluid ref check -k overlays/production`,
		Args: command.MaxArgs(1, "at most one reference"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := flags.options(cmd, env, args)
			if err != nil {
				return err
			}
			return o.run(cmd.Context(), env)
		},
	}
	cmd.Flags().StringVar(&flags.from, "from", "", "Check a reference to this Dataset, namespace/name[/sub/path], before it is created.")
	cmd.Flags().StringVar(&flags.name, "name", "", "With --from: the reference's name. Default: the Dataset's name.")
	cmd.Flags().BoolVarP(&flags.allNamespaces, "all-namespaces", "A", false, "Check the references of all namespaces.")
	cluster.AddNamingFlag(cmd, &flags.naming, namingBoth)
	flags.manifests.Add(cmd)
	flags.selection.Add(cmd)
	flags.policy.Add(cmd)
	output.AddFlag(cmd, &flags.output, output.CheckFormats()...)
	return cmd
}

// options validates the command line. It doesn't talk to the cluster.
func (f *refCheckFlags) options(cmd *cobra.Command, env command.Environment, args []string) (*refCheckOptions, error) {
	o := &refCheckOptions{name: f.name, manifests: f.manifests}
	var err error
	if o.home, err = cluster.NamespaceOf(cmd, env.Connection); err != nil {
		return nil, err
	}
	o.namespace = o.home
	if err = f.choose(cmd, o, args); err != nil {
		return nil, err
	}
	if o.name != "" {
		if err = reference.ValidateName(o.name); err != nil {
			return nil, command.Usagef(cmd, "%w", err)
		}
	}
	if err = f.manifests.Validate(cmd); err != nil {
		return nil, err
	}
	if err = cluster.ValidateNaming(cmd, f.naming, namingBoth); err != nil {
		return nil, err
	}
	if o.namings = []string{f.naming}; f.naming == namingBoth {
		o.namings = []string{string(reference.UniqueNames), string(reference.SourceNames)}
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

// choose finds out which references to check.
func (f *refCheckFlags) choose(cmd *cobra.Command, o *refCheckOptions, args []string) error {
	switch {
	case f.from == "" && f.name != "":
		return command.Usagef(cmd, "--name needs --from; an existing reference is an argument: %s %s", cmd.CommandPath(), f.name)
	case f.from != "" && len(args) > 0:
		return command.Usagef(cmd, "%q and --from exclude each other: give an existing reference, or --from with --name", args[0])
	case f.allNamespaces && (f.from != "" || len(args) > 0):
		return command.Usagef(cmd, "--all-namespaces checks all references; it can't be given with one")
	case f.allNamespaces:
		o.namespace = ""
	case f.from != "":
		source, err := parseFrom(cmd, f.from)
		if err != nil {
			return err
		}
		o.source = &source
		if o.name == "" {
			o.name = source.Name
		}
		if source.Key() == o.key() {
			return command.Usagef(cmd, "%s can't refer to itself: choose another --name or namespace", o.key())
		}
	case len(args) > 0:
		o.name = args[0]
	}
	return nil
}

func (o *refCheckOptions) key() types.NamespacedName {
	return types.NamespacedName{Namespace: o.namespace, Name: o.name}
}

func (o *refCheckOptions) run(ctx context.Context, env command.Environment) error {
	c, err := cluster.Open(ctx, env, o.manifests, o.home)
	if err != nil {
		return err
	}
	datasets, extra, err := o.datasets(ctx, c)
	if err != nil {
		return err
	}
	document := newReferenceReport()
	for _, naming := range o.namings {
		s, err := c.Settings(ctx, env, naming)
		if err != nil {
			return err
		}
		for _, dataset := range datasets {
			p, err := preflight.Run(ctx, c, dataset, s, reference.ForReview)
			if err != nil {
				return err
			}
			p.AskConsent(ctx, c.Writer)
			if err := p.LookAtNeighbours(ctx, c); err != nil {
				return err
			}
			document.add(p, s.MirrorNames, extra, o.selection, c, o.output.Language)
		}
	}
	if len(document.References) == 0 && o.output.Human() {
		env.Sayf("%s\n", o.nothing())
		return nil
	}
	if err := o.output.Print(document.view(o.policy)); err != nil {
		return err
	}
	return output.ExitWith(o.policy, document.Summary)
}

// nothing says that there is nothing to check.
func (o *refCheckOptions) nothing() string {
	switch {
	case o.namespace == "":
		return "No references found in any namespace."
	case o.manifests.Given():
		return "No references found in the manifests."
	}
	return "No references found in namespace " + o.namespace + "."
}

// datasets returns the references to check, and findings about a Dataset that has the name of the only one.
func (o *refCheckOptions) datasets(ctx context.Context, c *cluster.View) ([]*datav1alpha1.Dataset, finding.List, error) {
	switch {
	case o.name == "" && len(c.Manifests) > 0 && o.namespace != "":
		datasets, err := cluster.ManifestReferences(ctx, c)
		return datasets, nil, err
	case o.name == "":
		_, datasets, err := cluster.ListReferences(ctx, c, o.namespace)
		return datasets, nil, err
	case o.source == nil:
		existing, err := cluster.GetReference(ctx, c, o.key(), "checking")
		return []*datav1alpha1.Dataset{existing}, nil, err
	}
	object, err := cluster.GetDataset(ctx, c, o.key())
	if err != nil {
		return nil, nil, err
	}
	var existing *datav1alpha1.Dataset
	if object != nil {
		if existing, err = cluster.TypedDataset(object); err != nil {
			return nil, nil, err
		}
	}
	wanted := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: o.namespace, Name: o.name}}
	wanted.Spec.Mounts = []datav1alpha1.Mount{{MountPoint: o.source.MountPoint()}}
	if existing == nil {
		return []*datav1alpha1.Dataset{wanted}, nil, nil
	}
	if f, taken := nameTaken(existing, *o.source); taken {
		return []*datav1alpha1.Dataset{wanted}, finding.List{f}, nil
	}
	return []*datav1alpha1.Dataset{existing}, nil, nil
}
