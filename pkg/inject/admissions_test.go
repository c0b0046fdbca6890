package inject

import (
	"cmp"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	admissionv1 "k8s.io/api/admission/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference/referencetest"
)

// admissionCase is a directory below testdata/admissions: case.yaml says what there is in the cluster and pod.yaml is the
// pod that is created. answer.yaml is the answer.
type admissionCase struct {
	name string

	// Datasets are physical Datasets of the namespace default.
	Datasets []struct {
		Name, Runtime string
		// Patch has JSON patches of its objects by kind; Without the kinds of those that aren't there.
		Patch   map[string]json.RawMessage
		Without []string
	}
	// References are references of the namespace ref by name, with their mount points.
	References map[string]string
	// Objects are other objects.
	Objects []json.RawMessage
	// Handler is how the controller was started, and what its API server can do.
	Handler struct {
		Mode        Mode
		Sharing     reference.Sharing
		MirrorNames reference.MirrorNames
		// Old is a server without native sidecars, NotHealing one without RestartAllContainers.
		Old, NotHealing bool
		Privileges      Privileges
		User            int64
	}
	// Unreadable is a kind of objects that the handler may not read.
	Unreadable string
	// Unknown says that the pod has fields that this build's types don't.
	Unknown bool
}

func admissionCases(t testing.TB) []admissionCase {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join("testdata", "admissions"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []admissionCase
	for _, entry := range entries {
		c := admissionCase{name: entry.Name()}
		for _, file := range c.files(t) {
			if !slices.Contains([]string{"case.yaml", "pod.yaml", "answer.yaml"}, file) {
				t.Errorf("%s isn't a part of a case", c.path(file))
			}
		}
		if err := yaml.UnmarshalStrict(c.read(t, "case.yaml"), &c); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		cases = append(cases, c)
	}
	return cases
}

// files are the names of the case's files.
func (c *admissionCase) files(t testing.TB) []string {
	t.Helper()
	entries, err := os.ReadDir(c.path(""))
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
	}
	return names
}

func (c *admissionCase) path(file string) string {
	return filepath.Join("testdata", "admissions", c.name, file)
}

func (c *admissionCase) read(t testing.TB, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(c.path(file))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// pod returns the pod as JSON, and its namespace.
func (c *admissionCase) pod(t testing.TB) (raw []byte, namespace string) {
	t.Helper()
	raw, err := yaml.YAMLToJSON(c.read(t, "pod.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return raw, mustRead(t, raw).Metadata.Namespace
}

// cluster has the case's objects.
func (c *admissionCase) cluster(t testing.TB) *cluster {
	t.Helper()
	all := &cluster{}
	for _, d := range c.Datasets {
		world := referencetest.World(t, d.Runtime, physical)
		world.Physical.Status.DatasetRef = nil
		for name := range c.References {
			world.Physical.Status.DatasetRef = append(world.Physical.Status.DatasetRef, "ref/"+name)
		}
		for kind, object := range map[string]client.Object{datav1alpha1.DatasetKind: world.Physical, "DaemonSet": world.Fuse,
			"PersistentVolume": world.PhysicalVolume, "PersistentVolumeClaim": world.PhysicalClaim} {
			if !slices.Contains(d.Without, kind) {
				all.others = append(all.others, c.changed(t, object, d.Name, d.Patch[kind]))
			}
		}
	}
	for name, mountPoint := range c.References {
		dataset := referencetest.Reference(mountPoint)
		dataset.Name = name
		all.others = append(all.others, dataset)
	}
	for _, raw := range c.Objects {
		object := &unstructured.Unstructured{}
		if err := json.Unmarshal(raw, object); err != nil {
			t.Fatal(err)
		}
		all.others = append(all.others, object)
	}
	return all
}

// changed returns an object of the physical Dataset phy as that of another name, patched.
func (c *admissionCase) changed(t testing.TB, object client.Object, name string, patch json.RawMessage) client.Object {
	t.Helper()
	raw := encode(t, object)
	if name != "" {
		raw = regexp.MustCompile(`\bphy\b`).ReplaceAll(raw, []byte(name))
	}
	if patch != nil {
		decoded, err := jsonpatch.DecodePatch(patch)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if raw, err = decoded.Apply(raw); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
	}
	fresh := reflect.New(reflect.TypeOf(object).Elem()).Interface().(client.Object)
	if err := json.Unmarshal(raw, fresh); err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	return fresh
}

// mirrorNames is what the controller was started with.
func (c *admissionCase) mirrorNames() reference.MirrorNames {
	return cmp.Or(c.Handler.MirrorNames, reference.UniqueNames)
}

// reader reads the case's cluster as the handler may.
func (c *admissionCase) reader(t testing.TB) client.Reader {
	t.Helper()
	reader := c.cluster(t).reader(t)
	reader.fails = func(kind, name string) error {
		if c.Unreadable != "" && strings.HasSuffix(kind, "."+c.Unreadable) {
			return apierrors.NewForbidden(schema.GroupResource{Resource: strings.ToLower(c.Unreadable)}, name, errors.New("not for you"))
		}
		return nil
	}
	return reader
}

// admissionAnswer is what a handler says to a pod.
type admissionAnswer struct {
	Allowed  bool            `json:"allowed"`
	Denied   string          `json:"denied,omitempty"`
	Warnings []string        `json:"warnings,omitempty"`
	Patch    json.RawMessage `json:"patch,omitempty"`
}

// answer asks a handler for the pod.
func (c *admissionCase) answer(t testing.TB, reader client.Reader) admissionAnswer {
	t.Helper()
	raw, namespace := c.pod(t)
	handler := &PodHandler{Reader: reader, MirrorNames: c.mirrorNames(), Sharing: c.Handler.Sharing,
		NativeSidecars: !c.Handler.Old, SelfHealing: !c.Handler.Old && !c.Handler.NotHealing, Mode: c.Handler.Mode, Privileges: c.Handler.Privileges, User: c.Handler.User}
	response := handler.Handle(t.Context(), podRequest(namespace, raw))
	if response.Patch != nil && (response.PatchType == nil || *response.PatchType != admissionv1.PatchTypeJSONPatch) {
		t.Error("the patch is of no type")
	}
	answer := admissionAnswer{Allowed: response.Allowed, Warnings: response.Warnings, Patch: response.Patch}
	if !response.Allowed {
		answer.Denied = response.Result.Message
	}
	return answer
}

// patched is the pod as it is created; changed reports whether a sidecar was added.
func (c *admissionCase) patched(t testing.TB, reader client.Reader) (patched []byte, changed bool) {
	t.Helper()
	raw, _ := c.pod(t)
	answer := c.answer(t, reader)
	if answer.Patch == nil {
		return raw, false
	}
	return apply(t, raw, answer.Patch), true
}

// TestAdmissionsAreTheGoldenOnes asks a handler for each case.
func TestAdmissionsAreTheGoldenOnes(t *testing.T) {
	cases := admissionCases(t)
	if len(cases) < 120 {
		t.Errorf("there are only %d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			reader := c.reader(t)
			text, err := yaml.Marshal(c.answer(t, reader))
			if err != nil {
				t.Fatal(err)
			}
			compare(t, filepath.Join("admissions", c.name, "answer.yaml"), text)
			patched, changed := c.patched(t, reader)
			if !changed {
				return
			}
			checkPod(t, patched, !c.Unknown)
			c.checkAgain(t, reader, patched)
		})
	}
}

// TestGoldenAdmissionsLeaveNothingOut: they have every runtime, every switch that Fluid's pods may have and ours, every
// finding for which a pod is refused, and those that are warnings.
func TestGoldenAdmissionsLeaveNothingOut(t *testing.T) {
	var pods, cases, denials, warnings strings.Builder
	for _, c := range admissionCases(t) {
		pods.Write(c.read(t, "pod.yaml"))
		cases.Write(c.read(t, "case.yaml"))
		var answer admissionAnswer
		if err := yaml.UnmarshalStrict(c.read(t, "answer.yaml"), &answer); err != nil {
			t.Fatal(err)
		}
		denials.WriteString(answer.Denied)
		warnings.WriteString(strings.Join(answer.Warnings, "\n"))
	}
	have := func(what string, text *strings.Builder, wanted ...string) {
		t.Helper()
		for _, want := range wanted {
			if !strings.Contains(text.String(), want) {
				t.Errorf("no golden admission has the %s %s", what, want)
			}
		}
	}
	for _, runtime := range referencetest.Runtimes() {
		have("runtime", &cases, "runtime: "+runtime)
	}
	have("runtime without sidecars", &cases, "efc", "vineyard", "cache")
	have("switch", &pods, "serverless.fluid.io/inject: 'true'", "fuse.serverful.fluid.io/inject:", LabelDeprecatedInject+":", "fluid.io/enable-injection: 'false'",
		"done.sidecar.fluid.io/inject: 'true'", LabelUnprivileged+": 'true'", AnnotationPlatform+": default", AnnotationPlatform+": unprivileged",
		LabelCacheVolumes+": 'true'", LabelMountCheck+": 'false'", LabelAppMountCheck+": 'true'", "worker.sidecar.fluid.io/inject:", "sidecar.fluid.io/skip-precheck:",
		AnnotationDirectoryMode+": fixed", AnnotationDirectoryMode+": random-suffix", "default.fluid.io/", "unprivileged.fluid.io/", AnnotationFilePrefetcher+":",
		AnnotationSidecarMode+": native", AnnotationSidecarMode+": classic")
	have("switch of namespaces", &cases, LabelPrivileges+": allowed", LabelPrivileges+": none")
	for _, code := range []finding.Code{
		finding.CodeUnread, finding.CodePhysicalMissing, finding.CodePhysicalUnbound, finding.CodeFuseMissing, finding.CodeVolumeMissing, finding.CodeChain,
		finding.CodeRuntimeNoSidecar, finding.CodePhysicalDeleted, finding.CodeTemplateUnusable, finding.CodeTemplateClaim, finding.CodeMountPointMalformed,
		finding.CodeMountsMixed, finding.CodeSelfReference, finding.CodeClaimNameTaken, finding.CodeVolumeNameTaken, finding.CodeRuntimeNameTaken,
		finding.CodeNameInvalid, finding.CodeMountPointChanged, finding.CodeBeingDeleted, finding.CodeNotShared, finding.CodeAccessModesInvalid,
		finding.CodeNamesUnchecked, finding.CodePodClaimUnresolved, finding.CodeNoNativeSidecars, finding.CodePodUnsupportedUsage, finding.CodeSwitchUnknown,
		finding.CodeInitContainerReads, finding.CodeNestedTooDeep, finding.CodeClientUnknown, finding.CodeHostPathNeeded,
	} {
		have("refusal", &denials, string(code))
	}
	for _, code := range []finding.Code{finding.CodePodNoDataset, finding.CodeClassicKeepsRunning, finding.CodeSharedDirectory, finding.CodeDeprecatedSwitch,
		finding.CodeSwitchUnsupported, finding.CodePropagationReplaced, finding.CodeGraceShort,
		finding.CodeClientUnsupervised, finding.CodePrivilegesRefused} {
		have("warning", &warnings, string(code))
	}
}

// checkAgain makes sure that a pod that was changed isn't changed again.
func (c *admissionCase) checkAgain(t *testing.T, reader client.Reader, patched []byte) {
	t.Helper()
	handler := &PodHandler{Reader: reader, MirrorNames: c.mirrorNames(), Sharing: c.Handler.Sharing, NativeSidecars: true, Privileges: c.Handler.Privileges}
	response := handler.Handle(t.Context(), podRequest(mustRead(t, patched).Metadata.Namespace, patched))
	if !response.Allowed || response.Patch != nil {
		t.Errorf("a second time: %+v", response)
	}
}
