package load

import (
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/certificate"
)

// The null webhook knows its patch in advance and looks at nothing but the request's UID: no webhook can be faster. The
// test binary is its program.
const (
	nullWebhookEnv = "LOAD_NULL_WEBHOOK"       // the address that it serves
	nullPatchEnv   = "LOAD_NULL_WEBHOOK_PATCH" // a file with the patch
	nullService    = "null-webhook"
	// As long as the real one's, with a domain: the API server validates labels by regular expressions.
	nullWebhookLabel = "webhook.example.com/inject"
)

func serveNullWebhook(address string) {
	if err := listenNullWebhook(address); err != nil {
		fmt.Fprintln(os.Stderr, "the null webhook:", err)
		os.Exit(1)
	}
}

func listenNullWebhook(address string) error {
	patch, err := os.ReadFile(os.Getenv(nullPatchEnv))
	if err != nil {
		return err
	}
	authority, err := certificate.NewAuthority(time.Now())
	if err != nil {
		return err
	}
	authorities := certificate.Authorities{authority}
	leaf, err := authorities.Issue(time.Now(), 0, nullService+"."+systemNamespace+".svc")
	if err != nil {
		return err
	}
	listener, err := tls.Listen("tcp", address, &tls.Config{Certificates: []tls.Certificate{*leaf}})
	if err != nil {
		return err
	}
	fmt.Printf("%s", authorities.Bundle())
	os.Stdout.Close()
	return http.Serve(listener, nullHandler(patch))
}

func nullHandler(patch []byte) http.Handler {
	before := []byte(`{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":"`)
	after := []byte(`","allowed":true,"patchType":"JSONPatch","patch":"` + base64.StdEncoding.EncodeToString(patch) + `"}}`)
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		_, rest, found := bytes.Cut(body, []byte(`"uid":"`))
		uid, _, closed := bytes.Cut(rest, []byte(`"`))
		if err != nil || !found || !closed {
			http.Error(w, "no UID", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(bytes.Join([][]byte{before, uid, after}, nil))
	})
}

// startNullWebhook starts the null webhook behind a Service, and lets the API server call it for pods with a label.
func (n *installation) startNullWebhook(b *testing.B, patch []byte) {
	b.Helper()
	port := freePorts(b, 1)[0]
	file := filepath.Join(b.TempDir(), "patch.json")
	if err := os.WriteFile(file, patch, 0o600); err != nil {
		b.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	command := exec.Command(program)
	command.Env = append(os.Environ(), nullWebhookEnv+"="+net.JoinHostPort(n.address, port), nullPatchEnv+"="+file)
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err = command.Start(); err != nil {
		b.Fatal(err)
	}
	n.null = command.Process
	b.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	bundle, err := io.ReadAll(output)
	if err != nil || len(bundle) == 0 {
		b.Fatal("the null webhook hasn't started: ", err)
	}
	n.createService(b, nullService)
	slice := n.createSlice(b, nullService, port)
	if err := n.setReady(slice, true); err != nil {
		b.Fatal(err)
	}
	n.create(b, nullConfiguration(bundle))
}

// nullConfiguration is like that of the real webhook.
func nullConfiguration(bundle []byte) *admissionregistrationv1.MutatingWebhookConfiguration {
	return &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "null-webhook"},
		Webhooks: []admissionregistrationv1.MutatingWebhook{{
			Name: "null.example.com",
			ClientConfig: admissionregistrationv1.WebhookClientConfig{
				Service:  &admissionregistrationv1.ServiceReference{Namespace: systemNamespace, Name: nullService, Path: new("/"), Port: new(int32(443))},
				CABundle: bundle,
			},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
			}},
			// It is called once: its patch can't be applied twice.
			ObjectSelector: &metav1.LabelSelector{
				MatchLabels:      map[string]string{nullWebhookLabel: "true"},
				MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "done.sidecar.fluid.io/inject", Operator: metav1.LabelSelectorOpDoesNotExist}},
			},
			AdmissionReviewVersions: []string{"v1"},
			SideEffects:             new(admissionregistrationv1.SideEffectClassNone),
			ReinvocationPolicy:      new(admissionregistrationv1.IfNeededReinvocationPolicy),
			FailurePolicy:           new(admissionregistrationv1.Fail),
		}},
	}
}
