package ref

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/workload"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// refDeleteFlags are the flags as they were given.
type refDeleteFlags struct {
	yes     bool
	dryRun  string
	wait    bool
	timeout time.Duration
}

// refDeleteOptions say which references to delete and how.
type refDeleteOptions struct {
	refDeleteFlags
	keys []types.NamespacedName
}

func newRefDeleteCommand(env command.Environment) *cobra.Command {
	flags := &refDeleteFlags{}
	cmd := &cobra.Command{
		Use:   "delete NAME...",
		Short: "Delete references, after showing who uses them",
		Long: `Delete references, after showing the pods that use them. It asks on a terminal;
elsewhere it needs --yes.

What the controller made for a reference goes with it: claim, volume and copies.
While a pod has a sidecar of it the reference stays, marked as being deleted, so
that the pod keeps its data. A Dataset that is no reference is never deleted.`,
		Example: `  # Delete the reference refdemo, without a question, and wait until it has gone
  kubectl fluid ref delete refdemo -n ref --yes --wait

  # Who uses it?
  kubectl fluid ref delete refdemo -n ref --dry-run=client`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return command.Usagef(cmd, "missing argument: the names of references")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := flags.options(cmd, env, args)
			if err != nil {
				return err
			}
			return o.run(cmd.Context(), env)
		},
	}
	cmd.Flags().BoolVarP(&flags.yes, "yes", "y", false, "Don't ask.")
	cmd.Flags().StringVar(&flags.dryRun, "dry-run", dryRunNone, "client says what would be deleted, server also asks the API server whether it would.")
	_ = cmd.RegisterFlagCompletionFunc("dry-run", cobra.FixedCompletions([]cobra.Completion{dryRunNone, dryRunClient, dryRunServer}, cobra.ShellCompDirectiveNoFileComp))
	cmd.Flags().BoolVar(&flags.wait, "wait", false, "Wait until the references have gone.")
	cmd.Flags().DurationVar(&flags.timeout, "timeout", time.Minute, "With --wait: how long.")
	return cmd
}

// options validates the command line. It doesn't talk to the cluster.
func (f *refDeleteFlags) options(cmd *cobra.Command, env command.Environment, names []string) (*refDeleteOptions, error) {
	o := &refDeleteOptions{refDeleteFlags: *f}
	namespace, err := cluster.NamespaceOf(cmd, env.Connection)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if err := reference.ValidateName(name); err != nil {
			return nil, command.Usagef(cmd, "%w", err)
		}
		o.keys = append(o.keys, types.NamespacedName{Namespace: namespace, Name: name})
	}
	switch {
	case f.dryRun != dryRunNone && f.dryRun != dryRunClient && f.dryRun != dryRunServer:
		return nil, command.Usagef(cmd, "unknown --dry-run %q: allowed are none, client and server", f.dryRun)
	case f.wait && f.dryRun != dryRunNone:
		return nil, command.Usagef(cmd, "--wait and --dry-run exclude each other: nothing goes")
	case f.wait && f.timeout <= 0:
		return nil, command.Usagef(cmd, "--timeout %s is no time to wait", f.timeout)
	case !f.yes && f.dryRun == dryRunNone && !env.Interactive:
		return nil, command.Usagef(cmd, "there is no terminal to ask on: say --yes")
	}
	return o, nil
}

func (o *refDeleteOptions) run(ctx context.Context, env command.Environment) error {
	c, err := env.Connection.Client()
	if err != nil {
		return err
	}
	// All of them are looked at before one of them is deleted.
	var objects []*datav1alpha1.Dataset
	for _, key := range o.keys {
		object, err := o.read(ctx, c, key)
		if err != nil {
			return err
		}
		objects = append(objects, object)
	}
	if err := o.showUsers(ctx, env, c); err != nil {
		return err
	}
	if !o.yes && o.dryRun == dryRunNone {
		yes, err := confirm(ctx, env, fmt.Sprintf("Delete %s?", o.names()))
		if err != nil {
			return err
		}
		if !yes {
			return &command.ExitError{Code: command.ExitFailed, Err: errors.New("nothing was deleted")}
		}
	}
	for _, object := range objects {
		if err := o.delete(ctx, env, c, object); err != nil {
			return err
		}
	}
	if !o.wait {
		return nil
	}
	return o.waitGone(ctx, env, c)
}

func (o *refDeleteOptions) names() string {
	if len(o.keys) == 1 {
		return "the reference " + o.keys[0].String()
	}
	return fmt.Sprintf("%d references of namespace %s", len(o.keys), o.keys[0].Namespace)
}

// read returns a reference; what isn't one is an error.
func (o *refDeleteOptions) read(ctx context.Context, reader client.Reader, key types.NamespacedName) (*datav1alpha1.Dataset, error) {
	dataset, err := cluster.GetReference(ctx, reader, key, "deleting")
	if errors.Is(err, cluster.ErrNotReference) {
		err = fmt.Errorf("%w, and it may hold data of its own; nothing was deleted", err)
	}
	return dataset, err
}

// showUsers says which pods use the references.
func (o *refDeleteOptions) showUsers(ctx context.Context, env command.Environment, reader client.Reader) error {
	pods, unread, err := workload.ListPods(ctx, reader, o.keys[0].Namespace)
	if err != nil {
		return err
	}
	for _, key := range o.keys {
		users := workload.UsersOf(pods, key)
		switch {
		case unread != "":
			env.Sayf("Whether pods use the reference %s isn't known: %s\n", key, terminal.Line(unread))
		case len(users) == 1:
			env.Sayf("The reference %s is used by a pod: %s\n", key, workload.SomeNames(users))
		case len(users) > 1:
			env.Sayf("The reference %s is used by %d pods: %s\n", key, len(users), workload.SomeNames(users))
		default:
			env.Sayf("No pod uses the reference %s\n", key)
		}
	}
	return nil
}

// confirm asks a question on the terminal; only y and yes mean yes. Ending ctx ends the question.
func confirm(ctx context.Context, env command.Environment, question string) (bool, error) {
	env.Sayf("%s [y/N] ", question)
	answer, err := command.Await(ctx, func() (string, error) { return bufio.NewReader(env.In).ReadString('\n') })
	if ctx.Err() != nil {
		env.Sayf("\n")
		return false, ctx.Err()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return false, nil
	}
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes", nil
}

// delete deletes a reference as it was read: not one that was created or made something else since.
func (o *refDeleteOptions) delete(ctx context.Context, env command.Environment, writer client.Writer, object *datav1alpha1.Dataset) error {
	suffix := " deleted"
	options := []client.DeleteOption{client.Preconditions{UID: new(object.GetUID()), ResourceVersion: new(object.GetResourceVersion())}}
	switch o.dryRun {
	case dryRunClient:
		env.Printf("%s deleted (dry run)\n", cluster.DatasetName(object.Name))
		return nil
	case dryRunServer:
		suffix = " deleted (server dry run)"
		options = append(options, client.DryRunAll)
	}
	err := writer.Delete(ctx, object, options...)
	switch doing := fmt.Sprintf("deleting the reference %s/%s", object.GetNamespace(), object.GetName()); {
	case apierrors.IsConflict(err):
		return fmt.Errorf("%s: it was changed meanwhile; look at it and try again: %w", doing, err)
	case err != nil && !apierrors.IsNotFound(err):
		return cluster.ExplainAPI(doing, err)
	}
	env.Printf("%s%s\n", cluster.DatasetName(object.Name), suffix)
	return nil
}

// waitGone waits until all references have gone.
func (o *refDeleteOptions) waitGone(ctx context.Context, env command.Environment, c client.WithWatch) error {
	limited, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	for _, key := range o.keys {
		g := &goneWaiter{env: env, key: key, reader: c}
		err := cluster.Follow(limited, c, g, onlyDataset(key)...)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case limited.Err() != nil:
			return &command.ExitError{Code: command.ExitTimeout, Err: fmt.Errorf("timed out after %s waiting for the reference %s to go: %s", o.timeout, key, g.said)}
		case err != nil:
			return cluster.ExplainAPI(fmt.Sprintf("waiting for the reference %s to go", key), err)
		}
		env.Printf("The reference %s has gone\n", key)
	}
	return nil
}

// goneWaiter follows a Dataset until it has gone.
type goneWaiter struct {
	env    command.Environment
	key    types.NamespacedName
	reader client.Reader
	said   string // what it waits for, as last shown
}

// Listed says what keeps the Dataset, unless it has gone.
func (g *goneWaiter) Listed(ctx context.Context, datasets []datav1alpha1.Dataset) (done bool, err error) {
	if len(datasets) == 0 {
		return true, nil
	}
	g.look(ctx, &datasets[0])
	return false, nil
}

// Changed says what keeps the Dataset, unless it has gone.
func (g *goneWaiter) Changed(ctx context.Context, dataset *datav1alpha1.Dataset, deleted bool) (done bool, err error) {
	if !deleted {
		g.look(ctx, dataset)
	}
	return deleted, nil
}

// look says, each time that it changes, what keeps the Dataset: its pods, or whose finalizers.
func (g *goneWaiter) look(ctx context.Context, object *datav1alpha1.Dataset) {
	waits := "its finalizers: " + strings.Join(object.GetFinalizers(), ", ")
	if pods, unread, err := workload.ListPods(ctx, g.reader, g.key.Namespace); err == nil && unread == "" {
		if users := workload.UsersOf(pods, g.key); len(users) > 0 {
			waits = "pods use it: " + workload.SomeNames(users) + "; delete them first"
		}
	}
	if waits != g.said {
		g.said = waits
		g.env.Sayf("Waiting: %s\n", terminal.Line(waits))
	}
}
