package cluster

import (
	"context"
	"fmt"
	"reflect"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// memoryReader asks for each object once: what one command says of a cluster shall be from one time, and references to
// one Dataset have most of what they depend on in common.
type memoryReader struct {
	client.Reader
	scheme *runtime.Scheme
	got    map[string]memory
}

// memory is an object, or the error that asking for it gave.
type memory struct {
	object client.Object
	err    error
}

// NewMemoryReader returns a reader that asks another one for each object once.
func NewMemoryReader(reader client.Reader) (*memoryReader, error) {
	scheme, err := NewScheme()
	if err != nil {
		return nil, err
	}
	return &memoryReader{Reader: reader, scheme: scheme, got: map[string]memory{}}, nil
}

// Get returns an object, asking for it if nobody has yet. That it isn't there, or may not be read, is remembered too;
// other failures aren't.
func (r *memoryReader) Get(ctx context.Context, key client.ObjectKey, into client.Object, options ...client.GetOption) error {
	kind, err := apiutil.GVKForObject(into, r.scheme)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%T %s %s", into, kind, key)
	known, ok := r.got[name]
	if !ok {
		err := r.Reader.Get(ctx, key, into, options...)
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsForbidden(err) {
			return err
		}
		known = memory{err: err}
		if err == nil {
			known.object = into.DeepCopyObject().(client.Object)
		}
		r.got[name] = known
		return err
	}
	if known.err != nil {
		return known.err
	}
	reflect.ValueOf(into).Elem().Set(reflect.ValueOf(known.object.DeepCopyObject()).Elem())
	return nil
}
