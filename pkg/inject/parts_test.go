package inject

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// TestPartsOfOneDatasetMountApart: a pod uses three references to one Dataset. Each sidecar has a directory of its own on
// the node, the app sees in each volume what that one mounts, and each sidecar removes its own directory.
func TestPartsOfOneDatasetMountApart(t *testing.T) {
	sidecars := map[string]*Sidecar{}
	spec := `{"metadata":{"name":"reader","namespace":"ref","labels":{"serverless.fluid.io/inject":"true"}},"spec":{"containers":[{"name":"app","image":"app","volumeMounts":[`
	volumes := ""
	for i, name := range []string{"one", "three", "two"} {
		d := dataset{runtime: "thin", mountPoint: physical + "/" + name}
		sidecars[name] = Compile(d.sidecar(t, name), Variant{})
		if i > 0 {
			spec, volumes = spec+",", volumes+","
		}
		spec += `{"name":"` + name + `","mountPath":"/` + name + `"}`
		volumes += `{"name":"` + name + `","persistentVolumeClaim":{"claimName":"` + name + `"}}`
	}
	raw := []byte(spec + `]}],"volumes":[` + volumes + `]}}`)
	patch, findings := Patch(mustRead(t, raw), sidecars, Options{HostDirectory: "ref-uid"})
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	pod := mustTyped(t, apply(t, raw, patch))
	if len(pod.Spec.InitContainers) != 3 {
		t.Fatalf("the init containers are %+v", pod.Spec.InitContainers)
	}
	mounts, data := map[string]bool{}, map[string]string{}
	for _, volume := range pod.Spec.Volumes {
		if volume.HostPath == nil || !strings.Contains(volume.HostPath.Path, "/ref-uid") {
			continue
		}
		if sidecars[volume.Name] != nil {
			data[volume.Name] = volume.HostPath.Path
		} else {
			mounts[volume.HostPath.Path] = true
		}
	}
	if len(mounts) != 3 || len(data) != 3 {
		t.Fatalf("sidecars mount in %v, the app sees %v", mounts, data)
	}
	for name, seen := range data {
		directory, isPart := strings.CutSuffix(seen, "/thin-fuse/"+name)
		if !isPart || !mounts[directory] {
			t.Errorf("the app sees %s for %s", seen, name)
		}
		delete(mounts, directory)
		removed := 0
		for _, container := range pod.Spec.InitContainers {
			if slices.Contains(container.Command, path.Base(directory)+"/thin-fuse") {
				removed++
			}
		}
		if removed != 1 {
			t.Errorf("%d sidecars remove %s", removed, directory)
		}
	}
}
