package doctor

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/version"
	apiversion "k8s.io/apimachinery/pkg/version"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/command"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/terminal"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/report"
)

// examiner makes doctor's checks. It never fails: what couldn't be looked at is a result.
type examiner struct {
	ctx       context.Context
	env       command.Environment
	namespace string
	language  finding.Language
	// client is nil if there is no connection.
	client  client.WithWatch
	server  *apiversion.Info
	problem error // why there is no connection

	webhooks *webhookSet // once read
	results  []report.Result
}

func newExaminer(ctx context.Context, env command.Environment, namespace string, language finding.Language) *examiner {
	e := &examiner{ctx: ctx, env: env, namespace: namespace, language: language}
	if e.client, e.problem = env.Connection.Client(); e.problem == nil {
		e.server, e.problem = env.Connection.ServerVersion(ctx)
	}
	return e
}

func (e *examiner) connected() bool { return e.problem == nil }

func (e *examiner) pass(object finding.Object, format string, args ...any) {
	e.results = append(e.results, report.NewPass(object.String(), fmt.Sprintf(format, args...)))
}

func (e *examiner) skip(format string, args ...any) {
	e.results = append(e.results, report.NewSkipped("", fmt.Sprintf(format, args...)))
}

func (e *examiner) find(code finding.Code, object finding.Object, format string, args ...any) {
	e.results = append(e.results, report.NewResult(finding.New(code, object, format, args...), e.language))
}

// unread says that something couldn't be looked at.
func (e *examiner) unread(object finding.Object, err error) {
	e.find(finding.CodeUnread, object, "it couldn't be read: %v", err)
}

// thing names what is no single object.
func thing(text string) finding.Object { return finding.Object{Kind: text} }

func (e *examiner) checkClient() {
	c := command.NewClientVersion(e.env.Build)
	e.pass(thing("kubectl fluid"), "version %s, built with %s for %s, client-go %s", c.Version, c.Go, runtime.GOOS+"/"+runtime.GOARCH, terminal.OrNone(c.Modules["k8s.io/client-go"]))
}

func (e *examiner) checkServer() {
	object := thing("API server")
	if !e.connected() {
		e.find(finding.CodeServerUnreachable, object, "%v", e.problem)
		return
	}
	parsed, err := version.ParseGeneric(e.server.GitVersion)
	switch {
	case err != nil:
		e.unread(object, fmt.Errorf("its version %q: %w", e.server.GitVersion, err))
	case !reference.FeaturesOf(parsed).NativeSidecars:
		e.find(finding.CodeKubernetesTooOld, object, "its version is %s", e.server.GitVersion)
	case !reference.FeaturesOf(parsed).SelfHealing:
		e.find(finding.CodeNoSelfHealing, object, "its version is %s", e.server.GitVersion)
	default:
		e.pass(object, "version %s: native sidecars, and pods that recover from a crash of one", e.server.GitVersion)
	}
}

// definitions are those that references need, and whether they are required.
func definitions() map[string]bool {
	return map[string]bool{"datasets.data.fluid.io": true, "thinruntimes.data.fluid.io": true, "thinruntimeprofiles.data.fluid.io": false}
}

// fluidDefinitions returns the definitions of Fluid's kinds by their names.
func (e *examiner) fluidDefinitions() (map[string]*unstructured.Unstructured, error) {
	found := map[string]*unstructured.Unstructured{}
	for page, err := range cluster.Pages(e.ctx, e.client, cluster.NewList(cluster.DefinitionKind())) {
		if err != nil {
			return nil, err
		}
		for i := range page.Items {
			if group, _, _ := unstructured.NestedString(page.Items[i].Object, "spec", "group"); group == datav1alpha1.GroupName {
				found[page.Items[i].GetName()] = &page.Items[i]
			}
		}
	}
	return found, nil
}

func (e *examiner) checkDefinitions() {
	found, err := e.fluidDefinitions()
	if err != nil {
		e.unread(thing("CustomResourceDefinitions"), err)
		return
	}
	known := definitions()
	for _, name := range []string{"datasets.data.fluid.io", "thinruntimes.data.fluid.io", "thinruntimeprofiles.data.fluid.io"} {
		object := finding.Object{Kind: "CustomResourceDefinition", Name: name}
		switch definition := found[name]; {
		case definition == nil && known[name]:
			e.find(finding.CodeDefinitionMissing, object, "it doesn't exist")
		case definition == nil:
			e.pass(object, "it doesn't exist; only ThinRuntimes need it")
		default:
			e.checkDefinition(object, definition)
		}
		delete(found, name)
	}
	var others []string
	for name := range found {
		others = append(others, strings.TrimSuffix(name, "."+datav1alpha1.GroupName))
	}
	if slices.Sort(others); len(others) > 0 {
		e.pass(thing("API group "+datav1alpha1.GroupName), "further kinds: %s", strings.Join(others, ", "))
	}
}

// checkDefinition looks at what a definition serves. All of these kinds have a status and the version v1alpha1.
func (e *examiner) checkDefinition(object finding.Object, definition *unstructured.Unstructured) {
	versions, _, _ := unstructured.NestedSlice(definition.Object, "spec", "versions")
	var served []string
	hasStatus := false
	for _, v := range versions {
		fields, _ := v.(map[string]any)
		if on, _ := fields["served"].(bool); !on {
			continue
		}
		name, _ := fields["name"].(string)
		served = append(served, name)
		if _, status, _ := unstructured.NestedFieldNoCopy(fields, "subresources", "status"); status && name == "v1alpha1" {
			hasStatus = true
		}
	}
	if !slices.Contains(served, "v1alpha1") || !hasStatus {
		e.find(finding.CodeDefinitionForeign, object, "it serves %s, and v1alpha1 with a status is needed", terminal.OrNone(strings.Join(served, ", ")))
		return
	}
	e.pass(object, "it serves %s; %s", strings.Join(served, ", "), definitionOrigin(definition))
}

// definitionOrigin says whose a definition is: those of kubectl fluid are applied by its own field manager, so that they
// conflict with those of others and never replace them.
func definitionOrigin(definition *unstructured.Unstructured) string {
	var managers []string
	for _, entry := range definition.GetManagedFields() {
		if entry.Subresource == "" && !slices.Contains(managers, entry.Manager) {
			managers = append(managers, entry.Manager)
		}
	}
	if slices.Contains(managers, cluster.FieldManager) {
		return "installed by kubectl fluid"
	}
	return "installed by somebody else (" + terminal.OrNone(strings.Join(managers, ", ")) + "), Fluid as a rule: leave kubectl fluid's crds.yaml out"
}

// Deployments of Fluid's controllers, and the namespace that Fluid is installed in if nothing else is known.
const (
	ownController   = "kubectl-fluid-controller"
	fluidController = "dataset-controller"
	fluidNamespace  = "fluid-system"
)

// checkControllers says who serves references.
func (e *examiner) checkControllers() {
	w := e.readWebhooks()
	own, ownKnown := e.deployment(w.namespaceOf(cluster.OwnWebhook, reference.DefaultController().Namespace), ownController)
	fluid, fluidKnown := e.deployment(w.namespaceOf(reference.FluidWebhook, fluidNamespace), fluidController)
	ownServes, fluidServes := own != nil || w.mutating[cluster.OwnWebhook] != nil, fluid != nil && fluid.Status.Replicas > 0
	for _, d := range []*appsv1.Deployment{own, fluid} {
		if d != nil {
			e.checkDeployment(d)
		}
	}
	object := thing("references")
	switch {
	case ownServes && fluidServes:
		e.find(finding.CodeTwoControllers, object, "both the controller of kubectl fluid and Fluid's dataset-controller serve them")
	case ownServes && own == nil && ownKnown:
		e.pass(object, "served by the controller of kubectl fluid, which isn't the Deployment %s here", ownController)
	case ownServes:
		e.pass(object, "served by the controller of kubectl fluid")
	case fluidServes:
		e.pass(object, "served by Fluid's dataset-controller")
	case ownKnown && fluidKnown && w.err == nil:
		e.find(finding.CodeNobodyServes, object, "there is neither a controller of kubectl fluid nor Fluid's dataset-controller")
	}
}

// deployment reads a Deployment; known is false if that couldn't be done.
func (e *examiner) deployment(namespace, name string) (deployment *appsv1.Deployment, known bool) {
	d := &appsv1.Deployment{}
	switch err := e.client.Get(e.ctx, client.ObjectKey{Namespace: namespace, Name: name}, d); {
	case apierrors.IsNotFound(err):
		return nil, true
	case err != nil:
		e.unread(finding.Object{Kind: "Deployment", Namespace: namespace, Name: name}, err)
		return nil, false
	}
	return d, true
}

func (e *examiner) checkDeployment(d *appsv1.Deployment) {
	object := finding.Object{Kind: "Deployment", Namespace: d.Namespace, Name: d.Name}
	image := "<none>"
	if containers := d.Spec.Template.Spec.Containers; len(containers) > 0 {
		image = containers[0].Image
	}
	switch {
	case d.Spec.Replicas != nil && *d.Spec.Replicas == 0:
		e.pass(object, "it is switched off (0 replicas), image %s", image)
	case d.Status.ReadyReplicas == 0:
		e.find(finding.CodeControllerNotReady, object, "none of its %d pods is ready, image %s", d.Status.Replicas, image)
	default:
		e.pass(object, "%d of %d pods ready, image %s", d.Status.ReadyReplicas, d.Status.Replicas, image)
	}
}
