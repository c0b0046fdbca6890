package plugin

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/version"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/doctor"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// authority returns a certificate authority that is valid around the time of the tests.
func authority(t *testing.T, before, after time.Duration) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: testNow().Add(-before), NotAfter: testNow().Add(after)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// webhookConfigurations returns this project's, with a caBundle.
func webhookConfigurations(bundle []byte) []client.Object {
	config := admissionregistrationv1.WebhookClientConfig{CABundle: bundle,
		Service: &admissionregistrationv1.ServiceReference{Namespace: reference.DefaultController().Namespace, Name: "kubectl-fluid-webhook"}}
	return []client.Object{
		&admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: cluster.OwnWebhook},
			Webhooks: []admissionregistrationv1.MutatingWebhook{{Name: "sidecar.kubectl-fluid.dev", ClientConfig: config}}},
		&admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: cluster.OwnWebhook},
			Webhooks: []admissionregistrationv1.ValidatingWebhook{{Name: "reference.kubectl-fluid.dev", ClientConfig: config}}},
	}
}

// admission plays the API server's part in dry runs; others are created.
type admission struct {
	pod, dataset func(object client.Object) error
	rights       bool
}

func (a admission) calls() interceptor.Funcs {
	reviews := answerReviews(a.rights)
	return interceptor.Funcs{Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
		if o := (&client.CreateOptions{}).ApplyOptions(options); len(o.DryRun) > 0 {
			switch object.(type) {
			case *corev1.Pod:
				return a.pod(object)
			case *datav1alpha1.Dataset:
				return a.dataset(object)
			}
		}
		return reviews(ctx, c, object, options...)
	}}
}

func addSidecar(object client.Object) error {
	pod := object.(*corev1.Pod)
	pod.Spec.InitContainers = []corev1.Container{{Name: "fluid-fuse-0"}}
	return nil
}

func admit(client.Object) error { return nil }

func refuse(message string) func(client.Object) error {
	return func(client.Object) error {
		return apierrors.NewForbidden(schema.GroupResource{Resource: "probes"}, doctor.ProbeName, errors.New(message))
	}
}

// TestDoctor has installations that work, that don't, and that can't be looked at.
func TestDoctor(t *testing.T) {
	denied := refuse(`admission webhook "reference.kubectl-fluid.dev" denied the request: KF3003: Dataset ref/kubectl-fluid-doctor: it is itself`)
	working := admission{addSidecar, denied, true}
	fresh, old := authority(t, time.Hour, 300*24*time.Hour), authority(t, 360*24*time.Hour, 5*24*time.Hour)
	ended := authority(t, 48*time.Hour, -24*time.Hour)
	healthy := []string{"installation.yaml", "references.yaml", "alluxio.yaml"}
	for _, test := range []struct {
		name, command string
		files         []string
		admission     admission
		bundle        []byte // nil for a cluster without webhooks
	}{
		{"healthy", "doctor -n ref", healthy, working, fresh},
		{"only", "doctor -n ref --only webhooks,certificates -o wide", healthy, working, fresh},
		{"skip-json", "doctor -n ref --skip client,nodes,rights,certificates -o json", healthy, working, fresh},
		{"short", "doctor -n ref -o short", []string{"broken-installation.yaml"}, admission{admit, admit, false}, ended},
		{"broken", "doctor -n ref", append([]string{"broken-installation.yaml"}, "references.yaml"), admission{admit, admit, false}, ended},
		{"nothing-installed", "doctor -n default", []string{"namespaces.yaml"}, working, nil},
		{"certificate-expires", "doctor --only certificates", nil, working, old},
		{"certificate-nonsense", "doctor --only certificates", nil, working, []byte("nonsense")},
		{"no-dataset", "doctor -n empty --only webhooks -o wide", nil, working, fresh},
		{"unreachable-webhook", "doctor -n ref --only webhooks", healthy, admission{
			func(client.Object) error {
				return apierrors.NewInternalError(errors.New(`failed calling webhook "sidecar.kubectl-fluid.dev": no endpoints available`))
			}, denied, true}, fresh},
		{"pod-security", "doctor -n ref --only webhooks", healthy, admission{refuse(`violates PodSecurity "baseline:latest": hostPath volumes`), denied, true}, fresh},
		{"pod-denied", "doctor -n ref --only webhooks", healthy, admission{refuse(`admission webhook "sidecar.kubectl-fluid.dev" denied the request: KF4002`), denied, true}, fresh},
		{"probe-forbidden", "doctor -n ref --only webhooks --strict", healthy, admission{refuse("you may not create pods"), refuse("you may not create datasets"), true}, fresh},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := fakeClientWith(t, test.admission.calls(), test.files...)
			if test.bundle != nil {
				for _, object := range webhookConfigurations(test.bundle) {
					if err := c.Create(t.Context(), object); err != nil {
						t.Fatal(err)
					}
				}
			}
			r := run(t.Context(), connectTo(c), test.command)
			compare(t, "doctor-"+test.name+".txt", "$ kubectl fluid "+test.command+"\n"+normal(r.text()))
		})
	}
}

// TestDoctorForbidden has a user who may do nothing: everything is inconclusive, nothing passes but what he has himself.
func TestDoctorForbidden(t *testing.T) {
	no := apierrors.NewForbidden(schema.GroupResource{Resource: "any"}, "", errors.New("no right"))
	c := fakeClientWith(t, interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return no
		},
		List:   func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error { return no },
		Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error { return no },
	})
	for command, want := range map[string]int{"doctor -n ref": ExitOK, "doctor -n ref --strict": ExitInconclusive} {
		r := run(t.Context(), connectTo(c), command)
		if r.code != want {
			t.Errorf("%s: %s", command, r.text())
		}
		compare(t, "doctor-forbidden.txt", normal(r.out))
	}
}

// TestDoctorWithoutConnection still says what it can.
func TestDoctorWithoutConnection(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	r := run(t.Context(), nil, "doctor --server "+server.URL)
	if r.code != ExitFindings || !strings.Contains(r.out, "KF1035") || !strings.Contains(r.out, "kubectl fluid") {
		t.Error(r.text())
	}
}

// TestIncompleteRightsAreInconclusive: authorizers that can't list rights are no reason to miss one.
func TestIncompleteRightsAreInconclusive(t *testing.T) {
	c := fakeClientWith(t, interceptor.Funcs{Create: func(_ context.Context, _ client.WithWatch, object client.Object, _ ...client.CreateOption) error {
		object.(*authorizationv1.SelfSubjectRulesReview).Status.Incomplete = true
		return nil
	}})
	r := run(t.Context(), connectTo(c), "doctor --only rights -o short")
	if r.code != ExitOK || !strings.Contains(r.out, "inconclusive KF1001") || strings.Contains(r.out, "KF1032") {
		t.Error(r.text())
	}
}

// TestBundleHasNoSecret puts a canary everywhere where people put secrets: nothing of it is in the archive.
func TestBundleHasNoSecret(t *testing.T) {
	const canary = "c4n4ry"
	c := fakeClientWith(t, admission{addSidecar, admit, true}.calls(), "installation.yaml", "alluxio.yaml", "canary.yaml")
	file := filepath.Join(t.TempDir(), "bundle.tar.gz")
	r := run(t.Context(), connectTo(c), "doctor -n ref --bundle "+file)
	if r.code != ExitFindings || !strings.Contains(r.err, "Wrote "+file) {
		t.Fatal(r.text())
	}
	files := readArchive(t, file)
	for name, text := range files {
		if strings.Contains(text, canary) {
			t.Errorf("%s has the canary:\n%s", name, text)
		}
	}
	for name, part := range map[string]string{
		"pods.yaml": "image: app", "datasets.yaml": "mountPoint: dataset://default/phy", "events.yaml": "reason: Failed",
		"doctor.txt": "RESULT", "doctor.json": "DoctorReport", "versions.json": "v1.37.2", "customresourcedefinitions.yaml": "v1alpha1", "README.txt": "without data",
	} {
		if text := files["kubectl-fluid-doctor/"+name]; !strings.Contains(text, part) {
			t.Errorf("%s hasn't %q:\n%s", name, part, text)
		}
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if r := run(t.Context(), connectTo(c), "doctor -n ref --bundle "+file); r.code != ExitUsage {
		t.Errorf("an existing file is overwritten: %s", r.text())
	}
}

func readArchive(t *testing.T, file string) map[string]string {
	t.Helper()
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if closeErr := in.Close(); closeErr != nil {
			t.Error(closeErr)
		}
	})
	compressed, err := gzip.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for archive := tar.NewReader(compressed); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = string(data)
	}
}

// TestKubeletBugs: a bug counts from the release that has it to the patch release that mended it.
func TestKubeletBugs(t *testing.T) {
	for kubelet, want := range map[string]string{
		"v1.29.0": "#132826", "v1.32.11": "#132826", "v1.33.5": "#132826", "v1.33.6": "", "v1.34.1": "#132826", "v1.34.2-gke.1": "",
		"v1.35.0": "#137146", "v1.35.3+k3s1": "#137146", "v1.35.4": "", "v1.36.0": "", "v1.37.2": "",
	} {
		parsed, err := version.ParseGeneric(kubelet)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(doctor.KubeletBugs(parsed), ","); got != want {
			t.Errorf("%s: %q, want %q", kubelet, got, want)
		}
	}
}

// TestDefinitionsOfLargeClusters: a cluster may have more definitions than one request lists.
func TestDefinitionsOfLargeClusters(t *testing.T) {
	objects := load(t, "installation.yaml")
	c := fakeClientWith(t, interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
		page, ok := list.(*unstructured.UnstructuredList)
		if !ok || page.GetKind() != "CustomResourceDefinitionList" {
			return c.List(ctx, list, options...)
		}
		if o := (&client.ListOptions{}).ApplyOptions(options); o.Continue == "" {
			page.SetContinue("more") // The first page has those of others.
			return nil
		}
		for _, object := range objects {
			if object.GetKind() == "CustomResourceDefinition" {
				page.Items = append(page.Items, *object)
			}
		}
		return nil
	}}, "installation.yaml")
	if r := run(t.Context(), connectTo(c), "doctor --only definitions"); r.code != ExitOK || !strings.Contains(r.out, "datasets.data.fluid.io") {
		t.Error(r.text())
	}
}

// TestDoctorTakesAnUnknownPodSecurityLevelForRestricted, as Kubernetes does.
func TestDoctorTakesAnUnknownPodSecurityLevelForRestricted(t *testing.T) {
	for level, want := range map[string]bool{"privileged": false, "Privileged": true, "": true, "baseline": true} {
		c := fakeClient(t)
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "odd", Labels: map[string]string{"pod-security.kubernetes.io/enforce": level, "kubectl-fluid.dev/sidecar-privileges": "allowed"}}}
		if err := c.Create(t.Context(), namespace); err != nil {
			t.Fatal(err)
		}
		r := run(t.Context(), connectTo(c), "doctor -n odd --only pod-security")
		if found := strings.Contains(r.text(), "KF3016"); found != want {
			t.Errorf("level %q: a warning is %t, want %t:\n%s", level, found, want, r.text())
		}
	}
}
