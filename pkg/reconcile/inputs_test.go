package reconcile

import (
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference/referencetest"
)

// TestMirrorsAreFoundByTheirReference: by events alone, also when a mark is taken off or given to another.
func TestMirrorsAreFoundByTheirReference(t *testing.T) {
	mirror := func(name, uid string) client.Object {
		object := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if uid != "" {
			object.Labels = map[string]string{reference.LabelReferenceUID: uid}
		}
		return object
	}
	m := &ownMirrors{}
	m.replace(nil, mirror("a", "1"))
	m.replace(nil, mirror("b", "1"))
	m.replace(mirror("b", "1"), mirror("b", "1"))
	m.replace(nil, mirror("foreign", ""))
	if names := m.of("1"); !reflect.DeepEqual(names, []string{"a", "b"}) {
		t.Errorf("reference 1 has %v", names)
	}
	m.replace(mirror("b", "1"), mirror("b", "2"))
	m.replace(mirror("a", "1"), nil)
	if one, two := m.of("1"), m.of("2"); len(one) > 0 || !reflect.DeepEqual(two, []string{"b"}) {
		t.Errorf("reference 1 has %v, reference 2 has %v", one, two)
	}
	m.replace(mirror("b", "2"), mirror("b", ""))
	if m.names.Len() > 0 {
		t.Errorf("it remembers %d", m.names.Len())
	}
}

// TestInputsForgetWhatIsGone: nothing of a reference stays when it goes.
func TestInputsForgetWhatIsGone(t *testing.T) {
	w := referencetest.World(t, "juicefs", "dataset://default/phy/some/path")
	plan := reference.NewPlan(w)
	known := &inputs{}
	known.remember(plan)
	for _, mirror := range plan.Mirrors { // whose names tell whose they are
		foreign := finding.Object{Kind: mirror.Target.Kind, Namespace: "elsewhere", Name: mirror.Target.Name}
		if users := known.of(mirror.Target); len(users) != 1 || users[0] != w.Key() || len(known.of(foreign)) > 0 {
			t.Errorf("%s has the users %v, %s has %v", mirror.Target, users, foreign, known.of(foreign))
		}
	}
	state := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{UID: "uid", ResourceVersion: "1"}}
	changed := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{UID: "uid", ResourceVersion: "2"}}
	target := plan.Mirrors[0].Target
	if known.isVerified(w.Key(), target, state, state) {
		t.Error("a mirror counts as verified before it was")
	}
	known.verify(w.Key(), target, state, state)
	known.remember(plan)
	if !known.isVerified(w.Key(), target, state, state) || known.isVerified(w.Key(), target, state, changed) || known.isVerified(w.Key(), target, changed, state) {
		t.Error("a mirror counts as verified in other states than those that were")
	}
	if users := known.of(plan.Mirrors[0].Original); len(users) != 1 {
		t.Errorf("the source has the users %v", users)
	}
	known.forget(w.Key())
	known.verify(w.Key(), target, state, state)
	if len(known.users)+len(known.mirrors) > 0 {
		t.Errorf("it remembers %v %v", known.users, known.mirrors)
	}
}
