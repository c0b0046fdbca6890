package walkthrough

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// PhysicalAlluxio returns the steps that make the physical Dataset default/phy of the example with Alluxio, and its remote
// data. Like the rest of this example, they take a node that has the example image alluxio.
func PhysicalAlluxio() []Step {
	return []Step{
		{"The remote data: a web server in a namespace of its own", [][]string{
			words("kubectl apply -f examples/alluxio/origin.yaml"),
			words("kubectl wait pod/origin -n origin --for=condition=Ready --timeout=120s"),
		}},
		{"The physical Dataset phy in default, and the AlluxioRuntime that caches it", [][]string{
			words("kubectl apply -f examples/alluxio/phy.yaml"),
			words("kubectl wait dataset/phy --for=jsonpath={.status.phase}=Bound --timeout=180s"),
			words("kubectl get pods -n default"),
		}},
	}
}

// ReferAlluxio returns the step that makes a reference to default/phy and a pod that mounts it, in a new namespace.
func ReferAlluxio(namespace string) Step {
	in := " -n " + namespace
	return Step{"The reference refdemo and the pod nginx in " + namespace, [][]string{
		words("kubectl create namespace " + namespace),
		words("kubectl apply -f examples/alluxio/refdemo.yaml" + in),
		words("kubectl wait dataset/refdemo --for=jsonpath={.status.phase}=Bound --timeout=60s" + in),
		words("kubectl create -f examples/walkthrough/nginx.yaml" + in),
		words("kubectl wait pod/nginx --for=condition=Ready --timeout=120s" + in),
		words("kubectl exec nginx -c nginx" + in + " -- ls /data_spark"),
	}}
}

// AlluxioFile is where the pods of the example see its large file.
const AlluxioFile = "/data_spark/spark/spark-3.5.1/spark-3.5.1-bin-hadoop3.tgz"

// ReadAlluxio returns the step that reads the large file in a namespace.
func ReadAlluxio(namespace string) Step {
	return Step{"256 MiB, read in " + namespace, [][]string{
		words("kubectl exec nginx -c nginx -n " + namespace + " -- time md5sum " + AlluxioFile),
	}}
}

// CachedAlluxio returns the step that shows how much is cached, and that no FUSE pod runs.
func CachedAlluxio() Step {
	return Step{"One cache for both: no FUSE pod in default", [][]string{
		words("kubectl get pods -n default"),
		words("kubectl get dataset -A"),
	}}
}

// Requests are requests that an origin has answered.
type Requests struct {
	// Files counts those for files' contents; Bytes is what was sent for them.
	Files int
	Bytes int64
	// Metadata counts those for listings, and for sizes and times.
	Metadata int
}

// String says what was asked, as the demo prints it.
func (r Requests) String() string {
	return fmt.Sprintf("%d requests for the contents of files, with %d bytes, and %d for listings, sizes and times", r.Files, r.Bytes, r.Metadata)
}

// Since returns the requests after earlier ones.
func (r Requests) Since(earlier Requests) Requests {
	return Requests{r.Files - earlier.Files, r.Bytes - earlier.Bytes, r.Metadata - earlier.Metadata}
}

// OriginRequests returns what the web server of examples/alluxio has been asked so far, by its log.
func (e *Environment) OriginRequests(ctx context.Context) (Requests, error) {
	log, err := e.Output(ctx, "", "kubectl", "logs", "origin", "-n", "origin", "-c", "nginx", "--tail=-1")
	if err != nil {
		return Requests{}, fmt.Errorf("counting the origin's requests: %w", err)
	}
	return countRequests(log), nil
}

// countRequests counts the requests in a log with lines like: GET /apache/spark/README.md 200 36.
func countRequests(log string) Requests {
	var r Requests
	for line := range strings.Lines(log) {
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[0] != "GET" && fields[0] != "HEAD" {
			continue
		}
		sent, err := strconv.ParseInt(fields[len(fields)-1], 10, 64)
		if err != nil {
			continue
		}
		path := strings.Join(fields[1:len(fields)-2], " ")
		if fields[0] == "HEAD" || strings.HasSuffix(path, "/") {
			r.Metadata++
			continue
		}
		r.Files++
		r.Bytes += sent
	}
	return r
}
