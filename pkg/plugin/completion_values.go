package plugin

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// completionTimeout is how long a shell waits for the cluster; then it completes nothing.
const completionTimeout = 3 * time.Second

// values lists what an argument or a flag may be, with a tab and a description where there is one.
type values func(ctx context.Context, env Environment) ([]string, error)

// addCompletion lets the shell complete arguments and flags of all commands below root. What a command has said itself
// stays.
func addCompletion(root *cobra.Command, env Environment) {
	arguments, flags := argumentValues(), flagValues()
	var visit func(cmd *cobra.Command, path string)
	visit = func(cmd *cobra.Command, path string) {
		for name, list := range flags {
			if cmd.LocalFlags().Lookup(name) != nil {
				// It fails only for a flag that has a completion.
				_ = cmd.RegisterFlagCompletionFunc(name, completing(env, list, anyNumber))
			}
		}
		if cmd.ValidArgsFunction == nil {
			cmd.ValidArgsFunction = cobra.NoFileCompletions
			if list, ok := arguments[path]; ok {
				most := 1
				if strings.Contains(cmd.Use, "...") {
					most = anyNumber
				}
				cmd.ValidArgsFunction = completing(env, list, most)
			}
		}
		for _, child := range cmd.Commands() {
			visit(child, strings.TrimSpace(path+" "+child.Name()))
		}
	}
	visit(root, "")
}

// argumentValues says what the arguments of commands are.
func argumentValues() map[string]values {
	return map[string]values{
		"explain":         codes,
		"ref check":       references,
		"ref delete":      references,
		"ref describe":    references,
		"ref diff":        references,
		"ref tree":        datasets,
		"ref share":       physicalDatasets,
		"ref unshare":     physicalDatasets,
		"inspect sidecar": pods,
		"inspect dataset": datasets,
	}
}

// flagValues says what flags are, by their name, whichever command has them.
func flagValues() map[string]values {
	return map[string]values{
		"from":       physicalDatasets,
		"with":       namespaces,
		"namespace":  namespaces,
		"namespaces": namespaces,
		"only":       codes,
		"skip":       codes,
	}
}

// anyNumber of arguments is completed.
const anyNumber = -1

// completing makes a completion of a list, for up to most arguments. What the cluster doesn't say isn't completed.
func completing(env Environment, list values, most int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if most >= 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		all, err := list(ctx, env)
		if err != nil {
			cobra.CompDebugln(err.Error(), false)
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		// A list is completed at its last element.
		before, last := "", toComplete
		if comma := strings.LastIndex(toComplete, ","); comma >= 0 {
			before, last = toComplete[:comma+1], toComplete[comma+1:]
		}
		var completions []cobra.Completion
		for _, value := range all {
			if name, description, _ := strings.Cut(value, "\t"); strings.HasPrefix(name, last) && !slices.Contains(args, name) {
				completions = append(completions, cobra.CompletionWithDesc(before+terminal.Line(name), terminal.Line(description)))
			}
		}
		return completions, cobra.ShellCompDirectiveNoFileComp
	}
}

// codes are those of findings.
func codes(context.Context, Environment) ([]string, error) {
	var all []string
	for _, entry := range finding.Catalogue() {
		all = append(all, string(entry.Code)+"\t"+entry.Title)
	}
	return all, nil
}

// references are the references of the namespace.
func references(ctx context.Context, env Environment) ([]string, error) {
	return listDatasets(ctx, env, false, func(dataset *datav1alpha1.Dataset) (string, bool) {
		return dataset.Name + "\t" + cluster.SourceText(dataset), reference.IsReference(dataset)
	})
}

// datasets are those of the namespace.
func datasets(ctx context.Context, env Environment) ([]string, error) {
	return listDatasets(ctx, env, false, func(dataset *datav1alpha1.Dataset) (string, bool) {
		return dataset.Name + "\t" + string(dataset.Status.Phase), true
	})
}

// physicalDatasets are all Datasets that can be referred to, as namespace/name.
func physicalDatasets(ctx context.Context, env Environment) ([]string, error) {
	return listDatasets(ctx, env, true, func(dataset *datav1alpha1.Dataset) (string, bool) {
		return dataset.Namespace + "/" + dataset.Name + "\t" + string(dataset.Status.Phase), !reference.IsReference(dataset)
	})
}

// listDatasets lists Datasets of the namespace, or of all if it may.
func listDatasets(ctx context.Context, env Environment, all bool, text func(*datav1alpha1.Dataset) (string, bool)) ([]string, error) {
	c, err := env.Connection.Client()
	if err != nil {
		return nil, err
	}
	namespace, err := env.Connection.Namespace()
	if err != nil {
		return nil, err
	}
	var list []datav1alpha1.Dataset
	if all {
		list, err = cluster.ListDatasets(ctx, c, "")
	}
	if !all || err != nil {
		list, err = cluster.ListDatasets(ctx, c, namespace)
	}
	var texts []string
	for i := range list {
		if value, ok := text(&list[i]); ok {
			texts = append(texts, value)
		}
	}
	return texts, err
}

// namespaces are those of the cluster.
func namespaces(ctx context.Context, env Environment) ([]string, error) {
	return listNames(ctx, env, "Namespace", "")
}

// pods are those of the namespace.
func pods(ctx context.Context, env Environment) ([]string, error) {
	namespace, err := env.Connection.Namespace()
	if err != nil {
		return nil, err
	}
	return listNames(ctx, env, "Pod", namespace)
}

// listNames lists the names of the core kind's objects.
func listNames(ctx context.Context, env Environment, kind, namespace string) ([]string, error) {
	c, err := env.Connection.Client()
	if err != nil {
		return nil, err
	}
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind + "List"))
	var names []string
	for page, err := range cluster.Pages(ctx, c, list, client.InNamespace(namespace)) {
		if err != nil {
			return names, err
		}
		for _, object := range page.Items {
			names = append(names, object.Name)
		}
	}
	return names, nil
}
