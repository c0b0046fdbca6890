package plugin

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// inspectSidecarFlags are the flags as they were given.
type inspectSidecarFlags struct {
	naming string
	output string
}

// inspectSidecarOptions say which pod to look at.
type inspectSidecarOptions struct {
	pod    types.NamespacedName
	naming string
	output *output
}

// sidecarReport is what is known about a pod's sidecars. It's also the JSON output.
type sidecarReport struct {
	report.TypeMeta
	Namespace string `json:"namespace"`
	Pod       string `json:"pod"`
	Injected  bool   `json:"injected"`
	// InjectedBy is the injector, where the pod shows it.
	InjectedBy string             `json:"injectedBy,omitempty"`
	Sidecars   []sidecarView      `json:"sidecars"`
	Chains     []chain            `json:"chains"`
	Findings   reference.Findings `json:"findings"`
}

func newInspectSidecarCommand(env Environment) *cobra.Command {
	flags := &inspectSidecarFlags{}
	cmd := &cobra.Command{
		Use:   "sidecar POD",
		Short: "Show a pod's FUSE sidecars and where they come from, or why there are none",
		Long: `Show the FUSE sidecars of a pod: their state, which Dataset they serve, who
injected them, where containers see the data, and the chain from the claim to the
physical Dataset's FUSE pod template.

For a pod without sidecars that uses Datasets it shows what kept them away, and
what would be injected. It only reads.`,
		Example: `  # Why is there a sidecar, or why is there none?
  kubectl fluid inspect sidecar nginx -n ref`,
		Args: exactArg("the name of a pod"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := flags.options(cmd, env, args[0])
			if err != nil {
				return err
			}
			return o.run(cmd.Context(), env)
		},
	}
	addNamingFlag(cmd, &flags.naming)
	addOutputFlag(cmd, &flags.output, readFormats()...)
	return cmd
}

// options validates the command line. It doesn't talk to the cluster.
func (f *inspectSidecarFlags) options(cmd *cobra.Command, env Environment, name string) (*inspectSidecarOptions, error) {
	namespace, err := namespaceOf(env.connection)
	if err != nil {
		return nil, usagef(cmd, "%w", err)
	}
	if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
		return nil, usagef(cmd, "%q is not a pod's name: %s", name, problems[0])
	}
	if err := validateNaming(cmd, f.naming); err != nil {
		return nil, err
	}
	o := &inspectSidecarOptions{pod: types.NamespacedName{Namespace: namespace, Name: name}, naming: f.naming}
	o.output, err = newOutput(cmd, env, f.output, readFormats()...)
	return o, err
}

func (o *inspectSidecarOptions) run(ctx context.Context, env Environment) error {
	c, err := env.connection.Client()
	if err != nil {
		return err
	}
	pod := &corev1.Pod{}
	if err := c.Get(ctx, o.pod, pod); err != nil {
		doing := fmt.Sprintf("reading Pod %s", o.pod)
		if apierrors.IsNotFound(err) {
			return fmt.Errorf("%s: it doesn't exist; kubectl get pods -n %s shows those that do", doing, o.pod.Namespace)
		}
		return explainAPI(doing, err)
	}
	s, note, err := resolveSettings(ctx, c, o.naming)
	if err != nil {
		return err
	}
	if note != "" {
		fmt.Fprintf(env.ErrOut, "Note: %s\n", note)
	}
	found, err := inspectPod(ctx, c, pod, s)
	if err != nil {
		return err
	}
	err = o.output.print(view{document: found, names: []string{"pod/" + found.Pod}, text: found.print})
	if err == nil && len(found.Findings.Of(reference.Error)) > 0 {
		return &exitError{code: ExitFindings}
	}
	return err
}

// inspectPod reads the chain of each Dataset that a pod has a sidecar for or a claim of.
func inspectPod(ctx context.Context, reader client.Reader, pod *corev1.Pod, s settings) (*sidecarReport, error) {
	found := &sidecarReport{TypeMeta: report.NewTypeMeta("SidecarReport"), Namespace: pod.Namespace, Pod: pod.Name, Sidecars: viewSidecars(pod),
		Chains: []chain{}, Findings: reference.Findings{}}
	found.Injected = len(found.Sidecars) > 0
	found.InjectedBy = injectedBy(pod)
	i := inspector{ctx: ctx, reader: reader, settings: s, report: found}
	for _, sidecar := range found.Sidecars {
		if sidecar.Dataset != "" {
			i.followDataset(sidecar.key)
		}
		if problem := sidecar.problem(); problem != "" && !ended(pod) {
			found.Findings = append(found.Findings, reference.NewFinding(reference.CodeSidecarNotReady, podObject(pod),
				"its container %s is not ready: %s", sidecar.Container, problem))
		}
	}
	asked := askedFor(pod)
	claims := 0
	for _, claim := range claimsOf(pod) {
		if i.followClaim(pod, claim, asked) {
			claims++
		}
	}
	if i.err == nil && !found.Injected {
		i.explainAbsence(pod, claims)
	}
	return found, i.err
}

// claimsOf returns the claims that a pod's volumes use in the order in which they get sidecars.
func claimsOf(pod *corev1.Pod) []string {
	var claims []string
	for _, volume := range pod.Spec.Volumes {
		if volume.PersistentVolumeClaim != nil {
			claims = append(claims, volume.PersistentVolumeClaim.ClaimName)
		}
	}
	slices.Sort(claims)
	return slices.Compact(claims)
}

// ended reports whether a pod has done its work, and with it its sidecars.
func ended(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

func podObject(pod *corev1.Pod) reference.Object {
	return reference.Object{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name}
}
