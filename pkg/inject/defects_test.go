package inject

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/inject/scripts"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference/referencetest"
)

// The tests of this file are named after the weak points of Fluid's injection that they show to be absent here. Others
// are beside what they test.

// needsClaim lets the FUSE container mount a claim, as the runtime of a Dataset whose data is another Dataset does.
func needsClaim(claim string) func(*corev1.PodSpec) {
	return func(spec *corev1.PodSpec) {
		spec.Volumes = append(spec.Volumes, corev1.Volume{Name: "upstream", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim}}})
		spec.Containers[0].VolumeMounts = append(spec.Containers[0].VolumeMounts, corev1.VolumeMount{Name: "upstream", MountPath: "/upstream"})
	}
}

// nested returns the sidecars of Datasets in one namespace, each of which needs the claim of the next.
func nested(t testing.TB, claims ...string) map[string]*Sidecar {
	sidecars := map[string]*Sidecar{}
	for i, claim := range claims {
		d := dataset{runtime: "thin"}
		if i+1 < len(claims) {
			d.change = needsClaim(claims[i+1])
		}
		sidecar := d.sidecar(t, claim)
		sidecar.Dataset.Name = claim
		sidecars[claim] = Compile(sidecar, Variant{})
	}
	return sidecars
}

// TestNestedDatasetsAreServedInnermostFirst with native sidecars, whose order is the one that they start in. Each has an
// index of its own.
func TestNestedDatasetsAreServedInnermostFirst(t *testing.T) {
	raw := readPod(t, "nginx")
	patch, findings := Patch(mustRead(t, raw), nested(t, "refdemo", "middle", "innermost"), Options{HostDirectory: "x"})
	if patch == nil || len(findings) > 0 {
		t.Fatal(findings)
	}
	result := apply(t, raw, patch)
	checkPod(t, result, true)
	var pod corev1.Pod
	if err := json.Unmarshal(result, &pod); err != nil {
		t.Fatal(err)
	}
	for i, dataset := range []string{"innermost", "middle", "refdemo"} {
		name := fmt.Sprintf("fluid-fuse-%d", i)
		if pod.Spec.InitContainers[i].Name != name || pod.Labels["dataset-name.sidecar.fluid.io/"+name] != dataset {
			t.Errorf("container %d is %s of %v", i, pod.Spec.InitContainers[i].Name, pod.Labels)
		}
	}
	for _, volume := range pod.Spec.Volumes {
		if volume.PersistentVolumeClaim != nil || strings.HasPrefix(volume.Name, "upstream-") && volume.HostPath == nil {
			t.Errorf("volume %+v", volume)
		}
	}
	mounts := pod.Spec.InitContainers[2].VolumeMounts
	i := slices.IndexFunc(mounts, func(m corev1.VolumeMount) bool { return m.Name == "upstream-2" })
	if i < 0 || *mounts[i].MountPropagation != corev1.MountPropagationHostToContainer {
		t.Errorf("%+v", mounts)
	}
	if pod.Annotations["fluid.io/datasets-in-use"] != "innermost,middle,refdemo" {
		t.Error(pod.Annotations)
	}
}

func TestDatasetsThatNeedEachOtherAreRefused(t *testing.T) {
	var chain []string
	for i := range maxNested + 1 {
		chain = append(chain, fmt.Sprintf("d%d", i))
	}
	chain[0] = "refdemo"
	for _, claims := range [][]string{{"refdemo", "refdemo"}, {"refdemo", "other", "refdemo"}, {"refdemo", "a", "b", "a"}, chain} {
		sidecars := nested(t, claims...)
		if last := claims[len(claims)-1]; slices.Index(claims, last) < len(claims)-1 {
			// The last is one of those before, and needs what that needs.
			d := dataset{runtime: "thin", change: needsClaim(claims[slices.Index(claims, last)+1])}
			sidecar := d.sidecar(t, last)
			sidecar.Dataset.Name = last
			sidecars[last] = Compile(sidecar, Variant{})
		}
		patch, findings := Patch(mustRead(t, readPod(t, "nginx")), sidecars, Options{HostDirectory: "x"})
		if patch != nil || !slices.Equal(findingCodes(findings), []finding.Code{finding.CodeNestedTooDeep}) {
			t.Errorf("%v: %v %s", claims, findings, patch)
		}
	}
}

// TestAnAdmissionFindsNestedDatasets and ends when they need each other.
func TestAnAdmissionFindsNestedDatasets(t *testing.T) {
	c := newCluster(t, "thin")
	needsClaim("phy")(&c.fuse.Spec.Template.Spec)
	handler := &PodHandler{Reader: c.reader(t), NativeSidecars: true}
	response := handler.Handle(t.Context(), podRequest("default", readPod(t, "own-namespace")))
	if response.Allowed || !slices.Equal(codes(response.Result.Message), []finding.Code{finding.CodeNestedTooDeep}) {
		t.Errorf("%+v", response)
	}
	c = newCluster(t, "thin")
	needsClaim("cache")(&c.fuse.Spec.Template.Spec)
	c.others = append(c.others, claim("default", "cache"))
	handler = &PodHandler{Reader: c.reader(t), NativeSidecars: true}
	response = handler.Handle(t.Context(), podRequest("default", readPod(t, "own-namespace")))
	if !response.Allowed || !strings.Contains(string(response.Patch), `"persistentVolumeClaim":{"claimName":"cache"}`) {
		t.Errorf("a claim that no Dataset has: %+v", response)
	}
}

// TestTheMastersOfAnotherNamespaceAreFound: several masters' addresses get their namespace.
func TestTheMastersOfAnotherNamespaceAreFound(t *testing.T) {
	for masters, want := range map[int32]bool{0: false, 1: false, 3: true} {
		world := referencetest.World(t, "alluxio", physical)
		world.Physical.Status.Runtimes[0].MasterReplicas = masters
		sidecar := reference.NewPlan(world).Sidecar
		container := sidecarContainer(sidecar, "x", "x", Variant{})
		if got := expand(container.Command[2]) == scripts.Masters()+scripts.Supervise() && slices.Equal(container.Command[4:6], []string{"phy-master-", "default"}); got != want {
			t.Errorf("%d masters: %q", masters, container.Command)
		}
	}
	world := referencetest.World(t, "alluxio", "")
	world.Dataset, world.Physical.Status.Runtimes[0].MasterReplicas = world.Physical, 3
	if sidecar := reference.NewPlan(world).Sidecar; sidecar.Masters != "" {
		t.Error("in their own namespace they are found as they are")
	}
}

// TestNoPortOfMetricsClashes and one claim in several volumes, read-only mounts and names that look like each other's.
func TestNoPortOfMetricsClashes(t *testing.T) {
	ports := []corev1.ContainerPort{{Name: "metrics", ContainerPort: 1}, {Name: "jindo-metrics", ContainerPort: 2}, {Name: "rpc", ContainerPort: 3, HostPort: 3}}
	if got := sidecarPorts(ports, false); len(got) != 1 || got[0].Name != "rpc" || got[0].HostPort != 0 {
		t.Error(got)
	}
}

func TestMountPropagationNoneIsNotReplacedSilently(t *testing.T) {
	pod, findings := patched(t, readPod(t, "propagation"), dataset{"thin", physical, nil}, Variant{})
	if !slices.Equal(findingCodes(findings), []finding.Code{finding.CodePropagationReplaced}) || !strings.Contains(findings[0].Message, "container none") {
		t.Error(findings)
	}
	for _, container := range pod.Spec.Containers {
		want := map[string]corev1.MountPropagationMode{"none": corev1.MountPropagationHostToContainer, "both": corev1.MountPropagationBidirectional}[container.Name]
		if got := *container.VolumeMounts[0].MountPropagation; got != want {
			t.Errorf("%s: %s", container.Name, got)
		}
	}
}

// TestNamesOfTheTemplateThatLookLikeRenamedOnesStayApart: X becomes X-0 while there is an X-0, which becomes X-0-0.
func TestNamesOfTheTemplateThatLookLikeRenamedOnesStayApart(t *testing.T) {
	d := dataset{"thin", physical, func(spec *corev1.PodSpec) {
		for _, name := range []string{"x", "x-0"} {
			spec.Volumes = append(spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
			spec.Containers[0].VolumeMounts = append(spec.Containers[0].VolumeMounts, corev1.VolumeMount{Name: name, MountPath: "/" + name})
		}
	}}
	pod, _ := patched(t, readPod(t, "nginx"), d, Variant{})
	for _, mount := range pod.Spec.InitContainers[0].VolumeMounts {
		if path := map[string]string{"x-0": "/x", "x-0-0": "/x-0"}[mount.Name]; path != "" && mount.MountPath != path {
			t.Errorf("%s is mounted at %s", mount.Name, mount.MountPath)
		}
	}
}

// TestMetricsAreAsThePhysicalsRuntimeSays also for references.
func TestMetricsAreAsThePhysicalsRuntimeSays(t *testing.T) {
	for target, want := range map[string]bool{"All": true, "Sidecar": true, "MountPod": false, "None": false, "": false} {
		world := referencetest.World(t, "jindo", physical)
		world.Fuse.Spec.Template.Spec.Containers[0].Ports = []corev1.ContainerPort{{Name: "jindo-metrics", ContainerPort: 9567}}
		world.Runtime = &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"fuse": map[string]any{"metrics": map[string]any{"scrapeTarget": target}}}}}
		sidecar := reference.NewPlan(world).Sidecar
		for _, annotation := range []string{"", "false"} {
			raw := readPod(t, "nginx")
			if annotation != "" {
				raw = switched(t, "nginx", "", "prometheus.fuse.fluid.io/scrape: '"+annotation+"'")
			}
			patch, _ := Patch(mustRead(t, raw), map[string]*Sidecar{"refdemo": Compile(sidecar, Variant{})}, Options{HostDirectory: "x"})
			var pod corev1.Pod
			if err := json.Unmarshal(apply(t, raw, patch), &pod); err != nil {
				t.Fatal(err)
			}
			if got := len(pod.Spec.InitContainers[0].Ports) == 1; got != want {
				t.Errorf("%q: ports %v", target, pod.Spec.InitContainers[0].Ports)
			}
			expected := annotation
			if want && annotation == "" {
				expected = "true"
			}
			if got := pod.Annotations["prometheus.fuse.fluid.io/scrape"]; got != expected {
				t.Errorf("%q: annotation %q, want %q", target, got, expected)
			}
		}
	}
}

// TestAnAdmissionReadsTheRuntime of a kind that this build has no type for.
func TestAnAdmissionReadsTheRuntime(t *testing.T) {
	c := newCluster(t, "jindo")
	runtime := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"fuse": map[string]any{"metrics": map[string]any{"scrapeTarget": "Sidecar"}}}}}
	runtime.SetAPIVersion("data.fluid.io/v1alpha1")
	runtime.SetKind("JindoRuntime")
	runtime.SetNamespace("default")
	runtime.SetName("phy")
	for _, want := range []bool{false, true} {
		response := admit(t, c, "nginx")
		if got := strings.Contains(string(response.Patch), "prometheus.fuse.fluid.io/scrape"); !response.Allowed || got != want {
			t.Errorf("scraped %t: %s", got, response.Patch)
		}
		c.others = append(c.others, runtime)
	}
}

// TestVolumeNamesThatAreTakenAreNoTrouble whatever their length, with every name that the engine would like taken.
func TestVolumeNamesThatAreTakenAreNoTrouble(t *testing.T) {
	d := dataset{"thin", physical, func(spec *corev1.PodSpec) {
		for length := 1; length <= 63; length++ {
			name := strings.Repeat("v", length)
			spec.Volumes = append(spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
			spec.Containers[0].VolumeMounts = append(spec.Containers[0].VolumeMounts, corev1.VolumeMount{Name: name, MountPath: "/" + name})
		}
	}}
	pod := mustTyped(t, readPod(t, "nginx"))
	for length := 1; length <= 61; length++ {
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: strings.Repeat("v", length) + "-0"})
	}
	result, findings := patched(t, encode(t, pod), d, Variant{})
	if len(findings) > 0 || len(result.Spec.Volumes) != len(pod.Spec.Volumes)+63+4 {
		t.Errorf("%v, %d volumes", findings, len(result.Spec.Volumes))
	}
}

func mustTyped(t testing.TB, raw []byte) *corev1.Pod {
	t.Helper()
	pod := &corev1.Pod{}
	if err := json.Unmarshal(raw, pod); err != nil {
		t.Fatal(err)
	}
	return pod
}

// TestAlluxiosClientReadsNothingInDirectoriesThatItDoesntHave: without the tiers' volumes there is no short-circuit.
func TestAlluxiosClientReadsNothingInDirectoriesThatItDoesntHave(t *testing.T) {
	const option = " -Dalluxio.user.short.circuit.enabled=false"
	for _, test := range []struct {
		name    string
		change  func(*corev1.PodSpec)
		variant Variant
		want    string
	}{
		{"options in the ConfigMap", nil, Variant{}, "$(ALLUXIO_FUSE_JAVA_OPTS)" + option},
		{"options in the environment", func(spec *corev1.PodSpec) {
			spec.Containers[0].Env = append(spec.Containers[0].Env, corev1.EnvVar{Name: "ALLUXIO_FUSE_JAVA_OPTS", Value: "-Xmx1G"})
		}, Variant{}, "-Xmx1G" + option},
		{"no options", func(spec *corev1.PodSpec) { spec.Containers[0].EnvFrom = nil }, Variant{}, option},
		{"the tiers' volumes are there", nil, Variant{CacheVolumes: true}, ""},
		{"no tier on the node", func(spec *corev1.PodSpec) { spec.Volumes = spec.Volumes[:2] }, Variant{}, ""},
	} {
		container := sidecarContainer(dataset{"alluxio", physical, test.change}.sidecar(t, "refdemo"), "x", "x", test.variant)
		got := ""
		for _, env := range container.Env {
			if env.Name == "ALLUXIO_FUSE_JAVA_OPTS" {
				got += env.Value
			}
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
	if container := sidecarContainer(dataset{"juicefs", physical, nil}.sidecar(t, "refdemo"), "x", "x", Variant{}); strings.Contains(fmt.Sprint(container.Env), "ALLUXIO") {
		t.Error(container.Env)
	}
}

// TestAPodThatMustNotRunAsRootHasASidecarThatMay: pod-wide users don't reach the sidecar.
func TestAPodThatMustNotRunAsRootHasASidecarThatMay(t *testing.T) {
	for _, runtime := range referencetest.Runtimes() {
		for _, change := range []func(*corev1.PodSpec){nil, func(spec *corev1.PodSpec) {
			spec.Containers[0].SecurityContext = &corev1.SecurityContext{Privileged: new(true)}
			spec.SecurityContext = nil
		}} {
			security := sidecarContainer(dataset{runtime, physical, change}.sidecar(t, "refdemo"), "x", "x", Variant{}).SecurityContext
			if security.RunAsUser == nil || *security.RunAsUser != 0 || security.RunAsNonRoot == nil || *security.RunAsNonRoot {
				t.Errorf("%s: %+v", runtime, security)
			}
		}
	}
	user := func(spec *corev1.PodSpec) { spec.Containers[0].SecurityContext.RunAsUser = new(int64(1000)) }
	security := sidecarContainer(dataset{"thin", physical, user}.sidecar(t, "refdemo"), "x", "x", Variant{}).SecurityContext
	if *security.RunAsUser != 1000 || security.RunAsNonRoot != nil {
		t.Errorf("a client with a user of its own: %+v", security)
	}
}

// TestASecondCallGivesAddedContainersTheMountAndNothingElse: another webhook may add a container, a volume, or both.
func TestASecondCallGivesAddedContainersTheMountAndNothingElse(t *testing.T) {
	sidecars := map[string]*Sidecar{
		"refdemo": dataset{"thin", physical, nil}.compiled(t, "refdemo"),
		"late":    dataset{"juicefs", physical, nil}.compiled(t, "late"),
	}
	raw := readPod(t, "read-only")
	first, _ := Patch(mustRead(t, raw), sidecars, Options{HostDirectory: "x"})
	pod := mustTyped(t, apply(t, raw, first))
	pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "added", VolumeMounts: []corev1.VolumeMount{
		{Name: pod.Spec.Volumes[0].Name, MountPath: "/data", MountPropagation: new(corev1.MountPropagationNone)}}})
	raw = encode(t, pod)
	second, findings := Patch(mustRead(t, raw), sidecars, Options{HostDirectory: "y"})
	at := fmt.Sprintf("/spec/containers/%d/volumeMounts/0", len(pod.Spec.Containers)-1)
	want := `[{"op":"add","path":"` + at + `/mountPropagation","value":"HostToContainer"},{"op":"add","path":"` + at + `/readOnly","value":true}]`
	if string(second) != want || !slices.Equal(findingCodes(findings), []finding.Code{finding.CodePropagationReplaced}) {
		t.Errorf("%s %v", second, findings)
	}
	pod = mustTyped(t, apply(t, raw, second))
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "late", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "late"}}})
	pod.Spec.Containers[0].VolumeMounts = append(pod.Spec.Containers[0].VolumeMounts, corev1.VolumeMount{Name: "late", MountPath: "/late"})
	raw = encode(t, pod)
	third, findings := Patch(mustRead(t, raw), sidecars, Options{HostDirectory: "y"})
	result := apply(t, raw, third)
	checkPod(t, result, true)
	pod = mustTyped(t, result)
	if len(findings) > 0 || pod.Labels["dataset-name.sidecar.fluid.io/fluid-fuse-1"] != "late" || pod.Labels["dataset-name.sidecar.fluid.io/fluid-fuse-0"] != "refdemo" ||
		pod.Annotations["fluid.io/datasets-in-use"] != "late,refdemo" || pod.Annotations[AnnotationDatasetVolumes] != "data:ro,late" {
		t.Errorf("%v %v %v", findings, pod.Labels, pod.Annotations)
	}
	if fourth, _ := Patch(mustRead(t, result), sidecars, Options{HostDirectory: "z"}); fourth != nil {
		t.Errorf("%s", fourth)
	}
}

// TestASecondAdmissionIsAllowedWithoutAWarning: there is nothing left to do.
func TestASecondAdmissionIsAllowedWithoutAWarning(t *testing.T) {
	handler := &PodHandler{Reader: newCluster(t, "thin").reader(t), MirrorNames: reference.UniqueNames, NativeSidecars: true}
	raw := readPod(t, "nginx")
	first := handler.Handle(t.Context(), podRequest("ref", raw))
	second := handler.Handle(t.Context(), podRequest("ref", apply(t, raw, first.Patch)))
	if !second.Allowed || second.Patch != nil || len(second.Warnings) > 0 {
		t.Errorf("%+v", second)
	}
}

// TestSubPathsAreArgumentsAndNeverPartOfAScript with every character that a mount point may have.
func TestSubPathsAreArgumentsAndNeverPartOfAScript(t *testing.T) {
	const subPath = "a-b_c.d,e:f=g@h+i%j/日志"
	for _, classic := range []bool{false, true} {
		container := sidecarContainer(dataset{"alluxio", physical + "/" + subPath, nil}.sidecar(t, "refdemo"), "x", "x", Variant{Classic: classic})
		words := slices.Concat(container.Command, container.Lifecycle.PostStart.Exec.Command)
		found := 0
		for _, word := range words {
			if word == subPath {
				found++
			} else if strings.Contains(word, "日志") {
				t.Errorf("it is part of %q", word)
			}
		}
		if found != 1 {
			t.Errorf("%d words of %q are the sub-path", found, words)
		}
	}
}

// TestNoScriptComesFromAConfigMap, which somebody else may own: the only ones that a pod gets are those of the FUSE pod.
func TestNoScriptComesFromAConfigMap(t *testing.T) {
	for _, classic := range []bool{false, true} {
		raw := switched(t, "nginx", "app.poststart.fluid.io/inject: 'true'", "")
		pod, _ := patched(t, raw, dataset{"alluxio", physical, nil}, Variant{Classic: classic})
		for _, volume := range pod.Spec.Volumes {
			if volume.ConfigMap != nil {
				t.Errorf("the volume %s is the ConfigMap %s", volume.Name, volume.ConfigMap.Name)
			}
		}
	}
}

// TestPodsShareNoDirectoryOnTheNode: no volume that a client mounts in, or that an app reads, is that of another pod.
func TestPodsShareNoDirectoryOnTheNode(t *testing.T) {
	handler := &PodHandler{Reader: newCluster(t, "thin").reader(t), MirrorNames: reference.UniqueNames, NativeSidecars: true}
	raw := readPod(t, "nginx")
	used := map[string]bool{}
	for i := range 20 {
		request := podRequest("ref", raw)
		request.UID = types.UID(fmt.Sprint("uid-", i))
		for _, volume := range mustTyped(t, apply(t, raw, handler.Handle(t.Context(), request).Patch)).Spec.Volumes {
			if volume.HostPath == nil || strings.HasPrefix(volume.Name, "fluid-pods-") { // its parent, in which nobody mounts
				continue
			}
			if used[volume.HostPath.Path] {
				t.Errorf("two pods have %s", volume.HostPath.Path)
			}
			used[volume.HostPath.Path] = true
		}
	}
}

// TestClaimsOfNobodyAreLeftToKubernetes beside a Dataset's, whether they exist or not.
func TestClaimsOfNobodyAreLeftToKubernetes(t *testing.T) {
	pod := mustTyped(t, readPod(t, "nginx"))
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "database", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "database"}}})
	raw := encode(t, pod)
	for _, exists := range []bool{false, true} {
		c := newCluster(t, "thin")
		if exists {
			c.others = append(c.others, claim("ref", "database"))
		}
		handler := &PodHandler{Reader: c.reader(t), MirrorNames: reference.UniqueNames, NativeSidecars: true}
		response := handler.Handle(t.Context(), podRequest("ref", raw))
		if !response.Allowed || len(response.Warnings) > 0 {
			t.Fatalf("%+v", response)
		}
		volumes := mustTyped(t, apply(t, raw, response.Patch)).Spec.Volumes
		if volumes[0].HostPath == nil || volumes[1].PersistentVolumeClaim == nil {
			t.Errorf("%+v", volumes[:2])
		}
	}
}
