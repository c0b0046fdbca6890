package ref

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apimachineryvalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/output"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/preflight"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// Values of --dry-run, as kubectl has them.
const (
	dryRunNone   = "none"
	dryRunClient = "client"
	dryRunServer = "server"
)

// refCreateFlags are the flags as they were given.
type refCreateFlags struct {
	from        string
	accessModes []string
	namespaces  []string
	labels      map[string]string
	annotations map[string]string
	naming      string
	force       bool
	dryRun      string
	wait        bool
	timeout     time.Duration
	output      string
}

// refCreateOptions say what shall be created and how.
type refCreateOptions struct {
	// keys are the references, at least one.
	keys   []types.NamespacedName
	source reference.Source
	// accessModes is empty if the user gave none.
	accessModes         []corev1.PersistentVolumeAccessMode
	labels, annotations map[string]string
	naming              string
	// force creates references in spite of findings that only keep sidecars away.
	force   bool
	dryRun  string
	wait    bool
	timeout time.Duration
	output  *output.Printer
}

func refCreateFormats() []string {
	return []string{output.FormatJSON, output.FormatYAML, output.FormatName, output.FormatJSONPath, output.FormatGoTemplate}
}

func newRefCreateCommand(env command.Environment) *cobra.Command {
	flags := &refCreateFlags{}
	cmd := &cobra.Command{
		Use:   "create NAME... --from NAMESPACE/DATASET[/SUB/PATH]",
		Short: "Create references to a Dataset of another namespace",
		Long: `Create Datasets that refer to a Dataset of another namespace: one for each name,
in the namespace or in each of --namespaces.

Everything that could go wrong is checked before anything is written. With a
result error nothing is created (exit code 3); a warning, such as a physical
Dataset that isn't Bound yet, is shown. --force creates references in spite of
findings that only keep sidecars away (` + strings.Join(forceable(), ", ") + `), for pods
that use Fluid's CSI plugin; never in spite of those by which pods would read
something else. The webhook of kubectl fluid's controller doesn't know --force.

Datasets are applied by the server with the field manager kubectl-fluid. An
existing Dataset that isn't the same reference is never overwritten.`,
		Example: `  # Use the Dataset phy of namespace default in namespace ref, and wait until it can be used
  kubectl fluid ref create refdemo --from default/phy -n ref --wait

  # Only a directory of it
  kubectl fluid ref create spark --from default/phy/spark -n ref

  # The same reference for several teams
  kubectl fluid ref create refdemo --from default/phy --namespaces team-a,team-b --labels tier=gold

  # Check it and print the manifest for a Git repository; nothing is written to the cluster
  kubectl fluid ref create refdemo --from default/phy -n ref --dry-run=client -o yaml`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := flags.options(cmd, env, args)
			if err != nil {
				return err
			}
			return o.run(cmd.Context(), env)
		},
	}
	f := cmd.Flags()
	f.StringVar(&flags.from, "from", "", "The physical Dataset as namespace/name, or with a sub-path namespace/name/sub/path. Required.")
	f.StringSliceVar(&flags.accessModes, "access-mode", nil, "Access mode: ReadOnlyMany (default), ReadWriteMany, ReadWriteOnce or ReadWriteOncePod.")
	f.StringSliceVar(&flags.namespaces, "namespaces", nil, "Create the references in each of these namespaces instead of --namespace.")
	f.StringToStringVar(&flags.labels, "labels", nil, "Labels of the references, key=value.")
	f.StringToStringVar(&flags.annotations, "annotations", nil, "Annotations of the references, key=value.")
	f.BoolVar(&flags.force, "force", false, "Create references in spite of findings that only keep sidecars away.")
	f.StringVar(&flags.dryRun, "dry-run", dryRunNone, "none, client (only check and print) or server (let the API server check it too, without storing it).")
	f.Lookup("dry-run").NoOptDefVal = "unchanged" // As in kubectl: --dry-run needs a value, and says so.
	f.BoolVar(&flags.wait, "wait", false, "Wait until the references are Bound.")
	f.DurationVar(&flags.timeout, "timeout", 2*time.Minute, "How long to wait with --wait.")
	cluster.AddNamingFlag(cmd, &flags.naming)
	output.AddFlag(cmd, &flags.output, refCreateFormats()...)
	_ = cmd.RegisterFlagCompletionFunc("dry-run", cobra.FixedCompletions([]cobra.Completion{dryRunNone, dryRunClient, dryRunServer}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("access-mode", cobra.FixedCompletions(accessModes(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func accessModes() []cobra.Completion {
	return []cobra.Completion{string(corev1.ReadOnlyMany), string(corev1.ReadWriteMany), string(corev1.ReadWriteOnce), string(corev1.ReadWriteOncePod)}
}

// options validates the command line. It doesn't talk to the cluster.
func (f *refCreateFlags) options(cmd *cobra.Command, env command.Environment, names []string) (*refCreateOptions, error) {
	o := &refCreateOptions{labels: f.labels, annotations: f.annotations, naming: f.naming, force: f.force,
		dryRun: f.dryRun, wait: f.wait, timeout: f.timeout}
	var err error
	if o.source, err = parseFrom(cmd, f.from); err != nil {
		return nil, err
	}
	if o.keys, err = f.keys(cmd, env, names, o.source); err != nil {
		return nil, err
	}
	for _, mode := range f.accessModes {
		if !slices.Contains(accessModes(), mode) {
			return nil, command.Usagef(cmd, "unknown --access-mode %q: allowed are %s", mode, strings.Join(accessModes(), ", "))
		}
		o.accessModes = append(o.accessModes, corev1.PersistentVolumeAccessMode(mode))
	}
	if err = f.validate(cmd); err != nil {
		return nil, err
	}
	o.output, err = output.NewPrinter(cmd, env, f.output, refCreateFormats()...)
	return o, err
}

// keys returns the references that names and namespaces make.
func (f *refCreateFlags) keys(cmd *cobra.Command, env command.Environment, names []string, source reference.Source) ([]types.NamespacedName, error) {
	if len(names) == 0 {
		return nil, command.Usagef(cmd, "missing argument: the name of the reference")
	}
	namespace, err := cluster.NamespaceOf(cmd, env.Connection)
	if err != nil {
		return nil, err
	}
	namespaces := []string{namespace}
	if len(f.namespaces) > 0 {
		namespaces = f.namespaces
	}
	var keys []types.NamespacedName
	for _, namespace := range namespaces {
		if problems := validation.IsDNS1123Label(namespace); len(problems) > 0 {
			return nil, command.Usagef(cmd, "--namespaces: %q is not a namespace: %s", namespace, problems[0])
		}
		for _, name := range names {
			if err := reference.ValidateName(name); err != nil {
				return nil, command.Usagef(cmd, "%w", err)
			}
			key := types.NamespacedName{Namespace: namespace, Name: name}
			switch {
			case source.Key() == key:
				return nil, command.Usagef(cmd, "%s can't refer to itself: choose another name or namespace", key)
			case slices.Contains(keys, key):
				return nil, command.Usagef(cmd, "%s is given twice", key)
			}
			keys = append(keys, key)
		}
	}
	return keys, nil
}

func (f *refCreateFlags) validate(cmd *cobra.Command) error {
	if problems := metav1validation.ValidateLabels(f.labels, field.NewPath("--labels")); len(problems) > 0 {
		return command.Usagef(cmd, "%v", problems[0])
	}
	if problems := apimachineryvalidation.ValidateAnnotations(f.annotations, field.NewPath("--annotations")); len(problems) > 0 {
		return command.Usagef(cmd, "%v", problems[0])
	}
	switch f.dryRun {
	case dryRunNone, dryRunClient, dryRunServer:
	default:
		return command.Usagef(cmd, "--dry-run must be none, client or server")
	}
	if f.wait && f.dryRun != dryRunNone {
		return command.Usagef(cmd, "--wait has nothing to wait for with --dry-run=%s", f.dryRun)
	}
	if f.timeout <= 0 {
		return command.Usagef(cmd, "--timeout must be longer than nothing, not %s", f.timeout)
	}
	return cluster.ValidateNaming(cmd, f.naming)
}

// parseFrom reads --from; the mount point's scheme may precede it.
func parseFrom(cmd *cobra.Command, from string) (reference.Source, error) {
	if from == "" {
		return reference.Source{}, command.Usagef(cmd, "missing flag: --from namespace/name[/sub/path] says which Dataset to refer to")
	}
	source, err := reference.ParseSource(strings.TrimPrefix(from, reference.Scheme))
	if err != nil {
		return source, command.Usagef(cmd, "--from: %w", err)
	}
	return source, nil
}

func (o *refCreateOptions) run(ctx context.Context, env command.Environment) error {
	c, err := env.Connection.Client()
	if err != nil {
		return err
	}
	creations, err := o.check(ctx, env, c)
	if err != nil {
		return err
	}
	for i, creation := range creations {
		if err = creation.apply(ctx, env, c); err != nil {
			return fmt.Errorf("%w%s", err, left(creations[:i]))
		}
	}
	if o.wait {
		err = o.waitBound(ctx, env, c)
	}
	if !o.output.Human() {
		if printErr := o.printApplied(ctx, c, creations); printErr != nil {
			return printErr
		}
	}
	return err
}

// left says what was created before something went wrong.
func left(created []*creation) string {
	if len(created) == 0 {
		return ""
	}
	var names []string
	for _, c := range created {
		names = append(names, c.key.String())
	}
	return "; already created: " + strings.Join(names, ", ")
}

// check reads what there is, prints the checks of all references, and returns an error if something speaks against one.
func (o *refCreateOptions) check(ctx context.Context, env command.Environment, c client.Client) ([]*creation, error) {
	reader, err := cluster.NewMemoryReader(c)
	if err != nil {
		return nil, err
	}
	creations := make([]*creation, len(o.keys))
	for i, key := range o.keys {
		if creations[i], err = o.newCreation(ctx, reader, key); err != nil {
			return nil, err
		}
	}
	s, err := cluster.ResolveSettings(ctx, env, reader, o.naming)
	if err != nil {
		return nil, err
	}
	var refusals []error
	for _, creation := range creations {
		if creation.preflight, err = preflight.Run(ctx, reader, creation.dataset, s, reference.ForReport); err != nil {
			return nil, err
		}
		// Who creates a reference means pods with sidecars, or says --force.
		creation.preflight.Findings = creation.preflight.Plan.PodFindings()
		creation.preflight.AskConsent(ctx, c)
		// With an output format stdout belongs to the object.
		if err := creation.print(o.output.Notes()); err != nil {
			return nil, err
		}
		refusals = append(refusals, creation.refusal())
	}
	return creations, errors.Join(refusals...)
}

// printApplied prints the Datasets, after a wait as they are then.
func (o *refCreateOptions) printApplied(ctx context.Context, reader client.Reader, creations []*creation) error {
	var objects []unstructured.Unstructured
	for _, creation := range creations {
		object := creation.applied
		if o.wait && ctx.Err() == nil {
			latest, err := cluster.GetDataset(ctx, reader, creation.key)
			if err != nil {
				return err
			}
			if latest != nil {
				object = latest
			}
		}
		objects = append(objects, *object)
	}
	if len(objects) == 1 {
		return o.output.Print(output.ObjectView(&objects[0]))
	}
	return o.output.Print(output.ListView(objects))
}
