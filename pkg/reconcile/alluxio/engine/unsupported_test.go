package engine

import (
	"slices"
	"testing"

	"sigs.k8s.io/yaml"
)

func TestFieldsThatAskForNothingAreNotNamed(t *testing.T) {
	// What Fluid's own CRD and controllers make of the documented example.
	const spec = `
alluxioVersion: {}
apiGateway: {podMetadata: {}, resources: {}}
data: {pin: false, replicas: 0}
fuse: {podMetadata: {}, resources: {}}
initUsers: {resources: {}}
jobMaster: {podMetadata: {}, resources: {}}
management: {cleanCachePolicy: {gracePeriodSeconds: 60, maxRetryAttempts: 3}, metadataSyncPolicy: {}}
master: {podMetadata: {}, resources: {}}
podMetadata: {}
replicas: 1
tieredstore: {levels: [{high: "0.95", low: "0.7", mediumtype: MEM, path: /dev/shm, quota: 1Gi, volumeSource: {}, volumeType: hostPath}]}
worker: {podMetadata: {}, resources: {requests: {memory: 1Gi}}}
`
	if got := unsupported(t, spec); len(got) > 0 {
		t.Error(got)
	}
}

func TestEveryFieldThatIsNotHonouredIsNamed(t *testing.T) {
	const spec = `
hadoopConfig: hdfs
apiGateway: {enabled: true}
data: {pin: true, replicas: 2}
fuse: {args: [fuse, "--fuse-opts=ro"], cleanPolicy: OnDemand, resources: {limits: {memory: 1Gi}}}
management: {cleanCachePolicy: {gracePeriodSeconds: 10, maxRetryAttempts: 3}}
master: {replicas: 3, ports: {rpc: 1}, volumeMounts: [{name: a, mountPath: /a}], podMetadata: {labels: {a: b}}}
worker: {replicas: 2}
jobMaster: {nodeSelector: {a: b}}
volumes: [{name: a, emptyDir: {}}]
runAs: {uid: 1, gid: 1, user: a, group: b, more: 1}
tieredstore: {levels: [{mediumtype: MEM, path: /a, quota: 1Gi}, {mediumtype: SSD, path: /b, quota: 1Gi, volumeSource: {emptyDir: {medium: ""}, x: 1}}]}
somethingNew: {of: [{a: 1}]}
`
	want := []string{"apiGateway.enabled", "data.pin", "data.replicas", "fuse.args", "fuse.cleanPolicy", "hadoopConfig", "jobMaster.nodeSelector",
		"management.cleanCachePolicy.gracePeriodSeconds", "master.podMetadata.labels.a", "master.ports.rpc", "master.volumeMounts.mountPath",
		"master.volumeMounts.name", "runAs.more", "somethingNew.of.a", "tieredstore.levels.volumeSource.x", "volumes.name", "worker.replicas"}
	if got := unsupported(t, spec); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func unsupported(t *testing.T, text string) []string {
	t.Helper()
	var spec map[string]any
	if err := yaml.Unmarshal([]byte(text), &spec); err != nil {
		t.Fatal(err)
	}
	fields, err := Unsupported(spec)
	if err != nil {
		t.Fatal(err)
	}
	return fields
}
