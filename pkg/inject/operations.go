package inject

import "strings"

// operation is one operation of a JSON patch (RFC 6902).
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// operations is a JSON patch in the making. It only adds and replaces.
type operations []operation

// add adds a member to an object (replacing it if it's there) or inserts an element into a list.
func (o *operations) add(path string, value any) {
	*o = append(*o, operation{"add", path, value})
}

// replace replaces what is there.
func (o *operations) replace(path string, value any) {
	*o = append(*o, operation{"replace", path, value})
}

// addMembers adds members to the object at a path, in the order of keys; the object is made if it isn't there.
func (o *operations) addMembers(path string, present bool, keys []string, members map[string]string) {
	if !present {
		o.add(path, members)
		return
	}
	for _, key := range keys {
		o.add(path+"/"+escape(key), members[key])
	}
}

// append appends elements to the list at a path; the list is made if it isn't there.
func appendAll[T any](o *operations, path string, present bool, elements []T) {
	if len(elements) == 0 {
		return
	}
	if !present {
		o.add(path, elements)
		return
	}
	for _, element := range elements {
		o.add(path+"/-", element)
	}
}

// insertAll inserts elements at the beginning of the list at a path; the list is made if it isn't there.
func insertAll[T any](o *operations, path string, present bool, elements []T) {
	if !present {
		appendAll(o, path, false, elements)
		return
	}
	for i := len(elements) - 1; i >= 0; i-- {
		o.add(path+"/0", elements[i])
	}
}

// escape makes a key an element of a JSON pointer (RFC 6901).
func escape(key string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
}
