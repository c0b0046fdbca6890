package reference_test

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	. "github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference/referencetest"
)

// mount mounts a volume of a source in the FUSE container.
func mount(template *corev1.PodSpec, source corev1.VolumeSource) {
	template.Volumes = append(template.Volumes, corev1.Volume{Name: "more", VolumeSource: source})
	template.Containers[0].VolumeMounts = append(template.Containers[0].VolumeMounts, corev1.VolumeMount{Name: "more", MountPath: "/more"})
}

// TestWhatASidecarLosesIsSaid: each part of the FUSE pod that doesn't become part of the app's pod is a warning, or an
// error where the sidecar would be invalid without it. What makes no difference is none.
func TestWhatASidecarLosesIsSaid(t *testing.T) {
	hostPath := func(path string, kind corev1.HostPathType) corev1.VolumeSource {
		return corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: path, Type: &kind}}
	}
	env := func(template *corev1.PodSpec, from corev1.EnvVarSource) {
		template.Containers[0].Env = append(template.Containers[0].Env, corev1.EnvVar{Name: "MORE", ValueFrom: &from})
	}
	field := func(path string) func(*corev1.PodSpec) {
		return func(s *corev1.PodSpec) {
			env(s, corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: path}})
		}
	}
	for name, test := range map[string]struct {
		change  func(*corev1.PodSpec)
		code    finding.Code
		message string
	}{
		"init container": {func(s *corev1.PodSpec) { s.InitContainers = []corev1.Container{{Name: "init-fuse"}} }, finding.CodeInitContainersLost, ": init-fuse"},
		"init container on its volume": {func(s *corev1.PodSpec) {
			s.InitContainers = []corev1.Container{{Name: "init-fuse", VolumeMounts: []corev1.VolumeMount{{Name: "alluxio-fuse-mount", MountPath: "/x"}}}}
		}, finding.CodeInitContainersLost, "init-fuse (on alluxio-fuse-mount)"},
		"second container": {func(s *corev1.PodSpec) { s.Containers = append(s.Containers, corev1.Container{Name: "log"}) }, finding.CodePodSettingsLost, "container log"},
		"hostPID":          {func(s *corev1.PodSpec) { s.HostPID = true }, finding.CodePodSettingsLost, ": hostPID"},
		"hostIPC":          {func(s *corev1.PodSpec) { s.HostIPC = true }, finding.CodePodSettingsLost, ": hostIPC"},
		"hostNetwork":      {func(s *corev1.PodSpec) { s.HostNetwork, s.DNSPolicy = true, corev1.DNSClusterFirstWithHostNet }, "", ""},
		"host aliases":     {func(s *corev1.PodSpec) { s.HostAliases = []corev1.HostAlias{{IP: "10.0.0.1"}} }, finding.CodePodSettingsLost, "hostAliases"},
		"name servers":     {func(s *corev1.PodSpec) { s.DNSConfig = &corev1.PodDNSConfig{Nameservers: []string{"10.0.0.1"}} }, finding.CodePodSettingsLost, "dnsConfig"},
		"DNS options": {func(s *corev1.PodSpec) {
			s.DNSConfig = &corev1.PodDNSConfig{Options: []corev1.PodDNSConfigOption{{Name: "ndots"}}}
		}, "", ""},
		"the node's DNS":  {func(s *corev1.PodSpec) { s.DNSPolicy = corev1.DNSDefault }, finding.CodePodSettingsLost, "dnsPolicy Default"},
		"fsGroup":         {func(s *corev1.PodSpec) { s.SecurityContext = &corev1.PodSecurityContext{FSGroup: new(int64(1))} }, finding.CodePodSettingsLost, "fsGroup"},
		"user":            {func(s *corev1.PodSpec) { s.SecurityContext = &corev1.PodSecurityContext{RunAsUser: new(int64(1))} }, "", ""},
		"its namespace":   {field("metadata.namespace"), finding.CodePodSettingsLost, "env MORE from metadata.namespace"},
		"the node's name": {field("spec.nodeName"), "", ""},
		"ServiceAccount":  {func(s *corev1.PodSpec) { s.ServiceAccountName = "fuse" }, finding.CodeServiceAccountNeeded, "fuse"},
		"the default one": {func(s *corev1.PodSpec) { s.ServiceAccountName = "default" }, "", ""},
		"token": {func(s *corev1.PodSpec) {
			mount(s, corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
				{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Audience: "vault", Path: "token"}}}}})
		}, finding.CodeServiceAccountNeeded, "token or certificate"},
		"socket of the node":     {func(s *corev1.PodSpec) { mount(s, hostPath("/run/x.sock", corev1.HostPathSocket)) }, finding.CodeNodeNeeds, "the Socket /run/x.sock"},
		"directory that is made": {func(s *corev1.PodSpec) { mount(s, hostPath("/cache", corev1.HostPathDirectoryOrCreate)) }, "", ""},
		"the FUSE device":        {func(s *corev1.PodSpec) { mount(s, hostPath("/dev/fuse", corev1.HostPathCharDev)) }, "", ""},
		"node selector":          {func(s *corev1.PodSpec) { s.NodeSelector["disk"] = "ssd" }, finding.CodeNodeNeeds, "the label disk=ssd"},
		"resource claim":         {func(s *corev1.PodSpec) { s.Containers[0].Resources.Claims = []corev1.ResourceClaim{{Name: "gpu"}} }, finding.CodeTemplateUnusable, "resource claim gpu"},
		"variable from a file": {func(s *corev1.PodSpec) {
			env(s, corev1.EnvVarSource{FileKeyRef: &corev1.FileKeySelector{VolumeName: "v"}})
		}, finding.CodeTemplateUnusable, "variable MORE"},
		"raw block device": {func(s *corev1.PodSpec) {
			s.Volumes = append(s.Volumes, corev1.Volume{Name: "disk", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "disk"}}})
			s.Containers[0].VolumeDevices = []corev1.VolumeDevice{{Name: "disk", DevicePath: "/dev/x"}}
		}, finding.CodeTemplateClaim, "PersistentVolumeClaim default/disk"},
		"claim filled from a snapshot": {func(s *corev1.PodSpec) {
			mount(s, corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{VolumeClaimTemplate: &corev1.PersistentVolumeClaimTemplate{
				Spec: corev1.PersistentVolumeClaimSpec{DataSource: &corev1.TypedLocalObjectReference{Kind: "VolumeSnapshot", Name: "s"}}}}})
		}, finding.CodeTemplateClaim, "VolumeSnapshot default/s"},
		"claim of each pod's own": {func(s *corev1.PodSpec) {
			mount(s, corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{VolumeClaimTemplate: &corev1.PersistentVolumeClaimTemplate{}}})
		}, "", ""},
		"GlusterFS": {func(s *corev1.PodSpec) {
			mount(s, corev1.VolumeSource{Glusterfs: &corev1.GlusterfsVolumeSource{EndpointsName: "gluster"}})
		}, finding.CodeTemplateClaim, "Endpoints default/gluster"},
		"Kubernetes' certificates": {func(s *corev1.PodSpec) {
			mount(s, corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "kube-root-ca.crt"}}})
		}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := referencetest.World(t, "alluxio", "dataset://default/phy")
			test.change(&w.Fuse.Spec.Template.Spec)
			plan := NewPlan(w)
			if test.code == "" {
				if len(plan.Findings) > 0 {
					t.Errorf("the findings are %v", plan.Findings)
				}
				return
			}
			if len(plan.Findings) != 1 || plan.Findings[0].Code != test.code || !strings.Contains(plan.Findings[0].Message, test.message) {
				t.Errorf("the findings are %v, want %s with %q", plan.Findings, test.code, test.message)
			}
		})
	}
}

// TestEveryWayToNameAnObjectIsMirrored: a FUSE container that names ConfigMaps and Secrets in every way that a pod can
// has all of them mirrored, and names the mirrors.
func TestEveryWayToNameAnObjectIsMirrored(t *testing.T) {
	w := referencetest.World(t, "alluxio", "dataset://default/phy")
	template := &w.Fuse.Spec.Template.Spec
	container := &template.Containers[0]
	local := func(name string) corev1.LocalObjectReference { return corev1.LocalObjectReference{Name: name} }
	ref := func(name string) *corev1.LocalObjectReference { return new(local(name)) }
	container.EnvFrom = []corev1.EnvFromSource{
		{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: local("c-env")}}, {SecretRef: &corev1.SecretEnvSource{LocalObjectReference: local("s-env")}},
	}
	container.Env = []corev1.EnvVar{
		{Name: "A", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: local("c-key")}}},
		{Name: "B", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: local("s-key")}}},
	}
	for _, source := range []corev1.VolumeSource{
		{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: local("c-volume")}}, {Secret: &corev1.SecretVolumeSource{SecretName: "s-volume"}},
		{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
			{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: local("c-projected")}},
			{Secret: &corev1.SecretProjection{LocalObjectReference: local("s-projected")}}, {DownwardAPI: &corev1.DownwardAPIProjection{}},
		}}},
		{CSI: &corev1.CSIVolumeSource{Driver: "x", NodePublishSecretRef: ref("s-csi")}},
		{AzureFile: &corev1.AzureFileVolumeSource{SecretName: "s-azure"}}, {CephFS: &corev1.CephFSVolumeSource{SecretRef: ref("s-ceph")}},
		{RBD: &corev1.RBDVolumeSource{SecretRef: ref("s-rbd")}}, {ISCSI: &corev1.ISCSIVolumeSource{SecretRef: ref("s-iscsi")}},
		{FlexVolume: &corev1.FlexVolumeSource{SecretRef: ref("s-flex")}}, {ScaleIO: &corev1.ScaleIOVolumeSource{SecretRef: ref("s-scaleio")}},
		{StorageOS: &corev1.StorageOSVolumeSource{SecretRef: ref("s-storageos")}}, {Cinder: &corev1.CinderVolumeSource{SecretRef: ref("s-cinder")}},
	} {
		mount(template, source)
		template.Volumes[len(template.Volumes)-1].Name += string(rune('a' + len(template.Volumes)))
		container.VolumeMounts[len(container.VolumeMounts)-1].Name = template.Volumes[len(template.Volumes)-1].Name
	}
	template.ImagePullSecrets = []corev1.LocalObjectReference{local("s-pull")}
	want := []string{"c-env", "s-env", "c-key", "s-key", "c-volume", "s-volume", "c-projected", "s-projected", "s-csi", "s-azure", "s-ceph", "s-rbd",
		"s-iscsi", "s-flex", "s-scaleio", "s-storageos", "s-cinder", "s-pull"}

	w.Depth = ForAdmission
	plan := NewPlan(w)
	sidecar, mirrors := plan.Sidecar, plan.Mirrors
	if sidecar == nil {
		t.Fatalf("the findings are %v", plan.Findings)
	}
	text := marshal(t, sidecar)
	var got []string
	for _, mirror := range mirrors {
		got = append(got, mirror.Original.Name)
		if kind := map[byte]string{'c': "ConfigMap", 's': "Secret"}[mirror.Original.Name[0]]; mirror.Original.Kind != kind || !strings.Contains(text, mirror.Target.Name) {
			t.Errorf("the sidecar doesn't name the mirror %s of %s:\n%s", mirror.Target, mirror.Original, text)
		}
		if strings.Contains(text, ": "+mirror.Original.Name+"\n") {
			t.Errorf("the sidecar still names the source %s:\n%s", mirror.Original, text)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the mirrors are of\n%q, want\n%q", got, want)
	}
}

// TestRuntimesWithoutSidecarsHaveTheirVolume: a reference to a Dataset whose FUSE client can't be a sidecar, or of whose
// runtime nothing is known, has the volume for Fluid's CSI plugin; that it has no sidecar is said, with the reason.
func TestRuntimesWithoutSidecarsHaveTheirVolume(t *testing.T) {
	for runtime, reason := range map[string]string{
		"efc": "session manager", "vineyard": "socket", "cache": "init containers", "goosefs": `"goosefs"`,
	} {
		t.Run(runtime, func(t *testing.T) {
			w := referencetest.World(t, "alluxio", "dataset://default/phy/a")
			w.Physical.Status.Runtimes[0].Type = runtime
			w.Fuse = nil // its name isn't known, or nobody needs it
			plan := NewPlan(w)
			if len(plan.Findings) != 1 || plan.Findings[0].Code != finding.CodeVolumeOnly || !strings.Contains(plan.Findings[0].Message, reason) {
				t.Errorf("the findings are %v", plan.Findings)
			}
			if pods := plan.BlockingPods(); plan.Sidecar != nil || !slices.Equal(codesOf(pods), []finding.Code{finding.CodeRuntimeNoSidecar}) || len(plan.Mirrors) > 0 {
				t.Errorf("there is a sidecar %v with mirrors %v, or nothing keeps pods from it", plan.Sidecar, plan.Mirrors)
			}
			if !plan.Ready() || !plan.Creatable() || plan.Volume == nil || plan.Volume.Spec.CSI.VolumeAttributes["fluid_sub_path"] != "a" {
				t.Errorf("the volume is %+v", plan.Volume)
			}
			w.PhysicalVolume = nil
			if plan := NewPlan(w); plan.Ready() || !slices.Contains(codesOf(plan.Findings), finding.CodeVolumeMissing) {
				t.Errorf("without the physical's volume: %v", plan.Findings)
			}
		})
	}
	if len(Runtimes()) != 7 {
		t.Errorf("there are %d runtimes: is each in a test?", len(Runtimes()))
	}
}

// TestAccessModesThatCannotBeAreSaid: they are what Fluid makes of them, and what has no effect or can't be is said.
func TestAccessModesThatCannotBeAreSaid(t *testing.T) {
	const rox, rwx, rwo, rwop = corev1.ReadOnlyMany, corev1.ReadWriteMany, corev1.ReadWriteOnce, corev1.ReadWriteOncePod
	type modes = []corev1.PersistentVolumeAccessMode
	for name, test := range map[string]struct {
		asked, physical, present, want modes
		code                           finding.Code
	}{
		"nothing asked":                        {nil, modes{rox}, nil, modes{rox}, ""},
		"nothing asked of a writable one":      {nil, modes{rwx}, nil, modes{rox}, ""},
		"as the physical":                      {modes{rwx}, modes{rwx}, nil, modes{rwx}, ""},
		"other than the physical":              {modes{rwo, rox}, modes{rwx}, nil, modes{rwo, rox}, ""},
		"more than the physical":               {modes{rwx}, modes{rox, rwx}, nil, modes{rox}, finding.CodeAccessModesIgnored},
		"a word":                               {modes{"ReadWrite"}, modes{rwx}, nil, modes{"ReadWrite"}, finding.CodeAccessModesInvalid},
		"one pod only":                         {modes{rwop}, modes{rwx}, nil, modes{rwop}, ""},
		"one pod only, and many":               {modes{rwop, rwx}, modes{rwx}, nil, modes{rwop, rwx}, finding.CodeAccessModesInvalid},
		"changed after the volume was made":    {modes{rwx}, modes{rwx}, modes{rwo}, modes{rwx}, finding.CodeAccessModesIgnored},
		"the volume is there and as it should": {modes{rwx}, modes{rwx}, modes{rwx}, modes{rwx}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := referencetest.World(t, "alluxio", "dataset://default/phy")
			w.PhysicalVolume.Spec.AccessModes = test.physical
			if test.present != nil {
				w.Volume = NewPlan(w).Volume
				w.Volume.Spec.AccessModes = test.present
			}
			w.Dataset.Spec.AccessModes = test.asked
			plan := NewPlan(w)
			if !slices.Equal(plan.Volume.Spec.AccessModes, test.want) || !slices.Equal(plan.Claim.Spec.AccessModes, test.want) {
				t.Errorf("the volume has %v, the claim %v", plan.Volume.Spec.AccessModes, plan.Claim.Spec.AccessModes)
			}
			if codes := codesOf(plan.Findings); (test.code == "" && codes != nil) || (test.code != "" && !slices.Equal(codes, []finding.Code{test.code})) {
				t.Errorf("the findings are %v", plan.Findings)
			}
		})
	}
}

func TestCredentialsThatAReferenceShowsAreWarnedOf(t *testing.T) {
	for name, test := range map[string]struct {
		runtime string
		change  func(*World)
		message string
	}{
		"options in clear": {"jindo", func(w *World) {
			w.Physical.Spec.Mounts[0].Options = map[string]string{"fs.oss.accessKeySecret": "canary", "fs.oss.endpoint": "x", "db-password": "canary"}
		}, "db-password, fs.oss.accessKeySecret"},
		"Alluxio writes them out": {"alluxio", encrypt, "ConfigMap default/phy-mount-config"},
		"Alluxio keeps them in": {"alluxio", func(w *World) {
			encrypt(w)
			w.Seen[finding.Object{Kind: "ConfigMap", Namespace: "default", Name: "phy-mount-config"}] = State{Object: &metav1.PartialObjectMetadata{}}
		}, ""},
		"nobody looked":        {"alluxio", func(w *World) { encrypt(w); w.Depth = ForAdmission }, ""},
		"other runtimes don't": {"juicefs", encrypt, ""},
		"options without any":  {"alluxio", func(w *World) { w.Physical.Spec.Mounts[0].Options = map[string]string{"alluxio.x": "y"} }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := referencetest.World(t, test.runtime, "dataset://default/phy")
			test.change(w)
			findings := NewPlan(w).Findings
			if test.message == "" {
				if len(findings) > 0 {
					t.Errorf("the findings are %v", findings)
				}
				return
			}
			if len(findings) != 1 || findings[0].Code != finding.CodeCredentialsShown || !strings.Contains(findings[0].Message, test.message) || strings.Contains(findings[0].String(), "canary") {
				t.Errorf("the findings are %v", findings)
			}
		})
	}
}

func encrypt(w *World) {
	w.Physical.Spec.Mounts[0].EncryptOptions = append(w.Physical.Spec.Mounts[0].EncryptOptions, w.Physical.Spec.SharedEncryptOptions...)
	w.Physical.Spec.Mounts[0].EncryptOptions = append(w.Physical.Spec.Mounts[0].EncryptOptions, encryptOption("aws.secretKey"))
}

// TestOperationsOnAReference: Fluid's four kinds of data operations name Datasets in different places.
func TestOperationsOnAReference(t *testing.T) {
	ref := types.NamespacedName{Namespace: "ref", Name: "refdemo"}
	for name, test := range map[string]struct {
		spec map[string]any
		want bool
	}{
		"load":               {map[string]any{"dataset": map[string]any{"name": "refdemo", "namespace": "ref"}}, true},
		"load, here":         {map[string]any{"dataset": map[string]any{"name": "refdemo"}}, true},
		"load of another":    {map[string]any{"dataset": map[string]any{"name": "refdemo", "namespace": "default"}}, false},
		"backup":             {map[string]any{"dataset": "refdemo"}, true},
		"backup of another":  {map[string]any{"dataset": "phy"}, false},
		"migration from":     {map[string]any{"from": map[string]any{"dataset": map[string]any{"name": "refdemo", "namespace": "ref"}}}, true},
		"migration to":       {map[string]any{"to": map[string]any{"dataset": map[string]any{"name": "refdemo"}}}, true},
		"without a Dataset":  {map[string]any{}, false},
		"of the wrong shape": {map[string]any{"dataset": []any{"refdemo"}}, false},
	} {
		operation := &unstructured.Unstructured{Object: map[string]any{"spec": test.spec}}
		operation.SetNamespace("ref")
		if got := OperatesOn(operation, ref); got != test.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	w := referencetest.World(t, "alluxio", "dataset://default/phy")
	w.Operations = map[finding.Object]bool{{Kind: "DataLoad", Namespace: "ref", Name: "warm"}: true}
	if findings := NewPlan(w).Findings; len(findings) != 1 || findings[0].Code != finding.CodeOperationOnReference || findings[0].Object.String() != "DataLoad ref/warm" {
		t.Errorf("the findings are %v", findings)
	}
}
