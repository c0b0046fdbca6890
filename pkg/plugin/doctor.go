package plugin

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// doctorFlags are the flags as they were given.
type doctorFlags struct {
	only, skip []string
	bundle     string
	output     string
	policy     policyFlags
}

// doctorOptions say what to look at.
type doctorOptions struct {
	namespace string
	only      []string
	skip      []string
	// bundle is the file for an archive; empty for none.
	bundle string
	output *output
	policy report.Policy
}

// doctorReport is the document of doctor.
type doctorReport struct {
	report.TypeMeta
	Summary report.Summary `json:"summary"`
	Checks  []doctorResult `json:"checks"`
}

// doctorResult is what one of doctor's checks came to.
type doctorResult struct {
	// Check is its identifier, as --only and --skip take it.
	Check   string          `json:"check"`
	Results []report.Result `json:"results"`
}

func newDoctorCommand(env Environment) *cobra.Command {
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

Checks: %s.`, strings.Join(doctorCheckIDs(), ", ")),
		Example: `  # Does everything work for pods of namespace ref?
  kubectl fluid doctor -n ref

  # Only what concerns the webhooks, for a script
  kubectl fluid doctor --only webhooks,certificates -o json

  # Everything that somebody else needs to help
  kubectl fluid doctor -n ref --bundle fluid.tar.gz`,
		Args: maxArgs(0, "no argument"),
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
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(doctorCheckIDs(), cobra.ShellCompDirectiveNoFileComp))
	}
	cmd.Flags().StringVar(&flags.bundle, "bundle", "", "Also write an archive (tar.gz) without secrets to this file, which must not exist.")
	flags.policy.add(cmd)
	addOutputFlag(cmd, &flags.output, checkFormats()...)
	return cmd
}

// options validates the command line. It doesn't talk to the cluster.
func (f *doctorFlags) options(cmd *cobra.Command, env Environment) (*doctorOptions, error) {
	o := &doctorOptions{only: f.only, skip: f.skip, bundle: f.bundle}
	for _, id := range slices.Concat(f.only, f.skip) {
		if !slices.Contains(doctorCheckIDs(), id) {
			return nil, usagef(cmd, "%q is not a check: known are %s", id, strings.Join(doctorCheckIDs(), ", "))
		}
	}
	if f.bundle != "" {
		if _, err := os.Lstat(f.bundle); err == nil {
			return nil, usagef(cmd, "--bundle: the file %s exists already", f.bundle)
		}
	}
	var err error
	if o.policy, err = f.policy.policy(cmd); err != nil {
		return nil, err
	}
	if o.namespace, err = namespaceOf(cmd, env.connection); err != nil {
		return nil, err
	}
	o.output, err = newOutput(cmd, env, f.output, checkFormats()...)
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

func doctorCheckIDs() []string {
	var ids []string
	for _, check := range doctorChecks() {
		ids = append(ids, check.id)
	}
	return ids
}

func (o *doctorOptions) run(ctx context.Context, env Environment) error {
	e := newExaminer(ctx, env, o.namespace, o.output.language)
	found := &doctorReport{TypeMeta: report.NewTypeMeta("DoctorReport"), Checks: []doctorResult{}}
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
		found.Checks = append(found.Checks, doctorResult{check.id, e.results})
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	found.Summary = report.Summarize(found.groups()...)
	if err := o.output.print(found.view(o.policy)); err != nil {
		return err
	}
	if o.bundle != "" {
		if err := writeBundle(ctx, env, o.bundle, e, found); err != nil {
			return err
		}
		fmt.Fprintf(env.ErrOut, "Wrote %s\n", o.bundle)
	}
	return exitWith(o.policy, found.Summary)
}

func (r *doctorReport) groups() []report.Group {
	var groups []report.Group
	for _, check := range r.Checks {
		groups = append(groups, report.Group{Name: check.Check, Results: check.Results})
	}
	return groups
}

func (r *doctorReport) view(policy report.Policy) view {
	v := view{document: r, items: []any{}, text: r.print, checks: r.groups(), policy: policy}
	for _, check := range r.Checks {
		v.items = append(v.items, check)
		v.names = append(v.names, check.Check)
	}
	return v
}

// print shows everything: that something is fine is worth knowing here.
func (r *doctorReport) print(out screen, wide bool) error {
	t := newTable("RESULT", "CHECK", "OBJECT", "MESSAGE")
	for _, check := range r.Checks {
		for _, result := range check.Results {
			if result.State == report.Skipped && !wide {
				continue
			}
			message := result.Text(out.language)
			if result.Code != "" {
				message = string(result.Code) + ": " + message
			}
			t.add(string(result.State), check.Check, result.Object, message)
			if advice := result.Advice(out.language); advice != "" {
				t.add("", "", "", advice)
			}
		}
	}
	if err := t.print(out); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\n%s\n", summaryText(r.Summary))
	return err
}
