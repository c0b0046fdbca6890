package cluster

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// kubeconfigFlags are kubectl's flags that say which cluster to talk to and as whom, and the kubeconfig that they lead
// to. cli-runtime's ConfigFlags have the same flags, but bring kustomize along, which nothing here needs.
type kubeconfigFlags struct {
	config clientcmd.ClientConfig
	extra  []string
}

// NewKubeconfigFlags adds the flags to a set.
func NewKubeconfigFlags(flags *pflag.FlagSet) *kubeconfigFlags {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	overrides := &clientcmd.ConfigOverrides{ClusterDefaults: clientcmd.ClusterDefaults}
	f := &kubeconfigFlags{config: clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides)}
	flags.StringVar(&rules.ExplicitPath, clientcmd.RecommendedConfigPathFlag, "", "Path to the kubeconfig file to use for CLI requests.")
	names := clientcmd.RecommendedConfigOverrideFlags("")
	names.ClusterOverrideFlags.APIServer.ShortName = "s"
	// API servers have had no passwords since Kubernetes 1.19.
	names.AuthOverrideFlags.Username, names.AuthOverrideFlags.Password = clientcmd.FlagInfo{}, clientcmd.FlagInfo{}
	clientcmd.BindOverrideFlags(overrides, flags, names)
	flags.StringArrayVar(&f.extra, "as-user-extra", nil, "User extra to impersonate for the operation as key=value, this flag can be repeated to specify multiple values.")
	return f
}

// AddCompletion lets the shell complete the flags that choose from the kubeconfig.
func (f *kubeconfigFlags) AddCompletion(root *cobra.Command) {
	for name, list := range map[string]func(clientcmdapi.Config) []string{
		"context": func(c clientcmdapi.Config) []string { return slices.Collect(maps.Keys(c.Contexts)) },
		"cluster": func(c clientcmdapi.Config) []string { return slices.Collect(maps.Keys(c.Clusters)) },
		"user":    func(c clientcmdapi.Config) []string { return slices.Collect(maps.Keys(c.AuthInfos)) },
	} {
		// It fails only for a flag that doesn't exist or has a completion.
		_ = root.RegisterFlagCompletionFunc(name, func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			config, err := f.config.RawConfig()
			if err != nil {
				cobra.CompDebugln(err.Error(), false)
			}
			names := list(config)
			slices.Sort(names)
			return names, cobra.ShellCompDirectiveNoFileComp
		})
	}
}

// Namespace returns the namespace that the flags or the kubeconfig's context name.
func (f *kubeconfigFlags) Namespace() (string, error) {
	namespace, _, err := f.config.Namespace()
	return namespace, err
}

// RESTConfig returns the way to the API server.
func (f *kubeconfigFlags) RESTConfig() (*rest.Config, error) {
	config, err := f.config.ClientConfig()
	if err != nil {
		return nil, err
	}
	for _, extra := range f.extra {
		key, value, ok := strings.Cut(extra, "=")
		if !ok {
			return nil, fmt.Errorf("--as-user-extra %q is not key=value", extra)
		}
		if config.Impersonate.Extra == nil {
			config.Impersonate.Extra = map[string][]string{}
		}
		config.Impersonate.Extra[key] = append(config.Impersonate.Extra[key], value)
	}
	return config, nil
}
