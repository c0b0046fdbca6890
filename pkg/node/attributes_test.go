//go:build linux

package node

import (
	"maps"
	"strings"
	"testing"
	"time"

	"k8s.io/mount-utils"
)

func inline(attributes map[string]string) map[string]string {
	context := map[string]string{keyEphemeral: "true", keyPodUID: "u"}
	maps.Copy(context, attributes)
	return context
}

func TestAttributesThatDoHarmAreRefused(t *testing.T) {
	long := strings.Repeat("x", maximumSubPath+1)
	for name, attributes := range map[string]map[string]string{
		"no role":                     {"client": "c"},
		"another role":                {"role": "root", "client": "c"},
		"no client":                   {"role": "data"},
		"a client with a slash":       {"role": "data", "client": "../c"},
		"an unknown attribute":        {"role": "data", "client": "c", "device": "/dev/sda"},
		"an absolute sub-path":        {"role": "data", "client": "c", "subPath": "/etc"},
		"a sub-path up":               {"role": "data", "client": "c", "subPath": "../x"},
		"a sub-path up in the middle": {"role": "data", "client": "c", "subPath": "a/../../x"},
		"the sub-path .":              {"role": "data", "client": "c", "subPath": "."},
		"the sub-path ..":             {"role": "data", "client": "c", "subPath": ".."},
		"a sub-path with a NUL":       {"role": "data", "client": "c", "subPath": "a\x00b"},
		"a sub-path with //":          {"role": "data", "client": "c", "subPath": "a//b"},
		"a long sub-path":             {"role": "data", "client": "c", "subPath": long},
		"a broker's sub-path":         {"role": "broker", "client": "c", "subPath": "a"},
		"options of data":             {"role": "data", "client": "c", "options": "ro"},
		"suid":                        {"role": "broker", "client": "c", "options": "suid"},
		"dev":                         {"role": "broker", "client": "c", "options": "ro,dev"},
		"another descriptor":          {"role": "broker", "client": "c", "options": "fd=0"},
		"another user":                {"role": "broker", "client": "c", "options": "user_id=0"},
		"a context":                   {"role": "broker", "client": "c", "options": "context=x"},
		"an empty option":             {"role": "broker", "client": "c", "options": "ro,"},
		"a tiny max_read":             {"role": "broker", "client": "c", "options": "max_read=1"},
		"an octal max_read":           {"role": "broker", "client": "c", "options": "max_read=0131072"},
		"a huge max_read":             {"role": "broker", "client": "c", "options": "max_read=99999999999999999999"},
		"long options":                {"role": "broker", "client": "c", "options": strings.Repeat("ro,", 1000) + "ro"},
	} {
		if a, err := parseAttributes(inline(attributes), false); err == nil {
			t.Errorf("%s: %+v", name, a)
		}
	}
	if a, err := parseAttributes(map[string]string{"role": "data", "client": "c"}, false); err == nil {
		t.Errorf("not an inline volume: %+v", a)
	}
}

func FuzzAttributesComeBackFromTheSourceOfTheMount(f *testing.F) {
	f.Add("data", "fluid-fuse-0", "a b/ü\n&=%", "", true)
	f.Add("broker", "c", "", "ro,default_permissions,noexec,max_read=131072", false)
	f.Fuzz(func(t *testing.T, role, client, subPath, options string, readOnly bool) {
		a, err := parseAttributes(inline(map[string]string{"role": role, "client": client, "subPath": subPath, "options": options}), readOnly)
		if err != nil {
			return
		}
		source := a.source()
		if len(source) > 4000 || strings.ContainsAny(source, " \t\n\\") {
			t.Errorf("the source %q doesn't fit into mountinfo", source)
		}
		if again, err := parseSource(source); err != nil || again != a {
			t.Errorf("%+v came back as %+v, %v", a, again, err)
		}
		for _, way := range []string{"..", "/"} {
			if a.subPath == way || strings.HasPrefix(a.subPath, way+"/") || strings.HasSuffix(a.subPath, "/..") || strings.Contains(a.subPath, "/../") {
				t.Errorf("the sub-path %q leads out", a.subPath)
			}
		}
	})
}

func FuzzSource(f *testing.F) {
	f.Add("kubectl-fluid:client=c&role=data")
	f.Fuzz(func(t *testing.T, source string) {
		if a, err := parseSource(source); err == nil && a.check() != nil {
			t.Errorf("%q was read as %+v", source, a)
		}
	})
}

func FuzzTarget(f *testing.F) {
	f.Add("/k/pods/11111111-2222-3333-4444-555555555555/volumes/kubernetes.io~csi/data/mount")
	f.Fuzz(func(t *testing.T, path string) {
		if a, err := parseTarget("/k", path); err == nil && (strings.Contains(path, "/../") || !strings.HasPrefix(path, "/k/pods/"+a.pod+"/volumes/")) {
			t.Errorf("%q was read as %+v", path, a)
		}
	})
}

func TestMountsAtOnePathAreSortedByWhatTheyAreMountedOn(t *testing.T) {
	at := func(id, parent int) mount.MountInfo {
		return mount.MountInfo{ID: id, ParentID: parent, MountPoint: "/x"}
	}
	got := newMountTable([]mount.MountInfo{at(30, 40), at(20, 1), at(40, 20), {ID: 1, MountPoint: "/"}})["/x"]
	if len(got) != 3 || got[0].ID != 20 || got[1].ID != 40 || got[2].ID != 30 {
		t.Errorf("sorted: %+v", got)
	}
}

func TestOnlyStartsThatNobodyElseDelaysAreDelayed(t *testing.T) {
	var s starts
	for i, want := range []time.Duration{0, 5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, time.Minute, time.Minute} {
		if got := s.started(); got != want {
			t.Errorf("start %d after abrupt ends: %s, want %s", i, got, want)
		}
	}
	s.orderly()
	if got := s.started(); got != 0 {
		t.Errorf("after an orderly end: %s", got)
	}
	if got := s.started(); got != 5*time.Second {
		t.Errorf("and an abrupt one: %s", got)
	}
}
