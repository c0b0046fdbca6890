package load

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8sruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/inject"
	"github.com/kubectl-fluid/kubectl-fluid/test/harness"
)

// Each way of creating pods is measured in turn, so that whatever else the machine does meets all of them: its speed may
// change by a third within a second. Many turns are needed, because the API server collects its garbage in some of them and
// not in others. The first moments of a turn, in which all clients come at once, don't count.
const (
	measuringRounds = 60
	warmingTime     = 100 * time.Millisecond
	measuringTime   = 900 * time.Millisecond
)

// BenchmarkAdmission creates the documented pod, without a token, by server-side dry runs: without the label, so that no
// webhook is called (plain); with a webhook that answers with a constant, the patch that this project's makes of this pod
// (null); and with this project's (ours). Both webhooks are processes of their own, which the API server reaches by their
// Services over HTTP/1.1. Run it with -benchtime 1x.
func BenchmarkAdmission(b *testing.B) {
	if testing.Short() {
		b.Skip("a benchmark on a cluster")
	}
	n := install(b, newEnvironment(b))
	namespace := n.newConsumer(b)
	pods := n.variants(b, namespace)
	for _, clients := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("%d clients", clients), func(b *testing.B) {
			for b.Loop() {
				n.measure(b, namespace, pods, clients)
			}
		})
	}
}

// variant is a way of creating pods.
type variant struct {
	name     string
	body     []byte
	injected bool
	took     []time.Duration
	elapsed  time.Duration
	// processor is the time of it that the API server, etcd, the webhooks and the client took: what limits the rate on a
	// busy machine, and hardly depends on what else the machine does.
	processor time.Duration
}

func (n *installation) variants(b *testing.B, namespace string) []*variant {
	b.Helper()
	encode := func(labels map[string]string) []byte {
		pod := newPod(namespace, "nginx")
		pod.Labels = labels
		pod.Spec.AutomountServiceAccountToken = new(false) // whose volume has another name in each pod, and so has the patch
		pod.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
		body, err := json.Marshal(pod)
		if err != nil {
			b.Fatal(err)
		}
		return body
	}
	ours := encode(map[string]string{"serverless.fluid.io/inject": "true"})
	patch := n.patchOf(b, namespace, ours)
	b.Logf("a pod of %d bytes, a patch of %d bytes", len(ours), len(patch))
	n.startNullWebhook(b, patch)
	return []*variant{
		{name: "plain", body: encode(nil)},
		{name: "null", body: encode(map[string]string{nullWebhookLabel: "true"}), injected: true},
		{name: "ours", body: ours, injected: true},
	}
}

// patchOf asks the first replica for the patch of a pod.
func (n *installation) patchOf(b *testing.B, namespace string, pod []byte) []byte {
	b.Helper()
	review, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{UID: "0e6ae374-0af3-4d3f-b5a0-c5d1c2b1a1f5", Namespace: namespace, Operation: admissionv1.Create,
			Object: k8sruntime.RawExtension{Raw: pod}},
	})
	if err != nil {
		b.Fatal(err)
	}
	insecure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	response, err := insecure.Post("https://"+n.address+":"+n.replicas[0].port+inject.PodPath, "application/json", bytes.NewReader(review))
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	answer := &admissionv1.AdmissionReview{}
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil || answer.Response == nil || answer.Response.Patch == nil {
		b.Fatalf("there is no patch: %+v, %v", answer.Response, err)
	}
	return answer.Response.Patch
}

// measure creates pods in each way in turn, and prints how long that takes.
func (n *installation) measure(b *testing.B, namespace string, variants []*variant, clients int) {
	clientset, err := kubernetes.NewForConfig(n.config)
	if err != nil {
		b.Fatal(err)
	}
	create := func(v *variant) ([]byte, error) {
		answer, err := clientset.CoreV1().RESTClient().Post().Namespace(namespace).Resource("pods").
			Param("dryRun", "All").SetHeader("Content-Type", "application/json").SetHeader("Accept", "application/json").
			Body(v.body).Do(n.ctx).Raw()
		if err != nil {
			return nil, fmt.Errorf("creating a pod of %s: %w: %s", v.name, err, answer)
		}
		if bytes.Contains(answer, []byte("fluid-fuse-0")) != v.injected {
			return nil, fmt.Errorf("a pod of %s has or lacks a sidecar: %s", v.name, answer)
		}
		return answer, nil
	}
	var specs []string
	for _, v := range variants {
		v.took, v.elapsed, v.processor = nil, 0, 0
		specs = append(specs, specOf(b, n.settle(b, v, create)))
	}
	if specs[1] != specs[2] {
		b.Fatalf("null makes another pod than ours:\n%s\n%s", specs[1], specs[2])
	}
	for round := range measuringRounds {
		turns := slices.Clone(variants[1:])
		if round%2 > 0 {
			slices.Reverse(turns)
		}
		if round%3 == 0 { // often enough for what isn't part of a ratio
			turns = append(turns, variants[0])
		}
		for _, v := range turns {
			n.takeTurn(b, v, clients, func() error { _, err := create(v); return err })
		}
	}
	report(b, variants, clients)
}

// settle warms up what a variant uses, waits until the webhook configurations are in force, and returns the last pod.
func (n *installation) settle(b *testing.B, v *variant, create func(*variant) ([]byte, error)) (pod []byte) {
	b.Helper()
	err := harness.Await(30*time.Second, func() error { _, err := create(v); return err })
	for i := 0; i < 50 && err == nil; i++ {
		pod, err = create(v)
	}
	if err != nil {
		b.Fatal(err)
	}
	return pod
}

// specOf returns the spec of a pod without the UID of the request, after which the pod's directory on its node is named.
func specOf(b *testing.B, pod []byte) string {
	b.Helper()
	var fields struct {
		Spec json.RawMessage `json:"spec"`
	}
	if err := json.Unmarshal(pod, &fields); err != nil {
		b.Fatal(err)
	}
	return regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`).ReplaceAllString(string(fields.Spec), "UID")
}

// takeTurn lets clients make requests one after the other, and adds to the variant what ends in the measured time: requests
// that have begun before count, and those that go on after it don't, so the rate is that of clients who never stop.
func (n *installation) takeTurn(b *testing.B, v *variant, clients int, request func() error) {
	b.Helper()
	var mutex sync.Mutex
	var failed error
	var measuring, ended atomic.Bool
	var running sync.WaitGroup
	for range clients {
		running.Go(func() {
			for !ended.Load() {
				asked := time.Now()
				err := request()
				took := time.Since(asked)
				mutex.Lock()
				if err != nil {
					failed = err
					ended.Store(true)
				}
				if measuring.Load() && !ended.Load() {
					v.took = append(v.took, took)
				}
				mutex.Unlock()
			}
		})
	}
	time.Sleep(warmingTime)
	before, started := n.processorTime(b), time.Now()
	measuring.Store(true)
	time.Sleep(measuringTime)
	ended.Store(true)
	v.elapsed += time.Since(started)
	v.processor += n.processorTime(b) - before
	running.Wait()
	if failed != nil {
		b.Fatal(failed)
	}
}

// report prints a table and the ratios that matter.
func report(b *testing.B, variants []*variant, clients int) {
	b.Helper()
	milliseconds := func(v *variant, percent int) float64 {
		slices.Sort(v.took)
		return float64(v.took[(len(v.took)-1)*percent/100].Microseconds()) / 1000
	}
	rate := func(v *variant) float64 { return float64(len(v.took)) / v.elapsed.Seconds() }
	var table strings.Builder
	processor := func(v *variant) float64 { return v.processor.Seconds() * 1000 / float64(len(v.took)) }
	fmt.Fprintf(&table, "%d clients, %d processors\n%8s %10s %10s %12s %12s\n", clients, runtime.NumCPU(), "", "p50 ms", "p99 ms", "pods/s", "CPU ms/pod")
	for _, v := range variants {
		fmt.Fprintf(&table, "%8s %10.2f %10.2f %12.0f %12.2f\n", v.name, milliseconds(v, 50), milliseconds(v, 99), rate(v), processor(v))
		b.ReportMetric(processor(v), v.name+"-CPU-ms/pod")
		b.ReportMetric(milliseconds(v, 50), v.name+"-p50-ms")
		b.ReportMetric(milliseconds(v, 99), v.name+"-p99-ms")
		b.ReportMetric(rate(v), v.name+"-pods/s")
	}
	null, ours := variants[1], variants[2]
	b.ReportMetric(milliseconds(ours, 50)/milliseconds(null, 50), "p50-ours/null")
	b.ReportMetric(rate(ours)/rate(null), "rate-ours/null")
	b.ReportMetric(0, "ns/op") // the time of everything, which says nothing
	b.ReportMetric(processor(ours)/processor(null), "CPU-ours/null")
	fmt.Fprintf(&table, "ours/null: p50 %.2f, pods/s %.2f, CPU %.2f", milliseconds(ours, 50)/milliseconds(null, 50), rate(ours)/rate(null), processor(ours)/processor(null))
	b.Log(table.String())
}
