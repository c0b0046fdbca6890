package reconcile

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
	"github.com/kubectl-fluid/kubectl-fluid/pkg/reference"
)

// inputs knows which references depend on which ConfigMaps and Secrets, by their last plans: the sources of mirrors and
// whatever has a mirror's name, or will bring what has it. It also knows which states of a mirror and its source were found equal, so that an
// unchanged pair isn't read again.
type inputs struct {
	mutex sync.Mutex
	// users are the references that depend on an object, but for mirrors whose names begin with their reference's.
	users   map[finding.Object][]types.NamespacedName
	mirrors map[types.NamespacedName][]knownMirror
	// rivals are what would bring something of a mirror's name, should it exist.
	rivals map[types.NamespacedName][]finding.Object
	// leftover are the mirrored Secrets of former plans that may still be there: where Secrets may not be listed, nobody
	// else knows them.
	leftover map[types.NamespacedName][]finding.Object
	// secrets counts the references that depend on Secrets of a namespace.
	secrets map[string]int
	seed    maphash.Seed
}

// knownMirror is a mirror of a reference's last plan.
type knownMirror struct {
	source finding.Object
	// target is the mirror's name; it is of the same kind, in the reference's namespace.
	target string
	// verified is a hash of the states of both in which they were found equal; zero if they weren't yet.
	verified uint64
}

// remember replaces what a plan's reference depends on, and reports whether that is something else than before.
func (i *inputs) remember(plan *reference.Plan) (changed bool) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	same := slices.EqualFunc(i.mirrors[plan.Reference], plan.Mirrors, func(known knownMirror, m reference.Mirror) bool {
		return known.source == m.Original && known.target == m.Target.Name
	})
	if same && slices.Equal(i.rivals[plan.Reference], plan.Rivals) {
		return false
	}
	leftover := i.leftoverAfter(plan)
	i.drop(plan.Reference)
	if i.users == nil {
		i.users = map[finding.Object][]types.NamespacedName{}
		i.mirrors = map[types.NamespacedName][]knownMirror{}
		i.rivals = map[types.NamespacedName][]finding.Object{}
		i.leftover = map[types.NamespacedName][]finding.Object{}
		i.secrets = map[string]int{}
		i.seed = maphash.MakeSeed()
	}
	known := make([]knownMirror, 0, len(plan.Mirrors))
	for _, mirror := range plan.Mirrors {
		known = append(known, knownMirror{source: mirror.Original, target: mirror.Target.Name})
	}
	i.mirrors[plan.Reference] = known
	if len(plan.Rivals) > 0 {
		i.rivals[plan.Reference] = plan.Rivals
	}
	if len(leftover) > 0 {
		i.leftover[plan.Reference] = leftover
	}
	for _, object := range i.objects(plan.Reference) {
		if !slices.Contains(i.users[object], plan.Reference) {
			i.users[object] = append(i.users[object], plan.Reference)
		}
	}
	for namespace := range secretNamespaces(plan.Reference, known) {
		i.secrets[namespace]++
	}
	return true
}

// forget drops a reference that is gone.
func (i *inputs) forget(key types.NamespacedName) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	i.drop(key)
}

func (i *inputs) drop(key types.NamespacedName) {
	for _, object := range i.objects(key) {
		users := i.users[object]
		if at := slices.Index(users, key); at >= 0 {
			users[at] = users[len(users)-1]
			users = users[:len(users)-1]
		}
		if i.users[object] = users; len(users) == 0 {
			delete(i.users, object)
		}
	}
	for namespace := range secretNamespaces(key, i.mirrors[key]) {
		if i.secrets[namespace]--; i.secrets[namespace] == 0 {
			delete(i.secrets, namespace)
		}
	}
	delete(i.mirrors, key)
	delete(i.rivals, key)
	delete(i.leftover, key)
}

// leftoverAfter returns the mirrored Secrets of a reference's former plans that the next one doesn't have.
func (i *inputs) leftoverAfter(plan *reference.Plan) []finding.Object {
	former := slices.Clone(i.leftover[plan.Reference])
	for _, mirror := range i.mirrors[plan.Reference] {
		if mirror.source.Kind == "Secret" {
			former = append(former, mirror.targetFor(plan.Reference))
		}
	}
	return slices.DeleteFunc(former, func(object finding.Object) bool {
		return slices.ContainsFunc(plan.Mirrors, func(mirror reference.Mirror) bool { return mirror.Target == object })
	})
}

// leftovers returns the mirrored Secrets of a reference's former plans that weren't removed yet.
func (i *inputs) leftovers(key types.NamespacedName) []finding.Object {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	return slices.Clone(i.leftover[key])
}

// removed notes that nothing is left of a reference's former plans.
func (i *inputs) removed(key types.NamespacedName) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	delete(i.leftover, key)
}

// objects returns everything that a reference depends on and whose name doesn't tell.
func (i *inputs) objects(key types.NamespacedName) []finding.Object {
	objects := slices.Clone(i.rivals[key])
	for _, mirror := range i.mirrors[key] {
		objects = append(objects, mirror.source)
		if !strings.HasPrefix(mirror.target, key.Name+"-") {
			objects = append(objects, mirror.targetFor(key))
		}
	}
	return objects
}

func (m knownMirror) targetFor(key types.NamespacedName) finding.Object {
	return finding.Object{Kind: m.source.Kind, Namespace: key.Namespace, Name: m.target}
}

// secretNamespaces returns the namespaces in which a reference's mirrors and their sources are Secrets.
func secretNamespaces(key types.NamespacedName, mirrors []knownMirror) map[string]bool {
	namespaces := map[string]bool{}
	for _, mirror := range mirrors {
		if mirror.source.Kind == "Secret" {
			namespaces[mirror.source.Namespace], namespaces[key.Namespace] = true, true
		}
	}
	return namespaces
}

// needsSecrets reports whether any reference depends on Secrets of a namespace.
func (i *inputs) needsSecrets(namespace string) bool {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	return i.secrets[namespace] > 0
}

// secretNamespacesOf returns the namespaces in which a reference depends on Secrets.
func (i *inputs) secretNamespacesOf(key types.NamespacedName) map[string]bool {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	return secretNamespaces(key, i.mirrors[key])
}

// targets returns the names that a reference's mirrors have by its last plan.
func (i *inputs) targets(key types.NamespacedName) []finding.Object {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	var targets []finding.Object
	for _, mirror := range i.mirrors[key] {
		targets = append(targets, mirror.targetFor(key))
	}
	return targets
}

// of returns the references that depend on an object.
func (i *inputs) of(object finding.Object) []types.NamespacedName {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	keys := slices.Clone(i.users[object])
	for at, character := range object.Name {
		key := types.NamespacedName{Namespace: object.Namespace, Name: object.Name[:at]}
		if character == '-' && i.known(key, object) != nil {
			keys = append(keys, key)
		}
	}
	return keys
}

// isVerified reports whether a mirror and its source were last found equal in the states that they are in.
func (i *inputs) isVerified(key types.NamespacedName, target finding.Object, mirror, source metav1.Object) bool {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	known := i.known(key, target)
	return known != nil && known.verified == i.states(mirror, source)
}

// verify remembers that a mirror and its source are equal in the states that they are in.
func (i *inputs) verify(key types.NamespacedName, target finding.Object, mirror, source metav1.Object) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	if known := i.known(key, target); known != nil {
		known.verified = i.states(mirror, source)
	}
}

func (i *inputs) known(key types.NamespacedName, target finding.Object) *knownMirror {
	mirrors := i.mirrors[key]
	at := slices.IndexFunc(mirrors, func(known knownMirror) bool { return known.target == target.Name && known.source.Kind == target.Kind })
	if at < 0 {
		return nil
	}
	return &mirrors[at]
}

// states returns a hash of the states of a mirror and its source, which is never zero.
func (i *inputs) states(mirror, source metav1.Object) uint64 {
	return maphash.String(i.seed, reference.SourceVersion(mirror)+" "+reference.SourceVersion(source)) | 1
}
