package doctor

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/output"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// doctorFlags are the flags as they were given.
type doctorFlags struct {
	only, skip []string
	bundle     string
	output     string
	policy     output.PolicyFlags
}

// doctorOptions say what to look at.
type doctorOptions struct {
	namespace string
	only      []string
	skip      []string
	// bundle is the file for an archive; empty for none.
	bundle string
	output *output.Printer
	policy report.Policy
}

// Report is the document of doctor.
type Report struct {
	report.TypeMeta
	Summary report.Summary `json:"summary"`
	Checks  []checkResult  `json:"checks"`
}

// checkResult is what one of doctor's checks came to.
type checkResult struct {
	// Check is its identifier, as --only and --skip take it.
	Check   string          `json:"check"`
	Results []report.Result `json:"results"`
}

// NewCommand returns the command doctor.
func NewCommand(env command.Environment) *cobra.Command {
	flags := &doctorFlags{}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check the installation, from versions to certificates and rights",
		Long: fmt.Sprintf(`Check whether references and sidecars can work in this cluster, and in the
namespace. Each check ends as pass, warning, error, skipped or inconclusive; what
you may not look at is inconclusive, never a pass.

Webhooks are tried with server-side dry runs: objects that the API server admits
but never stores. --bundle writes what was found, and the objects concerned
without data, environments, arguments and options, into an archive for whoever
helps.

Checks: %s.`, strings.Join(CheckIDs(), ", ")),
		Example: `  # Does everything work for pods of namespace ref?
  kubectl fluid doctor -n ref

  # Only what concerns the webhooks, for a script
  kubectl fluid doctor --only webhooks,certificates -o json

  # Everything that somebody else needs to help
  kubectl fluid doctor -n ref --bundle fluid.tar.gz`,
		Args: command.MaxArgs(0, "no argument"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := flags.options(cmd, env)
			if err != nil {
				return err
			}
			return o.run(cmd.Context(), env)
		},
	}
	cmd.Flags().StringSliceVar(&flags.only, "only", nil, "Make only these checks.")
	cmd.Flags().StringSliceVar(&flags.skip, "skip", nil, "Leave these checks out.")
	for _, name := range []string{"only", "skip"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(CheckIDs(), cobra.ShellCompDirectiveNoFileComp))
	}
	cmd.Flags().StringVar(&flags.bundle, "bundle", "", "Also write an archive (tar.gz) without secrets to this file, which must not exist.")
	flags.policy.Add(cmd)
	output.AddFlag(cmd, &flags.output, output.CheckFormats()...)
	return cmd
}

// options validates the command line. It doesn't talk to the cluster.
func (f *doctorFlags) options(cmd *cobra.Command, env command.Environment) (*doctorOptions, error) {
	o := &doctorOptions{only: f.only, skip: f.skip, bundle: f.bundle}
	for _, id := range slices.Concat(f.only, f.skip) {
		if !slices.Contains(CheckIDs(), id) {
			return nil, command.Usagef(cmd, "%q is not a check: known are %s", id, strings.Join(CheckIDs(), ", "))
		}
	}
	if f.bundle != "" {
		if _, err := os.Lstat(f.bundle); err == nil {
			return nil, command.Usagef(cmd, "--bundle: the file %s exists already", f.bundle)
		}
	}
	var err error
	if o.policy, err = f.policy.Policy(cmd); err != nil {
		return nil, err
	}
	if o.namespace, err = cluster.NamespaceOf(cmd, env.Connection); err != nil {
		return nil, err
	}
	o.output, err = output.NewPrinter(cmd, env, f.output, output.CheckFormats()...)
	return o, err
}

// doctorCheck is one of doctor's checks. Those that don't run without an API server come after the one that looks for it.
type doctorCheck struct {
	id  string
	run func(*examiner)
	// local checks need no API server.
	local bool
}

func doctorChecks() []doctorCheck {
	return []doctorCheck{
		{"client", (*examiner).checkClient, true},
		{"server", (*examiner).checkServer, true},
		{"nodes", (*examiner).checkNodes, false},
		{"definitions", (*examiner).checkDefinitions, false},
		{"controllers", (*examiner).checkControllers, false},
		{"certificates", (*examiner).checkCertificates, false},
		{"webhooks", (*examiner).checkWebhooks, false},
		{"rights", (*examiner).checkRights, false},
		{"controller-rights", (*examiner).checkControllerRights, false},
		{"pod-security", (*examiner).checkPodSecurity, false},
	}
}

// CheckIDs returns the identifiers of all checks, as --only and --skip take them.
func CheckIDs() []string {
	var ids []string
	for _, check := range doctorChecks() {
		ids = append(ids, check.id)
	}
	return ids
}

func (o *doctorOptions) run(ctx context.Context, env command.Environment) error {
	e := newExaminer(ctx, env, o.namespace, o.output.Language)
	found := &Report{TypeMeta: report.NewTypeMeta("DoctorReport"), Checks: []checkResult{}}
	for _, check := range doctorChecks() {
		e.results = []report.Result{}
		switch {
		case slices.Contains(o.skip, check.id) || len(o.only) > 0 && !slices.Contains(o.only, check.id):
			e.skip("left out by --only or --skip")
		case !check.local && !e.connected():
			e.skip("there is no API server to ask")
		default:
			check.run(e)
		}
		found.Checks = append(found.Checks, checkResult{check.id, e.results})
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	found.Summary = report.Summarize(found.groups()...)
	if err := o.output.Print(found.view(o.policy)); err != nil {
		return err
	}
	if o.bundle != "" {
		if err := writeBundle(ctx, env, o.bundle, e, found); err != nil {
			return err
		}
		env.Sayf("Wrote %s\n", o.bundle)
	}
	return output.ExitWith(o.policy, found.Summary)
}

func (r *Report) groups() []report.Group {
	var groups []report.Group
	for _, check := range r.Checks {
		groups = append(groups, report.Group{Name: check.Check, Results: check.Results})
	}
	return groups
}

func (r *Report) view(policy report.Policy) output.View {
	v := output.View{Document: r, Items: []any{}, Text: r.print, Checks: r.groups(), Policy: policy}
	for _, check := range r.Checks {
		v.Items = append(v.Items, check)
		v.Names = append(v.Names, check.Check)
	}
	return v
}

// print shows everything: that something is fine is worth knowing here.
func (r *Report) print(out terminal.Screen, wide bool) error {
	t := terminal.NewTable("RESULT", "CHECK", "OBJECT", "MESSAGE")
	for _, check := range r.Checks {
		for _, result := range check.Results {
			if result.State == report.Skipped && !wide {
				continue
			}
			message := result.Text(out.Language)
			if result.Code != "" {
				message = string(result.Code) + ": " + message
			}
			t.Add(string(result.State), check.Check, result.Object, message)
			if advice := result.Advice(out.Language); advice != "" {
				t.Add("", "", "", advice)
			}
		}
	}
	if err := t.Print(out); err != nil {
		return err
	}
	out.Print("\n" + output.SummaryText(r.Summary) + "\n")
	return nil
}
