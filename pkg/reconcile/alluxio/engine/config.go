package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
)

// Keys of the ConfigMap that all components read. They are Fluid's, and Alluxio's start script knows them.
const (
	keyJava      = "ALLUXIO_JAVA_OPTS"
	keyMaster    = "ALLUXIO_MASTER_JAVA_OPTS"
	keyJobMaster = "ALLUXIO_JOB_MASTER_JAVA_OPTS"
	keyWorker    = "ALLUXIO_WORKER_JAVA_OPTS"
	keyJobWorker = "ALLUXIO_JOB_WORKER_JAVA_OPTS"
	keyFuse      = "ALLUXIO_FUSE_JAVA_OPTS"
	keyTierPath  = "ALLUXIO_WORKER_TIEREDSTORE_LEVEL0_DIRS_PATH"
	// keyMountInfo is the only key of the other ConfigMap: what is mounted where.
	keyMountInfo = "mount.info"
)

// A file that is replaced at its origin is seen within these three together, less than a minute.
const (
	syncInterval       = 30 // seconds between a master's looks at the origin for a path that is asked for
	clientMetadataTime = 15 // seconds that a client keeps what a master said
	kernelMetadataTime = 10 // seconds that the kernel keeps what a client said
)

func (e *Engine) configMap() *corev1.ConfigMap {
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: e.meta(ConfigName(e.runtime.Name), "", map[string]string{"name": ConfigName(e.runtime.Name)}),
		Data:       e.config,
	}
}

func (e *Engine) mountConfigMap() *corev1.ConfigMap {
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: e.meta(MountConfigName(e.runtime.Name), "", map[string]string{"name": MountConfigName(e.runtime.Name)}),
		Data:       map[string]string{keyMountInfo: mountInfo(e.mounts)},
	}
}

// options of all components and of each.
func (e *Engine) options() map[string]string {
	spec := &e.runtime.Spec
	masterName := []string{property("alluxio.master.hostname", "${ALLUXIO_MASTER_HOSTNAME}")}
	workerName := []string{property("alluxio.worker.hostname", "${ALLUXIO_WORKER_HOSTNAME}")}
	component := func(container string, c *datav1alpha1.AlluxioComponentSpec, words []string, taken int64) string {
		given := append(properties(c.Properties), c.JvmOptions...)
		return line(words, memoryWithoutLimit(container).within(c.Resources, taken).options(c.JvmOptions), given)
	}
	master := masterName
	if root := rootMount(e.mounts); root != nil && len(root.Secrets) > 0 {
		master = append(master, property("alluxio.site.conf.dir", siteDirectory+"/"))
	}
	fuse := &spec.Fuse
	return map[string]string{
		keyJava:      line(e.identity(), tierProperties(e.tiers), properties(e.properties()), spec.JvmOptions),
		keyMaster:    component(containerMaster, &spec.Master, master, 0),
		keyJobMaster: component(containerJobMaster, &spec.JobMaster, masterName, 0),
		keyWorker:    component(containerWorker, &spec.Worker, workerName, memoryOf(e.tiers)),
		keyJobWorker: component(containerJobWorker, &spec.JobWorker, workerName, 0),
		keyFuse: line([]string{property("alluxio.user.hostname", "${ALLUXIO_CLIENT_HOSTNAME}")},
			memoryWithoutLimit(containerFuse).within(fuse.Resources, 0).options(fuse.JvmOptions), properties(fuse.Properties), fuse.JvmOptions),
		keyTierPath: "${" + keyTierPath + "}",
	}
}

// identity says where the masters are. One master goes by the name of its Service. Three have a name each for clients, which
// exists while they are ready, and another for each other, which exists from the start: they wouldn't become ready without.
func (e *Engine) identity() []string {
	journal := []string{property("alluxio.master.journal.type", "EMBEDDED"), property("alluxio.master.journal.folder", journalDirectory)}
	if e.Masters() == 1 {
		return append([]string{property("alluxio.master.hostname", e.masterAddress(0))}, journal...)
	}
	var rpc, jobRPC, peers, jobPeers []string
	for i := range e.Masters() {
		rpc = append(rpc, fmt.Sprintf("%s:%d", e.masterAddress(i), portMasterRPC))
		jobRPC = append(jobRPC, fmt.Sprintf("%s:%d", e.masterAddress(i), portJobMasterRPC))
		peer := MasterPod(e.runtime.Name, i) + "." + MasterName(e.runtime.Name) + "." + e.runtime.Namespace
		peers = append(peers, fmt.Sprintf("%s:%d", peer, portMasterJournal))
		jobPeers = append(jobPeers, fmt.Sprintf("%s:%d", peer, portJobMasterJournal))
	}
	return append(journal,
		property("alluxio.master.rpc.addresses", strings.Join(rpc, ",")),
		property("alluxio.job.master.rpc.addresses", strings.Join(jobRPC, ",")),
		property("alluxio.master.embedded.journal.addresses", strings.Join(peers, ",")),
		property("alluxio.job.master.embedded.journal.addresses", strings.Join(jobPeers, ",")))
}

// masterAddress is the name by which clients of every namespace find a master.
func (e *Engine) masterAddress(ordinal int) string {
	return MasterPod(e.runtime.Name, ordinal) + "." + e.runtime.Namespace
}

// properties are those of all components: what this engine sets, then the root's, then the user's.
func (e *Engine) properties() map[string]string {
	set := map[string]string{
		"alluxio.fuse.jnifuse.enabled":                         "true",
		"alluxio.fuse.jnifuse.libfuse.version":                 "2", // the one that has the mount option sync_read
		"alluxio.fuse.user.group.translation.enabled":          "false",
		"alluxio.master.lost.worker.detection.interval":        "5sec",
		"alluxio.master.metastore":                             "ROCKS",
		"alluxio.master.mount.table.root.ufs":                  rootUFS,
		"alluxio.master.update.check.enabled":                  "false",
		"alluxio.master.worker.timeout":                        "1min",
		"alluxio.security.authorization.permission.enabled":    "false",
		"alluxio.security.login.username":                      "alluxio",
		"alluxio.underfs.object.store.breadcrumbs.enabled":     "false",
		"alluxio.underfs.s3.request.timeout":                   "30sec",
		"alluxio.underfs.s3.socket.timeout":                    "20sec",
		"alluxio.underfs.web.connnection.timeout":              "10sec", // Alluxio's own spelling
		"alluxio.user.block.size.bytes.default":                "64MB",
		"alluxio.user.client.cache.enabled":                    "false",
		"alluxio.user.file.metadata.sync.interval":             strconv.Itoa(syncInterval) + "sec",
		"alluxio.user.file.passive.cache.enabled":              "false",
		"alluxio.user.file.readtype.default":                   "CACHE",
		"alluxio.user.file.replication.max":                    "1",
		"alluxio.user.metadata.cache.enabled":                  "true",
		"alluxio.user.metadata.cache.expiration.time":          strconv.Itoa(clientMetadataTime) + "sec",
		"alluxio.user.metadata.cache.max.size":                 "100000",
		"alluxio.user.metrics.collection.enabled":              "true",
		"alluxio.user.short.circuit.enabled":                   "false", // no client has the workers' tiers
		"alluxio.user.update.file.accesstime.disabled":         "true",
		"alluxio.user.worker.list.refresh.interval":            "5sec",
		"alluxio.master.embedded.journal.election.timeout.min": "1sec",
		"alluxio.master.embedded.journal.election.timeout.max": "2sec",
	}
	if e.Masters() > 1 {
		set["alluxio.master.embedded.journal.election.timeout.min"] = "4sec"
		set["alluxio.master.embedded.journal.election.timeout.max"] = "8sec"
	}
	for name, port := range map[string]int{
		"alluxio.master.rpc.port": portMasterRPC, "alluxio.master.web.port": PortMasterWeb,
		"alluxio.job.master.rpc.port": portJobMasterRPC, "alluxio.job.master.web.port": portJobMasterWeb,
		"alluxio.worker.rpc.port": portWorkerRPC, "alluxio.worker.web.port": portWorkerWeb,
		"alluxio.job.worker.rpc.port": portJobWorkerRPC, "alluxio.job.worker.data.port": portJobWorkerData,
		"alluxio.job.worker.web.port": portJobWorkerWeb,
	} {
		set[name] = strconv.Itoa(port)
	}
	if root := rootMount(e.mounts); root != nil {
		maps.Copy(set, rootProperties(root))
	}
	maps.Copy(set, e.runtime.Spec.Properties)
	return set
}

const rootPrefix = "alluxio.master.mount.table.root."

// rootProperties configure the mount at /. Options whose values are in Secrets are in a file that only masters have.
func rootProperties(root *Mount) map[string]string {
	set := map[string]string{
		rootPrefix + "ufs":                     root.UFS,
		rootPrefix + "readonly":                strconv.FormatBool(root.ReadOnly),
		rootPrefix + "shared":                  strconv.FormatBool(root.Shared),
		rootPrefix + "option." + optionApplied: root.Hash(),
	}
	for name, value := range root.Options {
		set[rootPrefix+"option."+name] = value
	}
	return set
}

// configHash changes when what a component reads at its start does.
func (e *Engine) configHash(keys ...string) string {
	hash := sha256.New()
	for _, key := range keys {
		fmt.Fprintf(hash, "%s=%s\n", key, e.config[key])
	}
	return hex.EncodeToString(hash.Sum(nil)[:8])
}
