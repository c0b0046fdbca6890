package plugin

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/observe"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

func newRefCanICommand(env Environment) *cobra.Command {
	var from string
	cmd := &cobra.Command{
		Use:   "can-i --from NAMESPACE/DATASET",
		Short: "Say whether you may create a reference to a Dataset",
		Long: `Say whether you may create a reference to a Dataset in a namespace: by your rights
in RBAC (the verb use on the Dataset), by the list of its owner, or because the
cluster's policy is open. Exit code 0 means yes, 3 no, 1 that it isn't known.`,
		Example: `  # May I use the Dataset phy of namespace default in namespace ref?
  kubectl fluid ref can-i --from default/phy -n ref`,
		Args: maxArgs(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			source, err := parseFrom(cmd, from)
			if err != nil {
				return err
			}
			namespace, err := namespaceOf(env.connection)
			if err != nil {
				return usagef(cmd, "%w", err)
			}
			return canRefer(cmd.Context(), env, namespace, source)
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "The physical Dataset as namespace/name. Required.")
	return cmd
}

// canRefer prints yes or no with the reason.
func canRefer(ctx context.Context, env Environment, namespace string, source reference.Source) error {
	c, err := env.connection.Client()
	if err != nil {
		return err
	}
	s, _, err := resolveSettings(ctx, c, string(reference.UniqueNames))
	if err != nil {
		return err
	}
	w, err := consentWorld(ctx, c, namespace, source)
	if err != nil {
		return err
	}
	w.Sharing = s.sharing
	if finding, ok := withheld(w, source); ok {
		return answerNo(env, finding)
	}
	granted, finding := findConsent(ctx, c, w, source)
	switch {
	case finding != nil && finding.Severity == reference.Error:
		return answerNo(env, *finding)
	case finding != nil:
		return fmt.Errorf("finding out whether you may refer to %s in namespace %s: the cluster's policy or the owner's list can't be read: %s",
			source.Key(), namespace, line(finding.String()))
	case granted != "":
	case namespace == source.Namespace:
		granted = "a Dataset of the same namespace needs nobody's consent"
	case s.sharing == reference.SharingOpen:
		granted = "this cluster asks for nobody's consent"
	default:
		return fmt.Errorf("finding out whether you may refer to %s in namespace %s: only its owner's list says so, and you may not read it: "+
			"ask for the right to get the Dataset, or its owner", source.Key(), namespace)
	}
	fmt.Fprintf(env.Out, "yes: %s\n", granted)
	return nil
}

func answerNo(env Environment, finding reference.Finding) error {
	fmt.Fprintf(env.Out, "no: %s\n", line(finding.String()))
	return &exitError{code: ExitFindings}
}

// consentWorld reads what consent depends on.
func consentWorld(ctx context.Context, reader client.Reader, namespace string, source reference.Source) (*reference.World, error) {
	w := &reference.World{Unread: map[reference.Object]string{},
		Dataset: &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: source.Name}}}
	physical := &datav1alpha1.Dataset{}
	switch err := reader.Get(ctx, source.Key(), physical); {
	case err == nil:
		w.Physical = physical
	case apierrors.IsForbidden(err):
		w.Unread[reference.Object{Kind: datav1alpha1.DatasetKind, Namespace: source.Namespace, Name: source.Name}] = err.Error()
	case !apierrors.IsNotFound(err) || observe.KindUnknown(err):
		return nil, explainAPI(fmt.Sprintf("reading Dataset %s", source.Key()), err)
	}
	return w, nil
}

// withheld returns the finding of a plan that the owner doesn't consent.
func withheld(w *reference.World, source reference.Source) (reference.Finding, bool) {
	planned := *w
	planned.Dataset = w.Dataset.DeepCopy()
	planned.Dataset.Spec.Mounts = []datav1alpha1.Mount{{MountPoint: source.MountPoint()}}
	for _, finding := range reference.NewPlan(&planned).Findings {
		if finding.Code == reference.CodeNotShared {
			return finding, true
		}
	}
	return reference.Finding{}, false
}
