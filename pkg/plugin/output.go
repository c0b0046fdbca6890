package plugin

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// Output formats. Each command says which of them it has; "" is its own text for people.
const (
	formatText = ""
	formatWide = "wide"
	formatJSON = "json"
	formatYAML = "yaml"
	formatName = "name"
	// formatTable is another word for the text where that is a table.
	formatTable = "table"
)

// addOutputFlag adds -o with completion.
func addOutputFlag(cmd *cobra.Command, format *string, allowed ...string) {
	cmd.Flags().StringVarP(format, "output", "o", "", "Output format. One of: "+strings.Join(allowed, ", ")+".")
	// It fails only for a flag that doesn't exist or has a completion.
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(allowed, cobra.ShellCompDirectiveNoFileComp))
}

func validateOutput(cmd *cobra.Command, format string, allowed ...string) error {
	if format == formatText || slices.Contains(allowed, format) {
		return nil
	}
	return usagef(cmd, "unknown output format %q: allowed are %s", format, strings.Join(allowed, ", "))
}

// printDocument writes a value as one JSON or YAML document.
func printDocument(out io.Writer, format string, value any) error {
	data, err := json.MarshalIndent(value, "", "    ")
	if err == nil && format == formatYAML {
		data, err = yaml.JSONToYAML(data)
	} else {
		data = append(data, '\n')
	}
	if err != nil {
		return fmt.Errorf("encoding the output: %w", err)
	}
	_, err = out.Write(data)
	return err
}

// printObject writes an object of the API as kubectl does: without its managed fields.
func printObject(out io.Writer, format string, object *unstructured.Unstructured) error {
	if format == formatName {
		_, err := fmt.Fprintln(out, resourceName(object))
		return err
	}
	object = object.DeepCopy()
	object.SetManagedFields(nil)
	return printDocument(out, format, object.Object)
}

// resourceName returns kind.group/name as kubectl's -o name.
func resourceName(object *unstructured.Unstructured) string {
	gvk := object.GroupVersionKind()
	return strings.ToLower(gvk.Kind) + "." + gvk.Group + "/" + object.GetName()
}
