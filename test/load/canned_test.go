package load

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference/referencetest"
)

// canned is an API server that has any number of healthy references to one physical Dataset and doesn't keep them: it
// makes each object when somebody lists it, so that what the process holds is the controller's. It answers lists,
// watches on which nothing ever happens, and reads of ConfigMaps; it counts what is written and accepts none of it.
type canned struct {
	server     *httptest.Server
	references int
	world      *reference.World
	writes     atomic.Int64
	reads      atomic.Int64
}

const cannedPhysical = "physical"

func newCanned(b testing.TB, references int) *canned {
	b.Helper()
	c := &canned{references: references, world: referencetest.World(b, "alluxio", "dataset://"+cannedPhysical+"/phy")}
	w := c.world
	identify := func(object client.Object, namespace string) {
		object.SetNamespace(namespace)
		object.SetUID(types.UID(fmt.Sprintf("00000000-1111-2222-3333-%012d", len(object.GetName()))))
		object.SetResourceVersion("1000")
	}
	identify(w.Physical, cannedPhysical)
	identify(w.Fuse, cannedPhysical)
	w.PhysicalVolume.Name = cannedPhysical + "-phy"
	identify(w.PhysicalVolume, "")
	w.PhysicalVolume.Spec.ClaimRef.Namespace = cannedPhysical
	w.PhysicalClaim, w.Depth = nil, reference.ForAdmission
	w.Physical.Status.CacheStates = figures()
	w.RuntimeStatus = &datav1alpha1.RuntimeStatus{FusePhase: datav1alpha1.RuntimePhaseReady, CacheStates: figures()}
	for _, condition := range []string{"MasterInitialized", "MasterReady", "WorkersInitialized", "WorkersReady", "FusesReady"} {
		w.RuntimeStatus.Conditions = append(w.RuntimeStatus.Conditions, datav1alpha1.RuntimeCondition{
			Type: condition, Status: corev1.ConditionTrue,
			Reason: condition, Message: "It is as it should be: " + condition,
			LastProbeTime: metav1.Now().Rfc3339Copy(), LastTransitionTime: metav1.Now().Rfc3339Copy()})
	}
	w.Physical.Status.DatasetRef = nil
	for i := range references {
		w.Physical.Status.DatasetRef = append(w.Physical.Status.DatasetRef, refName(i).String())
	}
	c.server = httptest.NewServer(http.HandlerFunc(c.serve))
	b.Cleanup(c.server.Close)
	return c
}

// figures are what an AlluxioRuntime says about its cache.
func figures() map[string]string {
	states := map[string]string{"cacheCapacity": "1.00GiB", "cached": "0.00B"}
	for _, name := range []string{"cacheHitRatio", "cacheThroughputRatio", "cachedPercentage", "localHitRatio", "localThroughputRatio",
		"remoteHitRatio", "remoteThroughputRatio"} {
		states[name] = "0.0%"
	}
	return states
}

func refName(i int) types.NamespacedName {
	return types.NamespacedName{Namespace: fmt.Sprintf("consumer-%d", i%10), Name: fmt.Sprintf("ref-%05d", i)}
}

// kinds are the kinds that the controller may ask for, with their resources.
func kinds() map[string]schema.GroupVersionKind {
	return map[string]schema.GroupVersionKind{
		"datasets":                      datav1alpha1.GroupVersion.WithKind("Dataset"),
		"thinruntimes":                  datav1alpha1.GroupVersion.WithKind("ThinRuntime"),
		"alluxioruntimes":               datav1alpha1.GroupVersion.WithKind("AlluxioRuntime"),
		"daemonsets":                    appsv1.SchemeGroupVersion.WithKind("DaemonSet"),
		"persistentvolumes":             corev1.SchemeGroupVersion.WithKind("PersistentVolume"),
		"persistentvolumeclaims":        corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim"),
		"configmaps":                    corev1.SchemeGroupVersion.WithKind("ConfigMap"),
		"namespaces":                    corev1.SchemeGroupVersion.WithKind("Namespace"),
		"pods":                          corev1.SchemeGroupVersion.WithKind("Pod"),
		"mutatingwebhookconfigurations": admissionregistrationv1.SchemeGroupVersion.WithKind("MutatingWebhookConfiguration"),
		"secrets":                       corev1.SchemeGroupVersion.WithKind("Secret"),
	}
}

// mapper knows the kinds without asking.
func (c *canned) mapper() meta.RESTMapper {
	mapper := meta.NewDefaultRESTMapper(nil)
	for resource, kind := range kinds() {
		scope := meta.RESTScope(meta.RESTScopeNamespace)
		if resource == "persistentvolumes" || resource == "namespaces" || resource == "mutatingwebhookconfigurations" {
			scope = meta.RESTScopeRoot
		}
		plural := kind.GroupVersion().WithResource(resource)
		mapper.AddSpecific(kind, plural, plural, scope)
	}
	return mapper
}

// shared returns the objects of a kind that aren't a reference's own.
func (c *canned) shared(resource string) []client.Object {
	switch resource {
	case "datasets":
		return []client.Object{c.world.Physical}
	case "daemonsets":
		return []client.Object{c.world.Fuse}
	case "persistentvolumes":
		return []client.Object{c.world.PhysicalVolume}
	case "configmaps":
		return []client.Object{c.source()}
	case "alluxioruntimes":
		status, err := runtime.DefaultUnstructuredConverter.ToUnstructured(c.world.RuntimeStatus)
		if err != nil {
			panic(err)
		}
		object := &unstructured.Unstructured{Object: map[string]any{"status": status}}
		object.SetNamespace(cannedPhysical)
		object.SetName("phy")
		return []client.Object{object}
	case "namespaces":
		namespaces := []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: cannedPhysical}}}
		for i := range 10 {
			namespaces = append(namespaces, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: refName(i).Namespace}})
		}
		return namespaces
	}
	return nil
}

func (c *canned) source() *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: cannedPhysical, Name: "phy-config", UID: "source", ResourceVersion: "1000"},
		Data: map[string]string{"key": "value"}}
}

// own returns a reference's own object of a kind, as the API server would have it, or nil.
func (c *canned) own(resource string, i int) client.Object {
	w := *c.world
	w.Dataset = referencetest.Reference("dataset://" + cannedPhysical + "/phy")
	w.Dataset.Namespace, w.Dataset.Name = refName(i).Namespace, refName(i).Name
	w.Dataset.UID = types.UID(fmt.Sprintf("01234567-89ab-cdef-0123-%012d", i))
	w.Dataset.Finalizers = []string{datav1alpha1.FinalizerDataset}
	w.Dataset.Labels = map[string]string{datav1alpha1.LabelDatasetID: reference.DatasetID(w.Dataset)}
	plan := reference.NewPlan(&w)
	var object client.Object
	switch resource {
	case "datasets":
		reference.StampCondition(&plan.Status, metav1.Unix(1_700_000_000+int64(i), 0))
		w.Dataset.Status = plan.Status
		object = w.Dataset
	case "thinruntimes":
		plan.ThinRuntime.Status = *plan.RuntimeStatus
		object = plan.ThinRuntime
	case "persistentvolumes":
		plan.Volume.Finalizers = []string{"kubernetes.io/pv-protection"}
		plan.Volume.Annotations["pv.kubernetes.io/bound-by-controller"] = "yes"
		plan.Volume.Spec.ClaimRef.UID = types.UID(fmt.Sprintf("11234567-89ab-cdef-0123-%012d", i))
		plan.Volume.Status.Phase = corev1.VolumeBound
		object = plan.Volume
	case "persistentvolumeclaims":
		plan.Claim.Finalizers = []string{"kubernetes.io/pvc-protection"}
		plan.Claim.Annotations["pv.kubernetes.io/bind-completed"] = "yes"
		plan.Claim.Status = corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound, AccessModes: plan.Claim.Spec.AccessModes,
			Capacity: plan.Volume.Spec.Capacity}
		object = plan.Claim
	case "configmaps":
		object = &corev1.ConfigMap{ObjectMeta: reference.NewMirror(w.Dataset, plan.Mirrors[0], c.source()), Data: c.source().Data}
	default:
		return nil
	}
	if object.GetUID() == "" {
		object.SetUID(types.UID(fmt.Sprintf("%08d-89ab-cdef-0123-%012d", len(resource), i)))
	}
	object.SetResourceVersion(strconv.Itoa(2000 + i))
	object.SetGeneration(1)
	object.SetManagedFields([]metav1.ManagedFieldsEntry{managed("kubectl-fluid-controller", ""), managed("kube-controller-manager", ""), managed("kubectl-fluid-controller", "status")})
	return object
}

// managed is about what the API server keeps for each writer of an object.
func managed(manager, subresource string) metav1.ManagedFieldsEntry {
	now := metav1.Now()
	fields := `{"f:metadata":{"f:annotations":{".":{},"f:CreatedBy":{}},"f:labels":{".":{},"f:fluid.io/dataset-id":{}}},"f:spec":{"f:accessModes":{}}}`
	return metav1.ManagedFieldsEntry{Manager: manager, Operation: metav1.ManagedFieldsOperationUpdate, Subresource: subresource,
		APIVersion: "v1", Time: &now, FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields)}
}

// serve answers a request for a list, a watch or one ConfigMap.
func (c *canned) serve(response http.ResponseWriter, request *http.Request) {
	parts := strings.Split(strings.Trim(request.URL.Path, "/"), "/")
	if request.Method != http.MethodGet {
		c.writes.Add(1)
		http.Error(response, "nothing is written here", http.StatusInternalServerError)
		return
	}
	response.Header().Set("Content-Type", "application/json")
	resource := parts[len(parts)-1]
	kind, isList := kinds()[resource]
	switch query := request.URL.Query(); {
	case !isList:
		c.reads.Add(1)
		c.serveConfigMap(response, parts)
	case query.Get("watch") == "true" || query.Get("watch") == "1":
		if query.Get("sendInitialEvents") == "true" {
			c.streamInitial(response, resource, kind)
		}
		response.(http.Flusher).Flush()
		<-request.Context().Done()
	default:
		c.list(response, request, resource, kind)
	}
}

// each calls visit with the JSON of each object of a kind.
func (c *canned) each(resource string, kind schema.GroupVersionKind, onlyMetadata bool, visit func([]byte)) {
	give := func(object client.Object) {
		object.GetObjectKind().SetGroupVersionKind(kind)
		if onlyMetadata {
			partial := &metav1.PartialObjectMetadata{}
			partial.SetGroupVersionKind(metav1.SchemeGroupVersion.WithKind("PartialObjectMetadata"))
			partial.ObjectMeta = *object.(metav1.ObjectMetaAccessor).GetObjectMeta().(*metav1.ObjectMeta)
			object = partial
		}
		text, err := json.Marshal(object)
		if err != nil {
			panic(err)
		}
		visit(text)
	}
	for _, object := range c.shared(resource) {
		give(object)
	}
	for i := range c.references {
		if object := c.own(resource, i); object != nil {
			give(object)
		}
	}
}

func (c *canned) list(response http.ResponseWriter, request *http.Request, resource string, kind schema.GroupVersionKind) {
	onlyMetadata := strings.Contains(request.Header.Get("Accept"), "PartialObjectMetadata")
	group, name := kind.GroupVersion().String(), kind.Kind+"List"
	if onlyMetadata {
		group, name = metav1.SchemeGroupVersion.String(), "PartialObjectMetadataList"
	}
	fmt.Fprintf(response, `{"apiVersion":%q,"kind":%q,"metadata":{"resourceVersion":"100000"},"items":[`, group, name)
	separator := ""
	c.each(resource, kind, onlyMetadata, func(text []byte) {
		fmt.Fprintf(response, "%s%s", separator, text)
		separator = ","
	})
	fmt.Fprint(response, "]}")
}

// streamInitial sends what is there as events of a watch, and the bookmark that ends them (Kubernetes' watch lists).
func (c *canned) streamInitial(response http.ResponseWriter, resource string, kind schema.GroupVersionKind) {
	c.each(resource, kind, resource == "configmaps" || resource == "namespaces", func(text []byte) {
		fmt.Fprintf(response, `{"type":"ADDED","object":%s}`+"\n", text)
	})
	fmt.Fprintf(response, `{"type":"BOOKMARK","object":{"apiVersion":%q,"kind":%q,"metadata":{"resourceVersion":"100000","annotations":{%q:"true"}}}}`+"\n",
		kind.GroupVersion(), kind.Kind, metav1.InitialEventsAnnotationKey)
}

// serveConfigMap answers the read of a mirror or its source.
func (c *canned) serveConfigMap(response http.ResponseWriter, parts []string) {
	name := parts[len(parts)-1]
	var object client.Object = c.source()
	if name != object.GetName() {
		i, err := strconv.Atoi(strings.Split(name, "-")[1])
		if err != nil {
			http.NotFound(response, nil)
			return
		}
		object = c.own("configmaps", i)
	}
	object.GetObjectKind().SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	if err := json.NewEncoder(response).Encode(object); err != nil {
		panic(err)
	}
}
