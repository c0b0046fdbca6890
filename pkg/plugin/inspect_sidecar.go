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
)

// inspectSidecarOptions say which pod to look at.
type inspectSidecarOptions struct {
	pod    types.NamespacedName
	naming string
	output string
}

// sidecarReport is what is known about a pod's sidecars. It's also the JSON output.
type sidecarReport struct {
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
	o := &inspectSidecarOptions{}
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
			namespace, err := namespaceOf(env.connection)
			if err != nil {
				return usagef(cmd, "%w", err)
			}
			if problems := validation.IsDNS1123Subdomain(args[0]); len(problems) > 0 {
				return usagef(cmd, "%q is not a pod's name: %s", args[0], problems[0])
			}
			if err := validateNaming(cmd, o.naming); err != nil {
				return err
			}
			if err := validateOutput(cmd, o.output, formatJSON, formatYAML); err != nil {
				return err
			}
			o.pod = types.NamespacedName{Namespace: namespace, Name: args[0]}
			return o.run(cmd.Context(), env)
		},
	}
	addNamingFlag(cmd, &o.naming)
	addOutputFlag(cmd, &o.output, formatJSON, formatYAML)
	return cmd
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
	report, err := inspectPod(ctx, c, pod, s)
	if err != nil {
		return err
	}
	if o.output != formatText {
		err = printDocument(env.Out, o.output, report)
	} else {
		err = report.print(env.Out)
	}
	if err == nil && len(report.Findings.Of(reference.Error)) > 0 {
		return &exitError{code: ExitFindings}
	}
	return err
}

// inspectPod reads the chain of each Dataset that a pod has a sidecar for or a claim of.
func inspectPod(ctx context.Context, reader client.Reader, pod *corev1.Pod, s settings) (*sidecarReport, error) {
	report := &sidecarReport{Namespace: pod.Namespace, Pod: pod.Name, Sidecars: viewSidecars(pod),
		Chains: []chain{}, Findings: reference.Findings{}}
	report.Injected = len(report.Sidecars) > 0
	report.InjectedBy = injectedBy(pod)
	i := inspector{ctx: ctx, reader: reader, settings: s, report: report}
	for _, sidecar := range report.Sidecars {
		if sidecar.Dataset != "" {
			i.followDataset(sidecar.key)
		}
		if problem := sidecar.problem(); problem != "" && !ended(pod) {
			report.Findings = append(report.Findings, reference.NewFinding(reference.CodeSidecarNotReady, podObject(pod),
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
	if i.err == nil && !report.Injected {
		i.explainAbsence(pod, claims)
	}
	return report, i.err
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
