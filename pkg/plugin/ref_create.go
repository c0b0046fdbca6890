package plugin

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// fieldManager is the field manager of what the plugin applies.
const fieldManager = "kubectl-fluid"

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
	naming      string
	dryRun      string
	wait        bool
	timeout     time.Duration
	output      string
}

// refCreateOptions say what shall be created and how.
type refCreateOptions struct {
	key    types.NamespacedName
	source reference.Source
	// accessModes is empty if the user gave none.
	accessModes []corev1.PersistentVolumeAccessMode
	naming      string
	dryRun      string
	wait        bool
	timeout     time.Duration
	output      *output
}

func refCreateFormats() []string {
	return []string{formatJSON, formatYAML, formatName, formatJSONPath, formatGoTemplate}
}

func newRefCreateCommand(env Environment) *cobra.Command {
	flags := &refCreateFlags{}
	cmd := &cobra.Command{
		Use:   "create NAME --from NAMESPACE/DATASET[/SUB/PATH]",
		Short: "Create a reference to a Dataset of another namespace",
		Long: `Create a Dataset that refers to a Dataset of another namespace.

Everything that could go wrong is checked before anything is written. With a
finding of severity Error nothing is created (exit code 3); one of severity
Waiting, such as a physical Dataset that isn't Bound yet, is a warning.

The Dataset is applied by the server with the field manager kubectl-fluid. An
existing Dataset that isn't the same reference is never overwritten.`,
		Example: `  # Use the Dataset phy of namespace default in namespace ref, and wait until it can be used
  kubectl fluid ref create refdemo --from default/phy -n ref --wait

  # Only a directory of it
  kubectl fluid ref create spark --from default/phy/spark -n ref

  # Check it and print the manifest for a Git repository; nothing is written to the cluster
  kubectl fluid ref create refdemo --from default/phy -n ref --dry-run=client -o yaml`,
		Args: exactArg("the name of the reference"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := flags.options(cmd, env, args[0])
			if err != nil {
				return err
			}
			return o.run(cmd.Context(), env)
		},
	}
	f := cmd.Flags()
	f.StringVar(&flags.from, "from", "", "The physical Dataset as namespace/name, or with a sub-path namespace/name/sub/path. Required.")
	f.StringSliceVar(&flags.accessModes, "access-mode", nil, "Access mode: ReadOnlyMany (default), ReadWriteMany, ReadWriteOnce or ReadWriteOncePod.")
	f.StringVar(&flags.dryRun, "dry-run", dryRunNone, "none, client (only check and print) or server (let the API server check it too, without storing it).")
	f.Lookup("dry-run").NoOptDefVal = "unchanged" // As in kubectl: --dry-run needs a value, and says so.
	f.BoolVar(&flags.wait, "wait", false, "Wait until the reference is Bound.")
	f.DurationVar(&flags.timeout, "timeout", 2*time.Minute, "How long to wait with --wait.")
	addNamingFlag(cmd, &flags.naming)
	addOutputFlag(cmd, &flags.output, refCreateFormats()...)
	_ = cmd.RegisterFlagCompletionFunc("dry-run", cobra.FixedCompletions([]cobra.Completion{dryRunNone, dryRunClient, dryRunServer}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("access-mode", cobra.FixedCompletions(accessModes(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func accessModes() []cobra.Completion {
	return []cobra.Completion{string(corev1.ReadOnlyMany), string(corev1.ReadWriteMany), string(corev1.ReadWriteOnce), string(corev1.ReadWriteOncePod)}
}

// options validates the command line. It doesn't talk to the cluster.
func (f *refCreateFlags) options(cmd *cobra.Command, env Environment, name string) (*refCreateOptions, error) {
	o := &refCreateOptions{naming: f.naming, dryRun: f.dryRun, wait: f.wait, timeout: f.timeout}
	if err := reference.ValidateName(name); err != nil {
		return nil, usagef(cmd, "%w", err)
	}
	namespace, err := namespaceOf(env.connection)
	if err != nil {
		return nil, usagef(cmd, "%w", err)
	}
	o.key = types.NamespacedName{Namespace: namespace, Name: name}
	if o.source, err = parseFrom(cmd, f.from); err != nil {
		return nil, err
	}
	if o.source.Key() == o.key {
		return nil, usagef(cmd, "%s can't refer to itself: choose another name or namespace", o.key)
	}
	for _, mode := range f.accessModes {
		if !slices.Contains(accessModes(), mode) {
			return nil, usagef(cmd, "unknown --access-mode %q: allowed are %s", mode, strings.Join(accessModes(), ", "))
		}
		o.accessModes = append(o.accessModes, corev1.PersistentVolumeAccessMode(mode))
	}
	switch f.dryRun {
	case dryRunNone, dryRunClient, dryRunServer:
	default:
		return nil, usagef(cmd, "--dry-run must be none, client or server")
	}
	if f.wait && f.dryRun != dryRunNone {
		return nil, usagef(cmd, "--wait has nothing to wait for with --dry-run=%s", f.dryRun)
	}
	if f.timeout <= 0 {
		return nil, usagef(cmd, "--timeout must be longer than nothing, not %s", f.timeout)
	}
	if err := validateNaming(cmd, f.naming); err != nil {
		return nil, err
	}
	o.output, err = newOutput(cmd, env, f.output, refCreateFormats()...)
	return o, err
}

// parseFrom reads --from; the mount point's scheme may precede it.
func parseFrom(cmd *cobra.Command, from string) (reference.Source, error) {
	if from == "" {
		return reference.Source{}, usagef(cmd, "missing flag: --from namespace/name[/sub/path] says which Dataset to refer to")
	}
	source, err := reference.ParseSource(strings.TrimPrefix(from, reference.Scheme))
	if err != nil {
		return source, usagef(cmd, "--from: %w", err)
	}
	return source, nil
}

func (o *refCreateOptions) run(ctx context.Context, env Environment) error {
	c, err := env.connection.Client()
	if err != nil {
		return err
	}
	existing, err := getDataset(ctx, c, o.key)
	if err != nil {
		return err
	}
	dataset, err := o.dataset(existing)
	if err != nil {
		return err
	}
	p, err := o.check(ctx, env, c, dataset)
	if err != nil {
		return err
	}
	applied, err := o.apply(ctx, env, c, dataset, existing)
	if err != nil {
		return err
	}
	for _, finding := range append(p.findings.Of(reference.Inconclusive), p.findings.Of(reference.Waiting)...) {
		fmt.Fprintf(env.ErrOut, "Warning: %s\n", line(finding.String()))
	}
	if o.wait {
		err = o.waitBound(ctx, env, c)
	}
	if !o.output.human() {
		if printErr := o.printApplied(ctx, c, applied); printErr != nil {
			return printErr
		}
	}
	return err
}

// printApplied prints the Dataset, after a wait as it is then.
func (o *refCreateOptions) printApplied(ctx context.Context, reader client.Reader, applied *unstructured.Unstructured) error {
	if o.wait && ctx.Err() == nil {
		latest, err := getDataset(ctx, reader, o.key)
		if err != nil {
			return err
		}
		if latest != nil {
			applied = latest
		}
	}
	return o.output.print(objectView(applied))
}

// dataset returns the reference as it would be; an error if an existing Dataset of the name isn't this reference.
func (o *refCreateOptions) dataset(existing *unstructured.Unstructured) (*datav1alpha1.Dataset, error) {
	dataset := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: o.key.Namespace, Name: o.key.Name}}
	modes := o.accessModes
	if existing != nil {
		var err error
		if dataset, err = typedDataset(existing); err != nil {
			return nil, err
		}
		if err := o.checkExisting(dataset); err != nil {
			return nil, err
		}
		if len(modes) == 0 {
			modes = dataset.Spec.AccessModes
		}
	}
	if len(modes) == 0 {
		modes = []corev1.PersistentVolumeAccessMode{corev1.ReadOnlyMany}
	}
	if existing == nil {
		dataset.Spec.Mounts = []datav1alpha1.Mount{{MountPoint: o.source.MountPoint()}}
	}
	dataset.Spec.AccessModes = modes
	return dataset, nil
}

// checkExisting refuses to change a Dataset that isn't the same reference.
func (o *refCreateOptions) checkExisting(dataset *datav1alpha1.Dataset) error {
	if finding, taken := nameTaken(dataset, o.source); taken {
		return &exitError{ExitFindings, fmt.Errorf("the reference %s was not created, nothing was written: %s", o.key, finding)}
	}
	if dataset.DeletionTimestamp != nil {
		return fmt.Errorf("creating the reference %s: a Dataset of this name is still being deleted (finalizers: %s); wait until it has gone and try again",
			o.key, strings.Join(dataset.Finalizers, ", "))
	}
	return nil
}

// nameTaken returns a finding if an existing Dataset isn't a reference to a source.
func nameTaken(existing *datav1alpha1.Dataset, wanted reference.Source) (reference.Finding, bool) {
	object := reference.Object{Kind: datav1alpha1.DatasetKind, Namespace: existing.Namespace, Name: existing.Name}
	if !reference.IsReference(existing) {
		return reference.NewFinding(reference.CodeDatasetNameTaken, object, "it exists already and is not a reference"), true
	}
	if source, err := reference.SourceOf(existing); err != nil || source != wanted {
		return reference.NewFinding(reference.CodeDatasetNameTaken, object, "it exists already and refers to %s, not to %s", sourceText(existing), wanted), true
	}
	return reference.Finding{}, false
}

// check prints the preflight and returns an error if something speaks against the reference.
func (o *refCreateOptions) check(ctx context.Context, env Environment, c client.Client, dataset *datav1alpha1.Dataset) (*preflight, error) {
	s, note, err := resolveSettings(ctx, c, o.naming)
	if err != nil {
		return nil, err
	}
	if note != "" {
		fmt.Fprintf(env.ErrOut, "Note: %s\n", note)
	}
	p, err := runPreflight(ctx, c, dataset, s, false)
	if err != nil {
		return nil, err
	}
	p.askConsent(ctx, c)
	if err := o.printPreflight(o.output.notes(), p); err != nil {
		return nil, err
	}
	return p, p.refusal(fmt.Sprintf("the reference %s was not created, nothing was written", o.key))
}

func (o *refCreateOptions) printPreflight(out screen, p *preflight) error {
	fmt.Fprintf(out, "Checks of the reference %s to %s:\n\n", o.key, o.source)
	if err := printResults(out, p.results(out.language), true); err != nil {
		return err
	}
	if len(p.findings.Of(reference.Error)) > 0 {
		return nil
	}
	fmt.Fprintf(out, "\nThe controller makes for it:\n\n")
	if err := p.printObjects(out); err != nil {
		return err
	}
	fmt.Fprintln(out)
	return nil
}

// apply applies the Dataset, or doesn't with --dry-run=client, and says what happened. It returns the Dataset.
func (o *refCreateOptions) apply(ctx context.Context, env Environment, c client.Client, dataset *datav1alpha1.Dataset, existing *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	object := newManifest(dataset)
	suffix := ""
	options := []client.ApplyOption{client.FieldOwner(fieldManager)}
	switch o.dryRun {
	case dryRunClient:
		suffix = " (dry run)"
	case dryRunServer:
		options, suffix = append(options, client.DryRunAll), " (server dry run)"
	}
	if o.dryRun != dryRunClient {
		if err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), options...); err != nil {
			return nil, o.explainApply(err)
		}
	}
	verb := "created"
	switch {
	case existing == nil:
	case o.unchanged(object, existing):
		verb = "unchanged"
	default:
		verb = "configured"
	}
	if o.output.human() {
		fmt.Fprintf(env.Out, "%s %s%s\n", resourceName(object), verb, suffix)
	}
	return object, nil
}

// unchanged reports whether applying an existing Dataset changed nothing, or wouldn't.
func (o *refCreateOptions) unchanged(applied, existing *unstructured.Unstructured) bool {
	if o.dryRun == dryRunNone {
		return applied.GetResourceVersion() == existing.GetResourceVersion()
	}
	wanted, _, _ := unstructured.NestedFieldNoCopy(applied.Object, "spec", "accessModes")
	present, _, _ := unstructured.NestedFieldNoCopy(existing.Object, "spec", "accessModes")
	return fmt.Sprint(wanted) == fmt.Sprint(present)
}

// newManifest returns the Dataset with what a reference consists of and nothing else, as somebody would write it.
func newManifest(dataset *datav1alpha1.Dataset) *unstructured.Unstructured {
	object := newDatasetObject()
	object.SetNamespace(dataset.Namespace)
	object.SetName(dataset.Name)
	modes := make([]any, 0, len(dataset.Spec.AccessModes))
	for _, mode := range dataset.Spec.AccessModes {
		modes = append(modes, string(mode))
	}
	object.Object["spec"] = map[string]any{
		"mounts":      []any{map[string]any{"mountPoint": dataset.Spec.Mounts[0].MountPoint}},
		"accessModes": modes,
	}
	return object
}

func (o *refCreateOptions) explainApply(err error) error {
	doing := fmt.Sprintf("creating the Dataset %s", o.key)
	switch {
	case apierrors.IsNotFound(err) && !kindUnknown(err):
		return fmt.Errorf("%s: %w; create the namespace first: kubectl create namespace %s", doing, err, o.key.Namespace)
	case apierrors.IsConflict(err):
		return fmt.Errorf("%s: another field manager owns what would be changed: %w; change the Dataset with the tool that manages it", doing, err)
	}
	return explainAPI(doing, err)
}
