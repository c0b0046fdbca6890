package plugin

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// refCheckFlags are the flags as they were given.
type refCheckFlags struct {
	from   string
	name   string
	naming string
	policy policyFlags
	output string
}

// refCheckOptions say which references to check.
type refCheckOptions struct {
	namespace string
	// name is the reference to check; empty for all of the namespace.
	name string
	// source is what a reference that needn't exist refers to; nil for existing ones.
	source *reference.Source
	naming string
	policy report.Policy
	output *output
}

func newRefCheckCommand(env Environment) *cobra.Command {
	flags := &refCheckFlags{}
	cmd := &cobra.Command{
		Use:   "check [NAME | --from NAMESPACE/DATASET[/SUB/PATH]]",
		Short: "Check references for name collisions and everything else in their way",
		Long: `Check one reference, all of a namespace, or one that doesn't exist yet (--from).

A sidecar needs copies of ConfigMaps and Secrets in the reference's namespace.
The report shows the name of each, and who has it. Where copies have names of
their own (--mirror-names=unique) nothing can collide; Fluid's own controllers
use the sources' names (--mirror-names=source) and silently take whatever has
the name already. Only metadata is read, never a value of a Secret.`,
		Example: `  # Would a reference to default/phy meet something of the same name in namespace ref?
  kubectl fluid ref check --from default/phy -n ref

  # The same on a cluster with only Fluid's own controllers
  kubectl fluid ref check --from default/phy -n ref --mirror-names=source

  # All references of namespace ref, for a script
  kubectl fluid ref check -n ref -o json`,
		Args: maxArgs(1, "at most one reference"),
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
	addNamingFlag(cmd, &flags.naming)
	flags.policy.add(cmd)
	addOutputFlag(cmd, &flags.output, checkFormats()...)
	return cmd
}

// options validates the command line. It doesn't talk to the cluster.
func (f *refCheckFlags) options(cmd *cobra.Command, env Environment, args []string) (*refCheckOptions, error) {
	o := &refCheckOptions{naming: f.naming, name: f.name}
	var err error
	if o.namespace, err = namespaceOf(env.connection); err != nil {
		return nil, usagef(cmd, "%w", err)
	}
	switch {
	case f.from == "" && f.name != "":
		return nil, usagef(cmd, "--name needs --from; an existing reference is an argument: %s %s", cmd.CommandPath(), f.name)
	case f.from != "" && len(args) > 0:
		return nil, usagef(cmd, "%q and --from exclude each other: give an existing reference, or --from with --name", args[0])
	case f.from != "":
		source, err := parseFrom(cmd, f.from)
		if err != nil {
			return nil, err
		}
		o.source = &source
		if o.name == "" {
			o.name = source.Name
		}
		if source.Key() == o.key() {
			return nil, usagef(cmd, "%s can't refer to itself: choose another --name or namespace", o.key())
		}
	case len(args) > 0:
		o.name = args[0]
	}
	if o.name != "" {
		if err := reference.ValidateName(o.name); err != nil {
			return nil, usagef(cmd, "%w", err)
		}
	}
	if err := validateNaming(cmd, f.naming); err != nil {
		return nil, err
	}
	if o.policy, err = f.policy.policy(cmd); err != nil {
		return nil, err
	}
	o.output, err = newOutput(cmd, env, f.output, checkFormats()...)
	return o, err
}

func (o *refCheckOptions) key() types.NamespacedName {
	return types.NamespacedName{Namespace: o.namespace, Name: o.name}
}

func (o *refCheckOptions) run(ctx context.Context, env Environment) error {
	c, err := env.connection.Client()
	if err != nil {
		return err
	}
	datasets, extra, err := o.datasets(ctx, c)
	if err != nil {
		return err
	}
	s, note, err := resolveSettings(ctx, c, o.naming)
	if err != nil {
		return err
	}
	if note != "" {
		fmt.Fprintf(env.ErrOut, "Note: %s\n", note)
	}
	document := newReferenceReport()
	for _, dataset := range datasets {
		p, err := runPreflight(ctx, c, dataset, s, true)
		if err != nil {
			return err
		}
		p.askConsent(ctx, c)
		document.add(p, s.names, extra)
	}
	if len(document.References) == 0 && o.output.human() {
		fmt.Fprintf(env.ErrOut, "No references found in namespace %s.\n", o.namespace)
		return nil
	}
	if err := o.output.print(document.view(o.policy)); err != nil {
		return err
	}
	return exitWith(o.policy, document.Summary)
}

// datasets returns the references to check, and findings about a Dataset that has the name of the only one.
func (o *refCheckOptions) datasets(ctx context.Context, reader client.Reader) ([]*datav1alpha1.Dataset, reference.Findings, error) {
	if o.name == "" {
		_, datasets, err := listReferences(ctx, reader, o.namespace)
		return datasets, nil, err
	}
	object, err := getDataset(ctx, reader, o.key())
	if err != nil {
		return nil, nil, err
	}
	var existing *datav1alpha1.Dataset
	if object != nil {
		if existing, err = typedDataset(object); err != nil {
			return nil, nil, err
		}
	}
	if o.source == nil {
		switch {
		case existing == nil:
			return nil, nil, fmt.Errorf("checking the reference %s: it doesn't exist; kubectl fluid ref list -n %s shows those that do", o.key(), o.namespace)
		case !reference.IsReference(existing):
			return nil, nil, fmt.Errorf("checking the reference %s: this Dataset is not a reference: it has no mount %snamespace/name", o.key(), reference.Scheme)
		}
		return []*datav1alpha1.Dataset{existing}, nil, nil
	}
	wanted := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: o.namespace, Name: o.name}}
	wanted.Spec.Mounts = []datav1alpha1.Mount{{MountPoint: o.source.MountPoint()}}
	if existing == nil {
		return []*datav1alpha1.Dataset{wanted}, nil, nil
	}
	if finding, taken := nameTaken(existing, *o.source); taken {
		return []*datav1alpha1.Dataset{wanted}, reference.Findings{finding}, nil
	}
	return []*datav1alpha1.Dataset{existing}, nil, nil
}
