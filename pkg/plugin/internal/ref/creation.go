package ref

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/observe"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/output"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/preflight"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// creation is one reference that shall be created.
type creation struct {
	*refCreateOptions
	key types.NamespacedName
	// existing is the Dataset that is there already; nil if there is none.
	existing *unstructured.Unstructured
	// dataset is the reference as it will be.
	dataset   *datav1alpha1.Dataset
	preflight *preflight.Preflight
	// applied is what the server, or the client, made of it.
	applied *unstructured.Unstructured
}

func (o *refCreateOptions) newCreation(ctx context.Context, reader client.Reader, key types.NamespacedName) (*creation, error) {
	existing, err := cluster.GetDataset(ctx, reader, key)
	if err != nil {
		return nil, err
	}
	c := &creation{refCreateOptions: o, key: key, existing: existing}
	c.dataset, err = c.newDataset()
	return c, err
}

// newDataset returns the reference as it would be; an error if an existing Dataset of the name isn't this reference.
func (c *creation) newDataset() (*datav1alpha1.Dataset, error) {
	dataset := &datav1alpha1.Dataset{ObjectMeta: metav1.ObjectMeta{Namespace: c.key.Namespace, Name: c.key.Name}}
	modes := c.accessModes
	if c.existing != nil {
		var err error
		if dataset, err = cluster.TypedDataset(c.existing); err != nil {
			return nil, err
		}
		if err := c.checkExisting(dataset); err != nil {
			return nil, err
		}
		if len(modes) == 0 {
			modes = dataset.Spec.AccessModes
		}
	}
	if len(modes) == 0 {
		modes = []corev1.PersistentVolumeAccessMode{corev1.ReadOnlyMany}
	}
	if c.existing == nil {
		dataset.Spec.Mounts = []datav1alpha1.Mount{{MountPoint: c.source.MountPoint()}}
	}
	dataset.Spec.AccessModes = modes
	return dataset, nil
}

// checkExisting refuses to change a Dataset that isn't the same reference.
func (c *creation) checkExisting(dataset *datav1alpha1.Dataset) error {
	if f, taken := nameTaken(dataset, c.source); taken {
		return &command.ExitError{Code: command.ExitFindings, Err: fmt.Errorf("the reference %s was not created, nothing was written: %s", c.key, f.In(c.output.Language))}
	}
	if dataset.DeletionTimestamp != nil {
		return fmt.Errorf("creating the reference %s: a Dataset of this name is still being deleted (finalizers: %s); wait until it has gone and try again",
			c.key, strings.Join(dataset.Finalizers, ", "))
	}
	return nil
}

// nameTaken returns a finding if an existing Dataset isn't a reference to a source.
func nameTaken(existing *datav1alpha1.Dataset, wanted reference.Source) (finding.Finding, bool) {
	object := finding.Object{Kind: datav1alpha1.DatasetKind, Namespace: existing.Namespace, Name: existing.Name}
	if !reference.IsReference(existing) {
		return finding.New(finding.CodeDatasetNameTaken, object, "it exists already and is not a reference"), true
	}
	if source, err := reference.SourceOf(existing); err != nil || source != wanted {
		return finding.New(finding.CodeDatasetNameTaken, object, "it exists already and refers to %s, not to %s", cluster.SourceText(existing), wanted), true
	}
	return finding.Finding{}, false
}

// forceable returns the codes of findings that only keep sidecars away: pods on nodes with Fluid's CSI plugin can use such
// a reference, and nothing foreign is read or written.
func forceable() []string {
	return []string{string(finding.CodeRuntimeNoSidecar), string(finding.CodeTemplateUnusable), string(finding.CodeTemplateClaim)}
}

// refusal returns the error for findings that keep the reference from being created; nil if there are none.
func (c *creation) refusal() error {
	blocking := slices.DeleteFunc(c.preflight.Findings.Of(finding.Error), func(f finding.Finding) bool {
		return c.force && slices.Contains(forceable(), string(f.Code))
	})
	if len(blocking) == 0 {
		return nil
	}
	more := ""
	if len(blocking) > 1 {
		more = fmt.Sprintf(" (and %d more errors)", len(blocking)-1)
	}
	if !slices.ContainsFunc(blocking, func(f finding.Finding) bool { return !slices.Contains(forceable(), string(f.Code)) }) {
		more += "; --force creates it all the same, for pods without sidecars"
	}
	return &command.ExitError{Code: command.ExitFindings, Err: fmt.Errorf("the reference %s was not created, nothing was written: %s%s", c.key, blocking[0].In(c.output.Language), more)}
}

// print prints the checks, and what the controller makes if there are no errors.
func (c *creation) print(out terminal.Screen) error {
	out.Say("Checks of the reference %s to %s:\n\n", c.key, c.source)
	if err := output.PrintResults(out, c.preflight.Results(out.Language), true); err != nil {
		return err
	}
	out.Say("\n")
	if len(c.preflight.Findings.Of(finding.Error)) > 0 {
		return nil
	}
	out.Say("The controller makes for it:\n\n")
	if err := c.preflight.PrintObjects(out); err != nil {
		return err
	}
	out.Say("\n")
	return nil
}

// apply applies the Dataset, or doesn't with --dry-run=client, and says what happened.
func (c *creation) apply(ctx context.Context, env command.Environment, writer client.Client) error {
	object := c.manifest()
	suffix := ""
	options := []client.ApplyOption{client.FieldOwner(cluster.FieldManager)}
	switch c.dryRun {
	case dryRunClient:
		suffix = " (dry run)"
	case dryRunServer:
		options, suffix = append(options, client.DryRunAll), " (server dry run)"
	}
	c.applied = object
	wanted := object.DeepCopy()
	if c.dryRun != dryRunClient {
		if err := writer.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), options...); err != nil {
			return c.explainApply(err)
		}
	}
	verb := "created"
	switch {
	case c.existing == nil:
	case c.unchanged(wanted):
		verb = "unchanged"
	default:
		verb = "configured"
	}
	if c.output.Human() {
		where := ""
		if len(c.keys) > 1 {
			where = " in namespace " + c.key.Namespace
		}
		env.Printf("%s %s%s%s\n", output.ResourceName(object), verb, where, suffix)
	}
	return nil
}

// unchanged reports whether applying an existing Dataset changed nothing, or wouldn't.
func (c *creation) unchanged(wanted *unstructured.Unstructured) bool {
	if c.dryRun == dryRunNone {
		return c.applied.GetResourceVersion() == c.existing.GetResourceVersion()
	}
	modes, _, _ := unstructured.NestedFieldNoCopy(wanted.Object, "spec", "accessModes")
	present, _, _ := unstructured.NestedFieldNoCopy(c.existing.Object, "spec", "accessModes")
	return fmt.Sprint(modes) == fmt.Sprint(present) && contained(wanted.GetLabels(), c.existing.GetLabels()) && contained(wanted.GetAnnotations(), c.existing.GetAnnotations())
}

// contained reports whether all of some labels or annotations are among others.
func contained(some, others map[string]string) bool {
	for key, value := range some {
		if have, ok := others[key]; !ok || have != value {
			return false
		}
	}
	return true
}

// manifest returns the Dataset with what a reference consists of and nothing else, as somebody would write it.
func (c *creation) manifest() *unstructured.Unstructured {
	object := cluster.NewDatasetObject()
	object.SetNamespace(c.key.Namespace)
	object.SetName(c.key.Name)
	if len(c.labels) > 0 {
		object.SetLabels(c.labels)
	}
	if len(c.annotations) > 0 {
		object.SetAnnotations(c.annotations)
	}
	modes := make([]any, 0, len(c.dataset.Spec.AccessModes))
	for _, mode := range c.dataset.Spec.AccessModes {
		modes = append(modes, string(mode))
	}
	object.Object["spec"] = map[string]any{
		"mounts":      []any{map[string]any{"mountPoint": c.dataset.Spec.Mounts[0].MountPoint}},
		"accessModes": modes,
	}
	return object
}

func (c *creation) explainApply(err error) error {
	doing := fmt.Sprintf("creating the Dataset %s", c.key)
	if reason, refused := cluster.RefusalOf(err); refused {
		return &command.ExitError{Code: command.ExitFindings, Err: fmt.Errorf("%s: the webhook refuses it: %s", doing, reason)}
	}
	switch {
	case apierrors.IsNotFound(err) && !observe.KindUnknown(err):
		return fmt.Errorf("%s: %w; create the namespace first: kubectl create namespace %s", doing, err, c.key.Namespace)
	case apierrors.IsConflict(err):
		return fmt.Errorf("%s: another field manager owns what would be changed: %w; change the Dataset with the tool that manages it", doing, err)
	}
	return cluster.ExplainAPI(doing, err)
}
