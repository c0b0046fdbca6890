package ref

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/observe"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/output"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/preflight"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// refCanIOptions say which reference would be created.
type refCanIOptions struct {
	namespace string
	source    reference.Source
	output    *output.Printer
}

// ConsentReport is the document of ref can-i.
type ConsentReport struct {
	report.TypeMeta
	// Namespace is that of the reference.
	Namespace string `json:"namespace"`
	// From is what it would refer to as namespace/name[/sub/path].
	From string `json:"from"`
	// Allowed is the answer.
	Allowed bool `json:"allowed"`
	// Result says why.
	Result report.Result `json:"result"`

	// physical is the Dataset's name.
	physical string
}

func newRefCanICommand(env command.Environment) *cobra.Command {
	var from, format string
	cmd := &cobra.Command{
		Use:   "can-i --from NAMESPACE/DATASET",
		Short: "Say whether you may create a reference to a Dataset",
		Long: `Say whether you may create a reference to a Dataset in a namespace: by your rights
in RBAC (the verb use on the Dataset), by the list of its owner, or because the
cluster's policy is open. Where you may not read the policy or the list, admission
is asked by a server-side dry run. Exit code 0 means yes, 3 no, 1 that it isn't
known.`,
		Example: `  # May I use the Dataset phy of namespace default in namespace ref?
  kubectl fluid ref can-i --from default/phy -n ref

  # The same for a script
  kubectl fluid ref can-i --from default/phy -n ref -o jsonpath={.allowed}`,
		Args: command.MaxArgs(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o := &refCanIOptions{}
			var err error
			if o.source, err = parseFrom(cmd, from); err != nil {
				return err
			}
			if o.namespace, err = cluster.NamespaceOf(cmd, env.Connection); err != nil {
				return err
			}
			if o.output, err = output.NewPrinter(cmd, env, format, output.CheckFormats()...); err != nil {
				return err
			}
			return o.run(cmd.Context(), env)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "The physical Dataset as namespace/name. Required.")
	output.AddFlag(cmd, &format, output.CheckFormats()...)
	return cmd
}

// run prints yes or no with the reason. Where neither is known there is nothing on stdout.
func (o *refCanIOptions) run(ctx context.Context, env command.Environment) error {
	c, err := env.Connection.Client()
	if err != nil {
		return err
	}
	granted, f, err := o.ask(ctx, env, c)
	if err != nil {
		return err
	}
	physical := finding.Object{Kind: datav1alpha1.DatasetKind, Namespace: o.source.Namespace, Name: o.source.Name}
	answer := &ConsentReport{TypeMeta: report.NewTypeMeta("ConsentReport"), Namespace: o.namespace, From: o.source.String(),
		Allowed: f == nil, Result: report.NewPass(physical.String(), granted), physical: o.source.Name}
	if f != nil {
		answer.Result = report.NewResult(*f, o.output.Language)
	}
	if err := o.output.Print(answer.view()); err != nil || answer.Allowed {
		return err
	}
	return &command.ExitError{Code: command.ExitFindings}
}

// ask returns by what the user may create the reference, or what speaks against it; an error if neither is known.
func (o *refCanIOptions) ask(ctx context.Context, env command.Environment, c client.Client) (granted string, f *finding.Finding, err error) {
	s, err := cluster.ResolveSettings(ctx, env, c, string(reference.UniqueNames))
	if err != nil {
		return "", nil, err
	}
	w, err := consentWorld(ctx, c, o.namespace, o.source, s.Sharing)
	if err != nil {
		return "", nil, err
	}
	if f, ok := withheld(w); ok {
		return "", &f, nil
	}
	granted, f = preflight.FindConsent(ctx, c, w, o.source)
	switch {
	case f != nil && f.Severity == finding.Error:
		return "", f, nil
	case granted != "":
		return granted, nil, nil
	case o.namespace == o.source.Namespace:
		return "a Dataset of the same namespace needs nobody's consent", nil, nil
	case f == nil && s.Sharing == reference.SharingOpen:
		return "this cluster asks for nobody's consent", nil, nil
	}
	// The cluster's policy or the owner's list can't be read; admission knows both.
	return o.askAdmission(ctx, c)
}

// askAdmission lets the API server admit a reference without storing it.
func (o *refCanIOptions) askAdmission(ctx context.Context, writer client.Writer) (granted string, f *finding.Finding, err error) {
	probe := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: o.namespace, Name: CanIProbeName}}
	probe.Spec.Mounts = []datav1alpha1.Mount{{MountPoint: o.source.MountPoint()}}
	err = writer.Create(ctx, probe, client.DryRunAll)
	refusal, refused := cluster.RefusalOf(err)
	switch {
	case err == nil:
		return "the API server admits it, which was tried without storing it", nil, nil
	case refused && strings.HasPrefix(refusal, string(finding.CodeNotAllowed)):
		no := reference.NotAllowed(types.NamespacedName{Namespace: o.namespace, Name: o.source.Name}, "you", o.source)
		return "", &no, nil
	case refused && strings.HasPrefix(refusal, string(finding.CodeNotShared)):
		object := finding.Object{Kind: datav1alpha1.DatasetKind, Namespace: o.namespace, Name: o.source.Name}
		no := finding.New(finding.CodeNotShared, object, "%s is not shared with namespace %s", o.source.Key(), o.namespace)
		return "", &no, nil
	}
	return "", nil, fmt.Errorf("finding out whether you may refer to %s in namespace %s: you may read neither the cluster's policy nor the owner's list, "+
		"and creating a reference, as a dry run, failed: %w", o.source.Key(), o.namespace, err)
}

// CanIProbeName is the name of the reference that is never stored.
const CanIProbeName = "kubectl-fluid-can-i"

func (r *ConsentReport) view() output.View {
	return output.View{Document: r, Names: []string{cluster.DatasetName(r.physical)}, Text: r.print,
		Checks: []report.Group{{Name: "Dataset " + r.From, Results: []report.Result{r.Result}}}}
}

func (r *ConsentReport) print(out terminal.Screen, _ bool) error {
	text := "yes: " + r.Result.Message
	if !r.Allowed {
		text = fmt.Sprintf("no: %s: %s: %s (%s)", r.Result.Code, r.Result.Object, r.Result.Text(out.Language), r.Result.Remedy)
	}
	out.Say("%s\n", terminal.Line(text))
	return nil
}

// consentWorld reads what consent depends on.
func consentWorld(ctx context.Context, reader client.Reader, namespace string, source reference.Source, sharing reference.Sharing) (*reference.World, error) {
	dataset := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: source.Name}}
	dataset.Spec.Mounts = []datav1alpha1.Mount{{MountPoint: source.MountPoint()}}
	w := reference.NewWorld(dataset, reference.Policy{Sharing: sharing})
	physical, state := &datav1alpha1.Dataset{}, reference.State{}
	switch err := reader.Get(ctx, source.Key(), physical); {
	case err == nil:
		state.Object = physical
	case apierrors.IsForbidden(err):
		state.Unread = err.Error()
	case !apierrors.IsNotFound(err) || observe.KindUnknown(err):
		return nil, cluster.ExplainAPI(fmt.Sprintf("reading Dataset %s", source.Key()), err)
	}
	return w, w.See(source, finding.Object{Kind: datav1alpha1.DatasetKind, Namespace: source.Namespace, Name: source.Name}, state)
}

// withheld returns the finding of a plan that the owner doesn't consent.
func withheld(w *reference.World) (finding.Finding, bool) {
	for _, f := range reference.NewPlan(w).Findings {
		if f.Code == finding.CodeNotShared {
			return f, true
		}
	}
	return finding.Finding{}, false
}
