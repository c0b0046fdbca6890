package plugin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/cli-runtime/pkg/printers"
	"sigs.k8s.io/yaml"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/gotemplate"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// Output formats. Each command says which of them it has; "" is its own text for people.
const (
	formatText = ""
	formatWide = "wide"
	formatJSON = "json"
	formatYAML = "yaml"
	formatName = "name"

	// These take a template after their names.
	formatJSONPath      = "jsonpath="
	formatGoTemplate    = "go-template="
	formatCustomColumns = "custom-columns="

	// These are for checks.
	formatShort    = "short"
	formatMarkdown = "markdown"
	formatJUnit    = "junit"
	formatSARIF    = "sarif"
)

// readFormats are those of commands that show something.
func readFormats() []string {
	return []string{formatWide, formatJSON, formatYAML, formatName, formatJSONPath, formatGoTemplate, formatCustomColumns}
}

// checkFormats are those of commands that judge something.
func checkFormats() []string {
	return append(readFormats(), formatShort, formatMarkdown, formatJUnit, formatSARIF)
}

// addOutputFlag adds -o with completion.
func addOutputFlag(cmd *cobra.Command, format *string, allowed ...string) {
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

// view is what a command found, ready for any of its formats. What a command's formats don't use may be left out.
type view struct {
	// document is what json, yaml, jsonpath and go-template show: a struct or a map with apiVersion and kind.
	document any
	// items are the parts of the document that custom-columns shows a line of; the document itself if nil.
	items []any
	// names are what name shows, kind.group/name each.
	names []string
	// text writes it for people; wide asks for more.
	text func(out screen, wide bool) error
	// checks are what the formats of checks show, and policy what they make of it.
	checks []report.Group
	policy report.Policy
}

// output writes views in one format. Make it with newOutput, which says what is wrong with the user's choice.
type output struct {
	env      Environment
	format   string
	language finding.Language
	// template prints a document with the user's jsonpath or go-template.
	template func(object *unstructured.Unstructured, out io.Writer) error
	columns  []customColumn
}

// newOutput reads the value of -o.
func newOutput(cmd *cobra.Command, env Environment, format string, allowed ...string) (*output, error) {
	name, template, hasTemplate := strings.Cut(format, "=")
	if hasTemplate {
		name += "="
	}
	if format != formatText && !slices.Contains(allowed, name) {
		return nil, usagef(cmd, "unknown output format %q: allowed are %s", format, strings.Join(shown(allowed), ", "))
	}
	o := &output{env: env, format: name}
	var err error
	if o.language, err = languageOf(cmd, env); err != nil {
		return nil, err
	}
	switch name {
	case formatJSONPath:
		var path *printers.JSONPathPrinter
		if path, err = printers.NewJSONPathPrinter(template); err == nil {
			path.AllowMissingKeys(true)
			o.template = func(object *unstructured.Unstructured, out io.Writer) error { return path.PrintObj(object, out) }
		}
	case formatGoTemplate:
		var parsed *gotemplate.Template
		if parsed, err = gotemplate.Parse("output", template); err == nil {
			o.template = func(object *unstructured.Unstructured, out io.Writer) error {
				return parsed.Execute(out, object.Object)
			}
		}
	case formatCustomColumns:
		o.columns, err = parseCustomColumns(template)
	}
	if err != nil {
		return nil, usagef(cmd, "output format %q: %w", format, err)
	}
	return o, nil
}

// human reports whether the output is text for people.
func (o *output) human() bool { return o.format == formatText || o.format == formatWide }

// notes is where text that isn't the output goes: with a format for machines, stdout holds one document and nothing else.
func (o *output) notes() screen {
	if o.human() {
		return newScreen(o.env, o.language)
	}
	return plain(o.env.ErrOut, o.language)
}

// print writes a view in the format.
func (o *output) print(v view) error {
	out := o.env.Out
	switch o.format {
	case formatText, formatWide:
		return v.text(newScreen(o.env, o.language), o.format == formatWide)
	case formatName:
		for _, name := range v.names {
			if _, err := fmt.Fprintln(out, line(name)); err != nil {
				return err
			}
		}
		return nil
	case formatShort:
		return report.WriteShort(out, v.checks, o.language, line)
	case formatMarkdown:
		return report.WriteMarkdown(out, v.checks, o.language, line)
	case formatJUnit:
		return report.WriteJUnit(out, v.checks, v.policy, o.language)
	case formatSARIF:
		return report.WriteSARIF(out, v.checks, o.env.Build.Version, o.language)
	case formatCustomColumns:
		items := v.items
		if items == nil {
			items = []any{v.document}
		}
		return printCustomColumns(newScreen(o.env, o.language), o.columns, items)
	}
	return o.printDocument(v.document)
}

// printDocument writes a document as JSON, as YAML, or through the user's template. kubectl's own printers fail for YAML
// with control characters, and let some through to the terminal in JSON.
func (o *output) printDocument(document any) error {
	object, err := generic(document)
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
	if o.format == formatYAML {
		if data, err = yaml.JSONToYAML(data); err != nil {
			return fmt.Errorf("encoding the output: %w", err)
		}
	}
	_, err = o.env.Out.Write(data)
	return err
}

// printTemplate writes nothing of a template that fails, and on a terminal no control characters of the cluster.
func (o *output) printTemplate(object *unstructured.Unstructured) error {
	var buffer bytes.Buffer
	if err := o.template(object, &buffer); err != nil {
		return fmt.Errorf("-o %s: %w", o.format, err)
	}
	text := buffer.String()
	if o.env.Terminal.TTY {
		text = multiline(text)
	}
	_, err := io.WriteString(o.env.Out, text)
	return err
}

// generic turns a document into what cli-runtime's printers take, without managed fields, as kubectl shows objects.
func generic(document any) (*unstructured.Unstructured, error) {
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

// objectView shows an object of the API as kubectl does.
func objectView(object *unstructured.Unstructured) view {
	return view{document: object.Object, names: []string{resourceName(object)}}
}

// listView shows objects of the API as kubectl does: as a List.
func listView(objects []unstructured.Unstructured) view {
	v := view{items: []any{}}
	items := make([]any, 0, len(objects))
	for i := range objects {
		items = append(items, objects[i].Object)
		v.names = append(v.names, resourceName(&objects[i]))
	}
	v.items = items
	v.document = map[string]any{"apiVersion": "v1", "kind": "List", "metadata": map[string]any{"resourceVersion": ""}, "items": items}
	return v
}

// resourceName returns kind.group/name as kubectl's -o name.
func resourceName(object *unstructured.Unstructured) string {
	gvk := object.GroupVersionKind()
	if gvk.Group == "" {
		return strings.ToLower(gvk.Kind) + "/" + object.GetName()
	}
	return strings.ToLower(gvk.Kind) + "." + gvk.Group + "/" + object.GetName()
}
