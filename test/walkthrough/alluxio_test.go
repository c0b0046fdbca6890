package walkthrough

import (
	"os"
	"strings"
	"testing"
)

// documented is the example as it is documented, with its mirror of Apache Spark.
const documented = `apiVersion: data.fluid.io/v1alpha1
kind: Dataset
metadata:
  name: phy
spec:
  mounts:
    - mountPoint: https://mirrors.bit.edu.cn/apache/spark/
      name: spark
---
apiVersion: data.fluid.io/v1alpha1
kind: AlluxioRuntime
metadata:
  name: phy
spec:
  replicas: 1
  tieredstore:
    levels:
      - mediumtype: MEM
        path: /dev/shm
        quota: 1Gi
        high: "0.95"
        low: "0.7"
`

// TestExampleIsTheDocumentedOne, word for word, the origin's address apart.
func TestExampleIsTheDocumentedOne(t *testing.T) {
	example, err := os.ReadFile("../../examples/alluxio/phy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(documented, "https://mirrors.bit.edu.cn/apache/spark/", "http://origin.origin.svc.cluster.local/apache/spark/", 1)
	if string(example) != want {
		t.Errorf("examples/alluxio/phy.yaml is\n%s", example)
	}
}

func TestCountRequests(t *testing.T) {
	log := `2026/11/30 18:33:18 [notice] 1#1: start worker processes
GET /apache/spark/ 200 519
HEAD /apache/spark/README.md 200 0
GET /apache/spark/a b.txt 206 36
GET /apache/spark/spark.tgz 206 67108864
`
	if got, want := countRequests(log), (Requests{Files: 2, Bytes: 67108900, Metadata: 2}); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
	if got, want := countRequests(log).Since(Requests{1, 36, 2}), (Requests{Files: 1, Bytes: 67108864}); got != want {
		t.Errorf("since then %+v, want %+v", got, want)
	}
}
