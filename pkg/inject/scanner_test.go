package inject

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	sigsjson "sigs.k8s.io/json"
)

// decodedPod has the fields of Pod for the API server's own JSON reader.
type decodedPod struct {
	Metadata *struct {
		Namespace    string            `json:"namespace"`
		Name         string            `json:"name"`
		GenerateName string            `json:"generateName"`
		Labels       map[string]string `json:"labels"`
		Annotations  map[string]string `json:"annotations"`
	} `json:"metadata"`
	Spec struct {
		Volumes []struct {
			Name  string `json:"name"`
			Claim *struct {
				ClaimName string `json:"claimName"`
				ReadOnly  bool   `json:"readOnly"`
			} `json:"persistentVolumeClaim"`
			CSI struct {
				Driver string `json:"driver"`
			} `json:"csi"`
		} `json:"volumes"`
		InitContainers   []decodedContainer            `json:"initContainers"`
		Containers       []decodedContainer            `json:"containers"`
		ImagePullSecrets []corev1.LocalObjectReference `json:"imagePullSecrets"`
		HostUsers        *bool                         `json:"hostUsers"`
		Automount        *bool                         `json:"automountServiceAccountToken"`
		RestartPolicy    string                        `json:"restartPolicy"`
		GracePeriod      *int64                        `json:"terminationGracePeriodSeconds"`
		RuntimeClass     string                        `json:"runtimeClassName"`
		System           struct {
			Name string `json:"name"`
		} `json:"os"`
		Security struct {
			User *int64 `json:"runAsUser"`
		} `json:"securityContext"`
	} `json:"spec"`
}

type decodedContainer struct {
	Name    string         `json:"name"`
	Mounts  []decodedMount `json:"volumeMounts"`
	Devices []decodedMount `json:"volumeDevices"`

	Lifecycle *struct {
		PostStart json.RawMessage `json:"postStart"`
	} `json:"lifecycle"`
}

type decodedMount struct {
	Name              string `json:"name"`
	Path              string `json:"mountPath"`
	Propagation       string `json:"mountPropagation"`
	ReadOnly          bool   `json:"readOnly"`
	RecursiveReadOnly string `json:"recursiveReadOnly"`
}

// converted turns each element of a list, and nil into nil.
func converted[A, B any](list []A, convert func(A) B) []B {
	if list == nil {
		return nil
	}
	result := make([]B, 0, len(list))
	for _, element := range list {
		result = append(result, convert(element))
	}
	return result
}

// decodePod does what ReadPod does, with the API server's own JSON reader.
func decodePod(raw []byte) (*Pod, error) {
	var d decodedPod
	twice, err := sigsjson.UnmarshalStrict(raw, &d, sigsjson.DisallowDuplicateFields)
	if err = errors.Join(append(twice, err)...); err != nil {
		return nil, err
	}
	p := &Pod{}
	if m := d.Metadata; m != nil {
		p.Metadata = podMetadata{m.Namespace, m.Name, m.GenerateName, m.Labels, m.Annotations, true}
	}
	mount := func(m decodedMount) podMount { return podMount(m) }
	container := func(c decodedContainer) podContainer {
		return podContainer{Name: c.Name, Mounts: converted(c.Mounts, mount), Devices: converted(c.Devices, mount), Lifecycle: c.Lifecycle != nil,
			PostStart: c.Lifecycle != nil && c.Lifecycle.PostStart != nil && string(c.Lifecycle.PostStart) != "null"}
	}
	p.Spec.InitContainers = converted(d.Spec.InitContainers, container)
	p.Spec.Containers = converted(d.Spec.Containers, container)
	p.Spec.ImagePullSecrets = converted(d.Spec.ImagePullSecrets, func(s corev1.LocalObjectReference) string { return s.Name })
	p.Spec.OwnUsers = d.Spec.HostUsers != nil && !*d.Spec.HostUsers
	p.Spec.NoToken = d.Spec.Automount != nil && !*d.Spec.Automount
	p.Spec.RestartPolicy, p.Spec.GracePeriod = d.Spec.RestartPolicy, -1
	if d.Spec.GracePeriod != nil {
		p.Spec.GracePeriod = *d.Spec.GracePeriod
	}
	p.Spec.User, p.Spec.System, p.Spec.RuntimeClass = -1, d.Spec.System.Name, d.Spec.RuntimeClass
	if d.Spec.Security.User != nil {
		p.Spec.User = *d.Spec.Security.User
	}
	for _, volume := range d.Spec.Volumes {
		v := podVolume{Name: volume.Name, Claimed: volume.Claim != nil, Served: volume.CSI.Driver == "fuse.kubectl-fluid.dev"}
		if v.Claimed {
			v.Claim, v.ReadOnly = volume.Claim.ClaimName, volume.Claim.ReadOnly
		}
		p.Spec.Volumes = append(p.Spec.Volumes, v)
	}
	if p.Spec.Volumes == nil && d.Spec.Volumes != nil {
		p.Spec.Volumes = []podVolume{}
	}
	return p, nil
}

// compareReaders makes sure that a text is a pod, and which, for ReadPod as it is for the API server.
func compareReaders(t *testing.T, raw []byte) {
	t.Helper()
	got, err := ReadPod(raw)
	want, wantErr := decodePod(raw)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%q: error %v, the API server has %v", raw, err, wantErr)
	}
	if err == nil && !reflect.DeepEqual(got, want) {
		t.Fatalf("%q: %+v, the API server has %+v", raw, got, want)
	}
}

func TestReadPodReadsWhatTheAPIServerReads(t *testing.T) {
	deep := strings.Repeat(`{"a":[`, 5000) + strings.Repeat(`]}`, 5000)
	for _, raw := range []string{
		``, ` `, `null`, `true`, `7`, `"x"`, `[]`, `{}`, ` { } `, `{}x`, `{} {}`, `{,}`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a" 1}`, `{a:1}`, `{"a":1 "b":2}`, "\ufeff{}", "{}\x00",
		`{"spec":null}`, `{"spec":[]}`, `{"spec":"x"}`, `{"spec":nul}`, `{"spec":nulls}`, `{"spec":{"volumes":[{}]}`,
		`{"spec":{"volumes":[,]}}`, `{"spec":{"volumes":[null]}}`, `{"spec":{"volumes":[{},]}}`, `{"spec":{"volumes":[[]]}}`, `{"spec":{"volumes":[1]}}`,
		`{"spec":{"hostUsers":null}}`, `{"spec":{"hostUsers":false}}`, `{"spec":{"hostUsers":true}}`, `{"spec":{"hostUsers":"false"}}`, `{"spec":{"hostUsers":fals}}`, `{"spec":{"hostUsers":0}}`,
		`{"sp\u0065c":{"volum\u0065s":[{"name":"\u0061\n\ud83d\ude00"}]}}`, `{"spec":{"volumes":[{"name":"\ud83d"}]}}`, "{\"spec\":{\"volumes\":[{\"name\":\"a\xffb\"}]}}",
		`{"spec":{},"sp\u0065c":{}}`, "{\"metadata\":{\"labels\":{\"a\xff\":\"1\",\"a\xfe\":\"2\"}}}", `{"metadata":{"labels":{"a":"1","\u0061":"2"}}}`, `{"metadata":{"labels":{"a":null}}}`,
		`{"metadata":{"labels":[]}}`, `{"metadata":{"labels":{"a":{}}}}`, `{"metadata":{"name":7}}`, `{"metadata":{"name":null,"name":"x"}}`, `{"metadata":{"NAME":7,"NAME":8}}`,
		`{"x":"\x"}`, `{"x":"\u12g4"}`, `{"x":"\u123"}`, `{"x":"\`, `{"x":"`, "{\"x\":\"\t\"}", "{\"x\":\"\x7f\xff\"}", `{"x\y":1}`,
		`{"x":-}`, `{"x":-0}`, `{"x":01}`, `{"x":1.}`, `{"x":.5}`, `{"x":1e}`, `{"x":1e+}`, `{"x":-1.50E-07}`, `{"x":1e999}`, `{"x":+1}`, `{"x":0x1}`, `{"x":1 2}`, `{"x":12345678901234567890}`,
		`{"spec":{"terminationGracePeriodSeconds":30}}`, `{"spec":{"terminationGracePeriodSeconds":null}}`, `{"spec":{"terminationGracePeriodSeconds":-0}}`, `{"spec":{"terminationGracePeriodSeconds":1.0}}`,
		`{"spec":{"terminationGracePeriodSeconds":1e3}}`, `{"spec":{"terminationGracePeriodSeconds":"1"}}`, `{"spec":{"terminationGracePeriodSeconds":99999999999999999999}}`, `{"spec":{"terminationGracePeriodSeconds":01}}`,
		`{"spec":{"containers":[{"lifecycle":null},{"lifecycle":{}},{"lifecycle":{"postStart":null}},{"lifecycle":{"postStart":{}}},{"lifecycle":{"postStart":7,"x":[]}}]}}`,
		`{"spec":{"securityContext":null,"os":null,"runtimeClassName":null}}`, `{"spec":{"securityContext":{"runAsUser":0,"runAsGroup":1},"os":{"name":"windows"},"runtimeClassName":"kata"}}`,
		`{"spec":{"securityContext":{"runAsUser":"0"}}}`, `{"spec":{"os":{"name":1}}}`, `{"spec":{"os":[]}}`, `{"spec":{"volumes":[{"csi":{"driver":"fuse.kubectl-fluid.dev"}},{"csi":{"driver":"x"}},{"csi":null},{"csi":{"driver":null}}]}}`,
		`{"spec":{"volumes":[{"csi":{"driver":1}}]}}`, `{"spec":{"containers":[{"lifecycle":[]}]}}`, `{"spec":{"containers":[{"lifecycle":{"postStart":1,"postStart":2}}]}}`,
		`{"x":tru}`, `{"x":truex}`, `{"x":[1,[2,{"y":[]}],{}]}`, `{"x":[1 2]}`, `{"x":[1}`, `{"x":{]}`, `{"x":{"y":1]}`, `{"x":{"y"}}`, `{"x":{"y":1,"y":2}}`,
		deep, `{"x":` + deep + `}`, `{"x":[` + deep + `]}`, strings.Repeat(`[`, 20000), strings.Repeat(`{"spec":`, 20000),
	} {
		compareReaders(t, []byte(raw))
	}
	for _, c := range goldenCases() {
		compareReaders(t, readPod(t, c.pod))
	}
}

// TestNoPartOfAPodIsReadAsAWhole cuts a pod off at every byte.
func TestNoPartOfAPodIsReadAsAWhole(t *testing.T) {
	raw := readPod(t, "unknown-fields")
	for end := range raw {
		if _, err := ReadPod(raw[:end]); err == nil {
			t.Errorf("%s is a pod", raw[:end])
		}
	}
}

func TestReadPodSaysWhereAndWhatIsWrong(t *testing.T) {
	for raw, want := range map[string]string{
		`{"spec":{"volumes":[{"name":7}]}}`: `reading the pod: at byte 28: there is '7' where a string should be`,
		`{"spec":{},"spec":{}}`:             `reading the pod: at byte 20: the field "spec" is there twice`,
		`{"spec":`:                          `reading the pod: at byte 8: the text ends where an object should be`,
	} {
		if _, err := ReadPod([]byte(raw)); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", raw, err, want)
		}
	}
}

func TestFragmentsKeepTextThatLooksLikeASlot(t *testing.T) {
	value := map[string]string{"a": "slot0_", "b": "slot1_1_", "c": "<&>"}
	slots, err := newSlots(value)
	if err != nil {
		t.Fatal(err)
	}
	value["d"] = slots.text(slotContainer) + "/" + slots.text(slotDirectory) + slots.text(slotVolume+1)
	fragment, err := slots.fragment(value)
	if err != nil {
		t.Fatal(err)
	}
	v := &values{container: `"x"`, directory: "", volumes: []string{"no", "<y>"}}
	value["d"] = `"x"/<y>`
	if got, want := fragment.appendTo(nil, v), encode(t, value); !bytes.Equal(got, want) {
		t.Errorf("%s, want %s", got, want)
	}
}

func FuzzStringsAreEncodedAsEncodingJSONDoes(f *testing.F) {
	for _, text := range []string{"", "plain", `"\/`, "<&>", "日志", "\u2028", "\xff", "\x00\x1f\x7f"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		want, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := appendString(nil, text); !bytes.Equal(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	})
}
