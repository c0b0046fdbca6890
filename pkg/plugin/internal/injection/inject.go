package injection

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/aymanbagabas/go-udiff"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/version"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/inject"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/manifest"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/output"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// injectFlags are the flags as they were given.
type injectFlags struct {
	manifests cluster.ManifestFlags
	objects   []string
	naming    string
	mode      string
	server    string
	// privileges and user are those of sidecars.
	privileges string
	user       string
	all        bool
	diff       bool
}

// injectOptions say what to inject and how.
type injectOptions struct {
	namespace string
	// manifests are printed with sidecars; objects are only read.
	manifests cluster.ManifestFlags
	objects   []string
	naming    string
	mode      inject.Mode
	// privileges is empty for what the cluster says; user is who sidecars without privileges are.
	privileges inject.Privileges
	user       int64
	// server is the version of Kubernetes; nil for that of the API server.
	server   *version.Version
	all      bool
	diff     bool
	language finding.Language
}

// NewCommand returns the command inject.
func NewCommand(env command.Environment) *cobra.Command {
	flags := &injectFlags{}
	cmd := &cobra.Command{
		Use:   "inject -f FILE | -k DIRECTORY",
		Short: "Give pods in manifests their sidecars, as the webhook would",
		Long: `Give the pods and pod templates of manifests their FUSE sidecars and print the
manifests, for clusters whose webhook isn't to be relied on. What changes nothing
in them stays as it is, comments, order and blank lines too; a file without pods
comes out byte for byte. What was done is said on stderr.

Datasets and what belongs to them come from the cluster and the manifests, with
--offline from the manifests and --objects alone. If an object can't have its
sidecars nothing is printed, and the exit code is 3; if that can't be said,
because something couldn't be read, it is 1.

Pods of one template share a directory on their node, which pods that the webhook
injects don't: where two of them meet, the end of one ends the other's mount.`,
		Example: `  # What would be changed in a pod?
  kubectl fluid inject -f examples/walkthrough/nginx.yaml -n ref --diff

  # Without a cluster, the Datasets in a file of their own
  kubectl fluid inject -f examples/walkthrough/nginx.yaml -n ref --objects datasets.yaml --offline

  # Between kustomize and kubectl
  kubectl kustomize . | kubectl fluid inject -f - -n ref | kubectl apply -f -`,
		Args: command.MaxArgs(0, "no argument: manifests are given with -f"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := flags.options(cmd, env)
			if err != nil {
				return err
			}
			return o.run(cmd.Context(), env)
		},
	}
	flags.manifests.Add(cmd)
	cmd.Flags().StringSliceVar(&flags.objects, "objects", nil, "Also read these files, for Datasets and what belongs to them; they aren't printed.")
	cluster.AddNamingFlag(cmd, &flags.naming)
	cmd.Flags().StringVar(&flags.mode, "mode", "", "native (init containers that go on running) or classic (the first of the ordinary containers). Default: native, where the server has it.")
	_ = cmd.RegisterFlagCompletionFunc("mode", cobra.FixedCompletions([]cobra.Completion{string(inject.ModeNative), string(inject.ModeClassic)}, cobra.ShellCompDirectiveNoFileComp))
	cmd.Flags().StringVar(&flags.privileges, "sidecar-privileges", "", "none (the node plugin mounts for all sidecars) or allowed (those of namespaces with the label "+inject.LabelPrivileges+"=allowed mount by themselves, and are privileged). Default: as the cluster has it, offline none.")
	_ = cmd.RegisterFlagCompletionFunc("sidecar-privileges", cobra.FixedCompletions([]cobra.Completion{string(inject.PrivilegesNone), string(inject.PrivilegesAllowed)}, cobra.ShellCompDirectiveNoFileComp))
	cmd.Flags().StringVar(&flags.user, "sidecar-user", strconv.Itoa(inject.DefaultUser), "The number of the user of sidecars without privileges where neither their FUSE pods nor their pod say, or none.")
	cmd.Flags().StringVar(&flags.server, "kubernetes", "", "The version of Kubernetes to inject for, 1.36 for example. Default: the API server's, offline the newest.")
	cmd.Flags().BoolVar(&flags.all, "all", false, "Also pods whose labels don't ask for sidecars.")
	cmd.Flags().BoolVar(&flags.diff, "diff", false, "Print what changes instead of the manifests.")
	return cmd
}

// options validates the command line. It doesn't talk to the cluster.
func (f *injectFlags) options(cmd *cobra.Command, env command.Environment) (*injectOptions, error) {
	o := &injectOptions{manifests: f.manifests, objects: f.objects, naming: f.naming, all: f.all, diff: f.diff}
	if !f.manifests.Given() {
		return nil, command.Usagef(cmd, "missing flag: -f FILE or -k DIRECTORY says which manifests")
	}
	if slices.Contains(f.objects, "-") {
		return nil, command.Usagef(cmd, "--objects reads files; stdin is for -f -")
	}
	if err := errors.Join(f.manifests.Validate(cmd), cluster.ValidateNaming(cmd, f.naming)); err != nil {
		return nil, err
	}
	var err error
	if f.mode != "" {
		if o.mode, err = inject.ParseMode(f.mode); err != nil {
			return nil, command.Usagef(cmd, "--mode: %w", err)
		}
	}
	if f.privileges != "" {
		if o.privileges, err = inject.ParsePrivileges(f.privileges); err != nil {
			return nil, command.Usagef(cmd, "--sidecar-privileges: %w", err)
		}
	}
	if o.user, err = inject.ParseUser(f.user); err != nil {
		return nil, command.Usagef(cmd, "--sidecar-user: %w", err)
	}
	switch {
	case f.server != "":
		if o.server, err = version.ParseGeneric(f.server); err != nil {
			return nil, command.Usagef(cmd, "--kubernetes %q is not a version: %w", f.server, err)
		}
	case f.manifests.Offline:
		o.server = reference.NewestVersion()
	}
	if o.namespace, err = cluster.NamespaceOf(cmd, env.Connection); err != nil {
		return nil, err
	}
	o.language, err = command.LanguageOf(cmd, env)
	return o, err
}

func (o *injectOptions) run(ctx context.Context, env command.Environment) error {
	texts, err := o.manifests.Texts(ctx, env)
	if err != nil {
		return err
	}
	only := cluster.ManifestFlags{Filenames: o.objects}
	objects, err := only.Texts(ctx, env)
	if err != nil {
		return err
	}
	c, err := cluster.NewView(env, slices.Concat(texts, objects), o.manifests.Offline, o.namespace)
	if err != nil {
		return err
	}
	i, err := o.newInjector(ctx, env, c)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	for _, s := range texts {
		var text []byte
		if text, err = i.inFile(s); err != nil {
			return fmt.Errorf("injecting into %s: %w", s.Name, err)
		}
		if o.diff {
			out.WriteString(udiff.Unified(s.Name, s.Name+" with sidecars", string(s.Data), string(text)))
		} else {
			appendDocuments(&out, text)
		}
	}
	if err = i.print(env); err != nil {
		return err
	}
	switch {
	case i.blocked:
		return &command.ExitError{Code: command.ExitFindings, Err: errors.New("not every object can have its sidecars: nothing was printed")}
	case i.unread:
		return errors.New("some of what sidecars are made from couldn't be read: nothing was printed")
	}
	_, err = out.WriteTo(env.Out)
	return err
}

// appendDocuments adds the documents of a file to those of the files before.
func appendDocuments(out *bytes.Buffer, text []byte) {
	if before := out.Bytes(); len(before) > 0 {
		if !bytes.HasSuffix(before, []byte("\n")) {
			out.WriteByte('\n')
		}
		if !bytes.HasPrefix(text, []byte("---")) {
			out.WriteString("---\n")
		}
	}
	out.Write(text)
}

// newInjector finds out what the cluster, or whoever calls, wants sidecars to be like.
func (o *injectOptions) newInjector(ctx context.Context, env command.Environment, c *cluster.View) (*Injector, error) {
	s, err := c.Settings(ctx, env, o.naming)
	if err != nil {
		return nil, err
	}
	server := o.server
	if server == nil {
		info, err := env.Connection.ServerVersion(ctx)
		if err != nil {
			return nil, err
		}
		if server, err = version.ParseGeneric(info.GitVersion); err != nil {
			return nil, fmt.Errorf("reading the API server's version %q: %w; say it with --kubernetes", info.GitVersion, err)
		}
	}
	privileges := cmp.Or(o.privileges, s.Privileges)
	privileged := func(namespace string) bool {
		return privileges == inject.PrivilegesAllowed && c.Privileged(ctx, namespace)
	}
	features := reference.FeaturesOf(server)
	return &Injector{Ctx: ctx, Reader: c, Settings: s, language: o.language, Options: inject.TemplateOptions{
		Namespace: o.namespace, Unasked: o.all,
		Variant: inject.Variant{Classic: o.mode == inject.ModeClassic || o.mode == "" && !features.NativeSidecars,
			SelfHealing: features.SelfHealing, Served: privileges != "", User: o.user},
		Privileged: privileged,
	}}, nil
}

// inFile returns a file's text with sidecars.
func (i *Injector) inFile(s cluster.ManifestText) ([]byte, error) {
	var result bytes.Buffer
	for n, document := range manifest.Split(s.Data) {
		text, err := i.inDocument(document)
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", n+1, err)
		}
		result.Write(text)
	}
	return result.Bytes(), nil
}

// inDocument returns a document with sidecars; the document itself if there is nothing to change.
func (i *Injector) inDocument(document []byte) ([]byte, error) {
	object, err := manifest.JSON(document)
	if err != nil || object == nil {
		return document, err
	}
	results, err := inject.Template(object, i.Find, i.Options)
	if err != nil {
		return nil, err
	}
	for _, result := range results {
		i.report(result)
		if result.Patch == nil {
			continue
		}
		if document, err = manifest.Patch(document, result.Patch); err != nil {
			return nil, fmt.Errorf("%s: %w", result.Object, err)
		}
	}
	return document, nil
}

// report notes what became of an object. Objects that have no pods aren't worth a word.
func (i *Injector) report(result inject.Result) {
	if len(result.Findings) == 1 && result.Findings[0].Code == finding.CodeNoPodTemplate {
		return
	}
	if result.Patch != nil {
		i.results = append(i.results, report.NewPass(result.Object.String(), "it has got its sidecars"))
	}
	i.results = append(i.results, output.ResultsOf(result.Findings, i.language)...)
	for _, f := range result.Findings.Blocking() {
		unread := f.Severity == finding.Inconclusive
		i.unread, i.blocked = i.unread || unread, i.blocked || !unread
	}
}

func (i *Injector) print(env command.Environment) error {
	if len(i.results) == 0 {
		env.Sayf("The manifests have no pods.\n")
		return nil
	}
	var text strings.Builder
	if err := output.PrintResults(terminal.Plain(&text, i.language), i.results, true); err != nil {
		return err
	}
	_, err := io.WriteString(env.ErrOut, text.String())
	return err
}
