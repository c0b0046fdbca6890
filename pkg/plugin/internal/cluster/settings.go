package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/inject"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// OwnWebhook is the name of this project's webhook configurations, by which a cluster shows who injects sidecars.
const OwnWebhook = "kubectl-fluid-sidecar-injector"

// namingAuto asks the cluster how it names mirrors.
const namingAuto = "auto"

// AddNamingFlag adds --mirror-names; more are values that only some commands know.
func AddNamingFlag(cmd *cobra.Command, naming *string, more ...string) {
	help := "How copies of ConfigMaps and Secrets are named: auto (as the cluster does it), unique (names of their own) or source (their sources' names, Fluid's own way)."
	if len(more) > 0 {
		help += " Also: " + strings.Join(more, ", ") + "."
	}
	cmd.Flags().StringVar(naming, "mirror-names", namingAuto, help)
	_ = cmd.RegisterFlagCompletionFunc("mirror-names", cobra.FixedCompletions(append(namings(), more...), cobra.ShellCompDirectiveNoFileComp))
}

func namings() []cobra.Completion {
	return []cobra.Completion{namingAuto, string(reference.UniqueNames), string(reference.SourceNames)}
}

// ValidateNaming returns an error of usage if a command doesn't know the value of --mirror-names; more is as in
// AddNamingFlag.
func ValidateNaming(cmd *cobra.Command, naming string, more ...string) error {
	if allowed := append(namings(), more...); !slices.Contains(allowed, naming) {
		return command.Usagef(cmd, "unknown --mirror-names %q: allowed are %s", naming, strings.Join(allowed, ", "))
	}
	return nil
}

// Settings are what the controller of a cluster was told, as far as the plugin depends on it.
type Settings struct {
	// MirrorNames says how mirrors are named.
	MirrorNames reference.MirrorNames
	// Sharing is empty where it can't be known.
	Sharing reference.Sharing
	// Privileges says whether there are privileged sidecars; empty for all of them, as controllers have it that don't know
	// others and don't say.
	Privileges inject.Privileges
	// Offline says that nobody looked in a cluster.
	Offline bool
}

// Policy returns what plans depend on, beside objects.
func (s Settings) Policy(depth reference.Depth) reference.Policy {
	return reference.Policy{MirrorNames: s.MirrorNames, Sharing: s.Sharing, Depth: depth}
}

// ResolveSettings finds out the settings of a cluster, and tells a person what about them isn't as it should be.
func ResolveSettings(ctx context.Context, env command.Environment, reader client.Reader, naming string) (Settings, error) {
	s, note, err := resolveSettings(ctx, reader, naming)
	if err == nil {
		env.Note(note)
	}
	return s, err
}

// resolveSettings is ResolveSettings that returns what a person is told.
func resolveSettings(ctx context.Context, reader client.Reader, naming string) (s Settings, note string, err error) {
	own, ownErr := WebhookAnnotations(ctx, reader, OwnWebhook)
	if s.Privileges = inject.PrivilegesNone; ownErr == nil {
		s.Privileges = inject.Privileges(own[inject.LabelPrivileges])
	}
	s.MirrorNames, note, err = resolveNaming(ctx, reader, naming, own, ownErr)
	switch sharing, parseErr := reference.ParseSharing(own[reference.AnnotationSharing]); {
	case apierrors.IsNotFound(ownErr):
		s.Sharing = reference.SharingOpen // Nobody asks for consent where the controller isn't.
	case ownErr == nil && parseErr == nil:
		s.Sharing = sharing
	}
	return s, note, err
}

// resolveNaming returns how mirrors are named. For auto that depends on who injects sidecars in the cluster; the note
// says so where it isn't this project's own webhook, whose annotations are given, or why they couldn't be read.
func resolveNaming(ctx context.Context, reader client.Reader, naming string, own map[string]string, ownErr error) (names reference.MirrorNames, note string, err error) {
	if naming != namingAuto {
		return reference.MirrorNames(naming), "", nil
	}
	if ownErr == nil {
		return namingOf(own)
	}
	fluidErr := ownErr
	if apierrors.IsNotFound(ownErr) {
		if _, fluidErr = WebhookAnnotations(ctx, reader, reference.FluidWebhook); fluidErr == nil {
			return reference.SourceNames, "sidecars are injected by Fluid's own webhook " + reference.FluidWebhook +
				", so copies are expected under their sources' names (--mirror-names=source)", nil
		}
	}
	const assumed = "; --mirror-names=unique is assumed"
	switch {
	case apierrors.IsForbidden(fluidErr):
		return reference.UniqueNames, "you may not read the MutatingWebhookConfigurations that say how copies are named" + assumed, nil
	case apierrors.IsNotFound(fluidErr):
		return reference.UniqueNames, "no webhook that injects sidecars is installed (neither " + OwnWebhook + " nor " + reference.FluidWebhook + ")" + assumed, nil
	}
	return "", "", ExplainAPI("finding out how copies are named", fluidErr)
}

func namingOf(annotations map[string]string) (reference.MirrorNames, string, error) {
	switch value := reference.MirrorNames(annotations[reference.AnnotationMirrorNames]); value {
	case reference.UniqueNames, reference.SourceNames:
		return value, "", nil
	default:
		return reference.UniqueNames, fmt.Sprintf("the annotation %s of the MutatingWebhookConfiguration %s is %q; --mirror-names=unique is assumed",
			reference.AnnotationMirrorNames, OwnWebhook, value), nil
	}
}

// WebhookAnnotations reads the annotations of a MutatingWebhookConfiguration.
func WebhookAnnotations(ctx context.Context, reader client.Reader, name string) (map[string]string, error) {
	webhook := &metav1.PartialObjectMetadata{}
	webhook.SetGroupVersionKind(admissionregistrationv1.SchemeGroupVersion.WithKind("MutatingWebhookConfiguration"))
	err := reader.Get(ctx, client.ObjectKey{Name: name}, webhook)
	return webhook.Annotations, err
}

// FieldManager is the field manager of what the plugin applies.
const FieldManager = "kubectl-fluid"
