package ref

import (
	"context"
	"fmt"
	"strings"

	"github.com/aymanbagabas/go-udiff"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/output"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/preflight"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// refDiffOptions say which reference to compare.
type refDiffOptions struct {
	key    types.NamespacedName
	naming string
	// strict lets what couldn't be compared lead to an exit code.
	strict bool
	output *output.Printer
}

// DiffReport is the document of ref diff.
type DiffReport struct {
	report.TypeMeta
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	From      string `json:"from"`
	// Compared are the objects that were looked at.
	Compared    []string     `json:"compared"`
	Differences []difference `json:"differences"`
	// Unread says of the objects that couldn't be compared why.
	Unread []unreadObject `json:"unread"`
}

type unreadObject struct {
	Object string `json:"object"`
	Reason string `json:"reason"`
}

func newRefDiffCommand(env command.Environment) *cobra.Command {
	var format, naming string
	var strict bool
	cmd := &cobra.Command{
		Use:   "diff NAME",
		Short: "Compare what belongs to a reference with what it is made from",
		Long: `Compare the objects of a reference with their sources: copies of ConfigMaps and
Secrets, volume, claim, the copy of the FUSE DaemonSet that Fluid makes, and the
sidecars of running pods, which keep what they were created with. It says who
changed a field, as far as the object's managedFields have it. Values of Secrets
are compared but never shown.

Exit code 0 means that no difference was found, 3 differences, and with --strict 5
that something couldn't be compared.`,
		Example: `  # What isn't as the physical Dataset has it, and who changed it?
  kubectl fluid ref diff refdemo -n ref`,
		Args: command.ExactArg("the name of a reference"),
		RunE: func(cmd *cobra.Command, args []string) error {
			namespace, err := cluster.NamespaceOf(cmd, env.Connection)
			if err != nil {
				return err
			}
			if err = reference.ValidateName(args[0]); err != nil {
				return command.Usagef(cmd, "%w", err)
			}
			if err = cluster.ValidateNaming(cmd, naming); err != nil {
				return err
			}
			o := &refDiffOptions{key: types.NamespacedName{Namespace: namespace, Name: args[0]}, naming: naming, strict: strict}
			if o.output, err = output.NewPrinter(cmd, env, format, output.ReadFormats()...); err != nil {
				return err
			}
			return o.run(cmd.Context(), env)
		},
	}
	cluster.AddNamingFlag(cmd, &naming)
	cmd.Flags().BoolVar(&strict, "strict", false, "Exit with code 5 if something couldn't be compared.")
	output.AddFlag(cmd, &format, output.ReadFormats()...)
	return cmd
}

func (o *refDiffOptions) run(ctx context.Context, env command.Environment) error {
	c, err := env.Connection.Client()
	if err != nil {
		return err
	}
	dataset, err := cluster.GetReference(ctx, c, o.key, "comparing")
	if err != nil {
		return err
	}
	s, err := cluster.ResolveSettings(ctx, env, c, o.naming)
	if err != nil {
		return err
	}
	p, err := preflight.Run(ctx, c, dataset, s, reference.ForReport)
	if err != nil {
		return err
	}
	if p.Plan.Volume == nil {
		blocking, _ := p.Findings.In(o.output.Language).First()
		err := fmt.Errorf("comparing the reference %s: it can't be said what should be: %s", o.key, blocking)
		if blocking.Severity == finding.Inconclusive {
			return err
		}
		return &command.ExitError{Code: command.ExitFindings, Err: err}
	}
	d := &differ{ctx: ctx, reader: c, preflight: p, report: &DiffReport{TypeMeta: report.NewTypeMeta("ReferenceDiff"),
		Namespace: o.key.Namespace, Name: o.key.Name, From: p.Plan.Source.String(),
		Compared: []string{}, Differences: []difference{}, Unread: []unreadObject{}}}
	if err := d.compareAll(); err != nil {
		return err
	}
	if err := o.output.Print(d.report.view()); err != nil {
		return err
	}
	switch {
	case len(d.report.Differences) > 0:
		return &command.ExitError{Code: command.ExitFindings}
	case o.strict && len(d.report.Unread) > 0:
		return &command.ExitError{Code: command.ExitInconclusive}
	}
	return nil
}

func (r *DiffReport) view() output.View {
	v := output.View{Document: r, Items: []any{}, Names: []string{cluster.DatasetName(r.Name)}, Text: r.print}
	for _, d := range r.Differences {
		v.Items = append(v.Items, d)
	}
	return v
}

// print shows each difference; wide also shows what was compared.
func (r *DiffReport) print(out terminal.Screen, wide bool) error {
	if wide {
		for _, object := range r.Compared {
			out.Say("Compared: %s\n", terminal.Line(object))
		}
	}
	for _, d := range r.Differences {
		place := d.Object
		if d.Field != "" {
			place += " " + d.Field
		}
		out.Say("%s: %s; its source is %s\n", terminal.Line(place), terminal.Line(d.Message), terminal.Line(d.Source))
		if len(d.ChangedBy) > 0 {
			out.Say("  changed by: %s\n", terminal.Line(strings.Join(d.ChangedBy, ", ")))
		}
		if text := d.unified(); text != "" {
			out.Print(terminal.Multiline(text))
		}
	}
	for _, u := range r.Unread {
		out.Say("%s: couldn't be compared: %s\n", terminal.Line(u.Object), terminal.Line(u.Reason))
	}
	out.Say("%s compared, %s\n", terminal.Counted(len(r.Compared), "object"), terminal.Counted(len(r.Differences), "difference"))
	return nil
}

// unified returns the difference between two values as lines with - (what should be) and + (what is).
func (d *difference) unified() string {
	if d.Want == "" && d.Have == "" {
		return ""
	}
	var text strings.Builder
	for line := range strings.Lines(udiff.Unified(d.Source, d.Object, withNewline(d.Want), withNewline(d.Have))) {
		text.WriteString("  " + line)
	}
	return text.String()
}

func withNewline(text string) string {
	if text == "" || strings.HasSuffix(text, "\n") {
		return text
	}
	return text + "\n"
}
