package engine

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// difference is a field in which the objects for the documented example aren't Fluid's, and why. The object's name and the
// field are patterns as path.Match has them, with * for a run of any characters in both.
type difference struct{ object, field, reason string }

// differences lists all of them. A field that differs and isn't here fails the test, and so does an entry for nothing.
var differences = []difference{
	{"*", "metadata.annotations.'*helm.sh/*'", "there is no Helm"},
	{"*", "*'app.kubernetes.io/managed-by'", "there is no Helm"},
	{"*", "*.chart", "there is no Helm"},
	{"*", "*.heritage", "there is no Helm"},
	{"*", "*'kubectl-fluid.dev/*'", "the mark by which this project knows its objects, and hashes by which it knows changes"},

	{"DaemonSet phy-fuse", "*.image", "one image for all"},
	{"* phy-*", "*hostNetwork", "container network"},
	{"* phy-*", "*dnsPolicy", "container network"},
	{"ConfigMap phy-config", "*.port]", "container network: always the same ports"},
	{"Service phy-master-0", "spec.ports[*", "container network: always the same ports"},

	{"ConfigMap phy-mount-config", "data.*script*", "mounts are made by a Job; no script stands in a ConfigMap"},
	{"ConfigMap phy-mount-config", "data.'mount.info'", "mounts are read-only unless the access modes allow writing"},
	{"StatefulSet phy-master", "*containers[alluxio-master].command*", "mounts are made by a Job"},
	{"StatefulSet phy-master", "*startupProbe*", "mounts are made by a Job; the probe only waits for the master's answers"},
	{"StatefulSet phy-master", "*alluxio-mount-conf*", "mounts are made by a Job"},
	{"StatefulSet phy-master", "*readinessGates*", "a master is found once it has its mounts"},
	{"StatefulSet phy-*", "spec.selector.matchLabels.*", "one rule for the selectors of all: app, release, role"},
	{"DaemonSet phy-fuse", "spec.selector.matchLabels.*", "one rule for the selectors of all: app, release, role"},
	{"StatefulSet phy-*", "spec.updateStrategy.type", "a changed image or property takes effect without anybody's hand"},
	{"StatefulSet phy-worker", "spec.serviceName", "a worker has a name, which stays when its pod is replaced"},
	{"StatefulSet phy-worker", "*HOSTNAME*", "a worker has a name, which stays when its pod is replaced"},
	{"StatefulSet phy-worker", "*env[POD_NAME]*", "a worker has a name, which stays when its pod is replaced"},
	{"Service phy-worker", "*", "a worker has a name, which stays when its pod is replaced"},
	{"NetworkPolicy phy-alluxio", "*", "only those with consent reach masters and workers"},
	{"StatefulSet phy-*", "*ecurityContext*", "Pod Security's level restricted"},
	{"StatefulSet phy-*", "*automountServiceAccountToken", "no process needs the token"},
	{"StatefulSet phy-*", "*alluxio-ufs*", "the root's directory is there for any user"},
	{"StatefulSet phy-*", "*TIEREDSTORE*", "the ConfigMap has it already"},
	{"StatefulSet phy-worker", "*[mem].*", "tiers are emptyDirs unless they are said to be on the node"},
	{"StatefulSet phy-worker", "*dataset-placement'", "where pods are placed is left to requests and affinity"},
	{"DaemonSet phy-fuse", "*[mem]*", "no client reads a worker's tier"},
	{"DaemonSet phy-fuse", "*args[1]", "reads in order, and forgets what may have changed at the origin"},
	{"DaemonSet phy-fuse", "*tolerations*", "the Dataset's tolerations are the only ones"},

	{"ConfigMap phy-config", "*[-X*", "memory fits a small node, or the limit"},
	{"ConfigMap phy-config", "*[alluxio.worker.memory.size]", "the tier says it"},
	{"ConfigMap phy-config", "*[alluxio.worker.tieredstore.level0.watermark.*", "high and low are honoured"},
	{"ConfigMap phy-config", "*[alluxio.user.hostname]", "only clients have it"},
	{"ConfigMap phy-config", "*[alluxio.master.journal.type]", "a journal that needs no formatting"},
	{"ConfigMap phy-config", "*election.timeout*", "a single master elects itself at once"},
	{"ConfigMap phy-config", "*[alluxio.fuse.jnifuse.libfuse.version]", "the one that reads in order"},
	{"ConfigMap phy-config", "*[alluxio.fuse.user.group.translation.enabled]", "any user, also one without a name"},
	{"ConfigMap phy-config", "*[alluxio.security.login.username]", "any user, also one without a name"},
	{"ConfigMap phy-config", "*impersonation*", "any user, also one without a name"},
	{"ConfigMap phy-config", "*[alluxio.user.short.circuit.enabled]", "no client reads a worker's tier"},
	{"ConfigMap phy-config", "*[alluxio.user.metadata.cache*", "a replaced file is seen within a minute"},
	{"ConfigMap phy-config", "*[alluxio.user.file.metadata.sync.interval]", "a replaced file is seen within a minute"},
	{"ConfigMap phy-config", "*[alluxio.user.worker.list.refresh.interval]", "a replaced worker is known soon"},
	{"ConfigMap phy-config", "*[alluxio.master.*worker*]", "a lost worker is known soon"},
	{"ConfigMap phy-config", "*[alluxio.underfs.*timeout]", "mounting ends within a minute"},
	{"ConfigMap phy-config", "*[alluxio.master.update.check.enabled]", "nobody outside is asked"},
	{"ConfigMap phy-config", "*[alluxio.user.block.size.bytes.default]", "blocks of which a small tier holds several"},
	{"ConfigMap phy-config", "*chunk.size.bytes]", "Alluxio's own default"},
	{"ConfigMap phy-config", "*buffer.size]", "Alluxio's own default"},
	{"ConfigMap phy-config", "*thread*", "Alluxio's own default"},
	{"ConfigMap phy-config", "*pool*", "Alluxio's own default"},
	{"ConfigMap phy-config", "*concurrency.level]", "Alluxio's own default"},
	{"ConfigMap phy-config", "*logging.threshold]", "Alluxio's own default"},
	{"ConfigMap phy-config", "*[alluxio.fuse.cached.paths.max]", "Alluxio's own default"},
	{"ConfigMap phy-config", "*[alluxio.fuse.debug.enabled]", "Alluxio's own default"},
	{"ConfigMap phy-config", "*[alluxio.job.master.finished.job.retention.time]", "Alluxio's own default"},
	{"ConfigMap phy-config", "*[alluxio.master.journal.log.size.bytes.max]", "Alluxio's own default"},
	{"ConfigMap phy-config", "*[alluxio.master.metastore.inode.cache.max.size]", "Alluxio's own default"},
	{"ConfigMap phy-config", "*[alluxio.security.stale.channel.purge.interval]", "Alluxio's own default"},
	{"ConfigMap phy-config", "*[alluxio.user.direct.memory.io.enabled]", "Alluxio's own default"},
	{"ConfigMap phy-config", "*[alluxio.user.file.create.ttl.action]", "Alluxio's own default"},
	{"ConfigMap phy-config", "*policy*", "Alluxio's own default"},
	{"ConfigMap phy-config", "*[alluxio.user.streaming.data.timeout]", "Alluxio's own default"},
	{"ConfigMap phy-config", "*[alluxio.worker.allocator.class]", "Alluxio's own default"},
}

// matches reports whether a pattern is that of a text. Slashes and brackets are like other characters.
func matches(pattern, text string) bool {
	plain := strings.NewReplacer("/", "|", "[", "(", "]", ")", "\\", "|")
	matched, err := path.Match(plain.Replace(pattern), plain.Replace(text))
	return err == nil && matched
}

// TestObjectsAreFluids compares field by field.
func TestObjectsAreFluids(t *testing.T) {
	text, err := os.ReadFile("testdata/fluid-v1.0.8.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var fluids map[string]map[string]string
	if err := yaml.UnmarshalStrict(text, &fluids); err != nil {
		t.Fatal(err)
	}
	in := readInput(t, "example")
	objects, problems := Desired(in.input(), settings)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	ours := map[string]map[string]string{}
	for _, object := range append(objects.Workloads(), objects.Volume, objects.Claim) {
		ours[object.GetObjectKind().GroupVersionKind().Kind+" "+object.GetName()] = fieldsAsText(t, object)
	}
	for _, fields := range fluids {
		maps.DeleteFunc(fields, func(field, _ string) bool { return isSaid(field) })
	}
	used := make([]bool, len(differences))
	for _, name := range slices.Sorted(maps.Keys(merge(ours, fluids))) {
		// Of the StatefulSets, the facts name what matters; what is common to all objects is compared with the others.
		known := strings.HasPrefix(name, "StatefulSet")
		for _, field := range slices.Sorted(maps.Keys(merge(ours[name], fluids[name]))) {
			mine, isMine := ours[name][field]
			theirs, isTheirs := fluids[name][field]
			if (mine == theirs && isMine == isTheirs) || (known && !isTheirs && isCommon(field)) {
				continue
			}
			found := false
			for i, d := range differences {
				if matches(d.object, name) && matches(d.field, field) {
					used[i], found = true, true
				}
			}
			if !found {
				t.Errorf("%s, %s: ours is %q (%t), Fluid's %q (%t)", name, field, mine, isMine, theirs, isTheirs)
			}
		}
	}
	for i, is := range used {
		if !is {
			t.Errorf("nothing differs as %+v says", differences[i])
		}
	}
}

// isSaid are fields that say nothing more: an item's name, by which it is known, and no resources.
func isSaid(field string) bool {
	return strings.HasSuffix(field, "].name") || strings.HasSuffix(field, "].resources")
}

// isCommon are the fields of StatefulSets that Fluid's DaemonSet has as well: labels, owner, images.
func isCommon(field string) bool {
	for _, part := range []string{"metadata.", ".image", ".imagePullPolicy", "enableServiceLinks"} {
		if strings.Contains(field, part) {
			return true
		}
	}
	return false
}

func merge[V any](a, b map[string]V) map[string]V {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]V{}
	}
	maps.Copy(all, b)
	return all
}

// fieldsAsText flattens an object: items of lists by their names, each option of a JVM as a field.
func fieldsAsText(t *testing.T, object client.Object) map[string]string {
	t.Helper()
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	var value map[string]any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	delete(value, "status")
	fields := map[string]string{}
	flatten("", value, fields)
	maps.DeleteFunc(fields, func(field, _ string) bool {
		return field == "apiVersion" || field == "kind" || strings.HasSuffix(field, ".uid") || strings.HasSuffix(field, ".apiVersion") ||
			strings.HasSuffix(field, ".protocol") && strings.Contains(field, "containers[") || isSaid(field)
	})
	return fields
}

func flatten(field string, value any, fields map[string]string) {
	switch value := value.(type) {
	case map[string]any:
		if len(value) == 0 {
			fields[field] = "{}"
		}
		for name, inner := range value {
			if strings.ContainsAny(name, "./") {
				name = "'" + name + "'"
			}
			flatten(strings.TrimPrefix(field+"."+name, "."), inner, fields)
		}
	case []any:
		for i, inner := range value {
			name := fmt.Sprint(i)
			if item, isMap := inner.(map[string]any); isMap && item["name"] != nil {
				name = fmt.Sprint(item["name"])
			}
			flatten(field+"["+name+"]", inner, fields)
		}
	case string:
		if !strings.HasSuffix(field, "_JAVA_OPTS") || !strings.HasPrefix(field, "data.") {
			fields[field] = value
			return
		}
		for _, word := range strings.Fields(value) {
			name, setting, hasSetting := strings.Cut(word, "=")
			switch {
			case strings.HasPrefix(word, "-Xm"):
				name, setting = word[:4], word[4:]
			case !hasSetting:
				setting = "set"
			}
			fields[field+"["+strings.TrimPrefix(name, "-D")+"]"] = setting
		}
	default:
		fields[field] = fmt.Sprint(value)
	}
}
