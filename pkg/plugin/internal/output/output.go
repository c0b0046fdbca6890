package output

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/duration"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/cli-runtime/pkg/printers"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/gotemplate"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// Output formats. Each command says which of them it has; "" is its own text for people.
const (
	formatText = ""
	FormatWide = "wide"
	FormatJSON = "json"
	FormatYAML = "yaml"
	FormatName = "name"

	// These take a template after their names.
	FormatJSONPath      = "jsonpath="
	FormatGoTemplate    = "go-template="
	FormatCustomColumns = "custom-columns="

	// These are for checks.
	formatShort    = "short"
	formatMarkdown = "markdown"
	FormatJUnit    = "junit"
	FormatSARIF    = "sarif"
)

// ReadFormats are those of commands that show something.
func ReadFormats() []string {
	return []string{FormatWide, FormatJSON, FormatYAML, FormatName, FormatJSONPath, FormatGoTemplate, FormatCustomColumns}
}

// CheckFormats are those of commands that judge something.
func CheckFormats() []string {
	return append(ReadFormats(), formatShort, formatMarkdown, FormatJUnit, FormatSARIF)
}

// AddFlag adds -o with completion.
func AddFlag(cmd *cobra.Command, format *string, allowed ...string) {
	cmd.Flags().StringVarP(format, "output", "o", "", "Output format. One of: "+strings.Join(shown(allowed), ", ")+".")
	// It fails only for a flag that doesn't exist or has a completion.
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(allowed, cobra.ShellCompDirectiveNoFileComp))
}

// shown returns formats as help texts have them.
func shown(formats []string) []string {
	texts := slices.Clone(formats)
	for i := range texts {
		if strings.HasSuffix(texts[i], "=") {
			texts[i] += "..."
		}
	}
	return texts
}

// View is what a command found, ready for any of its formats. What a command's formats don't use may be left out.
type View struct {
	// Document is what json, yaml, jsonpath and go-template show: a struct or a map with apiVersion and kind.
	Document any
	// Items are the parts of the document that custom-columns shows a line of; the document itself if nil.
	Items []any
	// Names are what name shows, kind.group/name each.
	Names []string
	// Text writes it for people; wide asks for more.
	Text func(out terminal.Screen, wide bool) error
	// Checks are what the formats of checks show, and policy what they make of it.
	Checks []report.Group
	Policy report.Policy
}

// Printer writes views in one format. Make it with NewPrinter, which says what is wrong with the user's choice.
type Printer struct {
	env      command.Environment
	Format   string
	Language finding.Language
	// template prints a document with the user's jsonpath or go-template.
	template func(object *unstructured.Unstructured, out io.Writer) error
	columns  []customColumn
}

// NewPrinter reads the value of -o.
func NewPrinter(cmd *cobra.Command, env command.Environment, format string, allowed ...string) (*Printer, error) {
	name, template, hasTemplate := strings.Cut(format, "=")
	if hasTemplate {
		name += "="
	}
	if format != formatText && !slices.Contains(allowed, name) {
		return nil, command.Usagef(cmd, "unknown output format %q: allowed are %s", format, strings.Join(shown(allowed), ", "))
	}
	o := &Printer{env: env, Format: name}
	var err error
	if o.Language, err = command.LanguageOf(cmd, env); err != nil {
		return nil, err
	}
	switch name {
	case FormatJSONPath:
		var path *printers.JSONPathPrinter
		if path, err = printers.NewJSONPathPrinter(template); err == nil {
			path.AllowMissingKeys(true)
			o.template = func(object *unstructured.Unstructured, out io.Writer) error { return path.PrintObj(object, out) }
		}
	case FormatGoTemplate:
		var parsed *gotemplate.Template
		if parsed, err = gotemplate.Parse("output", template); err == nil {
			o.template = func(object *unstructured.Unstructured, out io.Writer) error {
				return parsed.Execute(out, object.Object)
			}
		}
	case FormatCustomColumns:
		o.columns, err = parseCustomColumns(template)
	}
	if err != nil {
		return nil, command.Usagef(cmd, "output format %q: %w", format, err)
	}
	return o, nil
}

// Human reports whether the output is text for people.
func (o *Printer) Human() bool { return o.Format == formatText || o.Format == FormatWide }

// Notes is where text that isn't the output goes: with a format for machines, stdout holds one document and nothing else.
func (o *Printer) Notes() terminal.Screen {
	if o.Human() {
		return NewScreen(o.env, o.Language)
	}
	return terminal.Plain(o.env.ErrOut, o.Language)
}

// Print writes a view in the format.
func (o *Printer) Print(v View) error {
	out := o.env.Out
	switch o.Format {
	case formatText, FormatWide:
		return v.Text(NewScreen(o.env, o.Language), o.Format == FormatWide)
	case FormatName:
		for _, name := range v.Names {
			if _, err := fmt.Fprintln(out, terminal.Line(name)); err != nil {
				return err
			}
		}
		return nil
	case formatShort:
		return report.WriteShort(out, v.Checks, o.Language, terminal.Line)
	case formatMarkdown:
		return report.WriteMarkdown(out, v.Checks, o.Language, terminal.Line)
	case FormatJUnit:
		return report.WriteJUnit(out, v.Checks, v.Policy, o.Language)
	case FormatSARIF:
		return report.WriteSARIF(out, v.Checks, o.env.Build.Version, o.Language)
	case FormatCustomColumns:
		items := v.Items
		if items == nil {
			items = []any{v.Document}
		}
		return printCustomColumns(NewScreen(o.env, o.Language), o.columns, items)
	}
	return o.printDocument(v.Document)
}

// printDocument writes a document as JSON, as YAML, or through the user's template. kubectl's own printers fail for YAML
// with control characters, and let some through to the terminal in JSON.
func (o *Printer) printDocument(document any) error {
	object, err := Generic(document)
	if err != nil {
		return err
	}
	if o.template != nil {
		return o.printTemplate(object)
	}
	data, err := json.MarshalIndent(object.Object, "", "    ")
	if err != nil {
		return fmt.Errorf("encoding the output: %w", err)
	}
	data = append(report.SafeJSON(data), '\n')
	if o.Format == FormatYAML {
		if data, err = yaml.JSONToYAML(data); err != nil {
			return fmt.Errorf("encoding the output: %w", err)
		}
	}
	_, err = o.env.Out.Write(data)
	return err
}

// printTemplate writes nothing of a template that fails, and on a terminal no control characters of the cluster.
func (o *Printer) printTemplate(object *unstructured.Unstructured) error {
	var buffer bytes.Buffer
	if err := o.template(object, &buffer); err != nil {
		return fmt.Errorf("-o %s: %w", o.Format, err)
	}
	text := buffer.String()
	if o.env.Terminal.TTY {
		text = terminal.Multiline(text)
	}
	_, err := io.WriteString(o.env.Out, text)
	return err
}

// Generic turns a document into what cli-runtime's printers take, without managed fields, as kubectl shows objects.
func Generic(document any) (*unstructured.Unstructured, error) {
	data, err := json.Marshal(document)
	if err != nil {
		return nil, fmt.Errorf("encoding the output: %w", err)
	}
	object := &unstructured.Unstructured{}
	if err := utiljson.Unmarshal(data, &object.Object); err != nil {
		return nil, fmt.Errorf("encoding the output: %w", err)
	}
	withoutManagedFields(object.Object)
	items, _, _ := unstructured.NestedSlice(object.Object, "items")
	for _, item := range items {
		if fields, ok := item.(map[string]any); ok {
			withoutManagedFields(fields)
		}
	}
	if items != nil {
		object.Object["items"] = items
	}
	return object, nil
}

func withoutManagedFields(object map[string]any) {
	if metadata, ok := object["metadata"].(map[string]any); ok {
		delete(metadata, "managedFields")
	}
}

// ObjectView shows an object of the API as kubectl does.
func ObjectView(object *unstructured.Unstructured) View {
	return View{Document: object.Object, Names: []string{ResourceName(object)}}
}

// ListView shows objects of the API as kubectl does: as a List.
func ListView(objects []unstructured.Unstructured) View {
	v := View{Items: []any{}}
	items := make([]any, 0, len(objects))
	for i := range objects {
		items = append(items, objects[i].Object)
		v.Names = append(v.Names, ResourceName(&objects[i]))
	}
	v.Items = items
	v.Document = map[string]any{"apiVersion": "v1", "kind": "List", "metadata": map[string]any{"resourceVersion": ""}, "items": items}
	return v
}

// ResourceName returns kind.group/name as kubectl's -o name.
func ResourceName(object *unstructured.Unstructured) string {
	gvk := object.GroupVersionKind()
	if gvk.Group == "" {
		return strings.ToLower(gvk.Kind) + "/" + object.GetName()
	}
	return strings.ToLower(gvk.Kind) + "." + gvk.Group + "/" + object.GetName()
}

// Age returns how long ago a time was, as kubectl shows it.
func Age(env command.Environment, t metav1.Time) string {
	if t.IsZero() {
		return "<unknown>"
	}
	return duration.HumanDuration(env.Now().Sub(t.Time))
}

// NewScreen returns where a command's text goes. Colour is for terminals only, and not for those that can't show it, or
// whose user doesn't want it (no-color.org).
func NewScreen(env command.Environment, language finding.Language) terminal.Screen {
	color := env.Terminal.TTY && env.Getenv("NO_COLOR") == "" && env.Getenv("TERM") != "dumb" && env.Getenv("TERM") != ""
	return terminal.Screen{Writer: env.Out, Width: env.Terminal.Width, Color: color, Language: language}
}
