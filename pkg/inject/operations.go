package inject

import (
	"slices"
	"strconv"
	"strings"
)

// patchWriter writes a JSON patch (RFC 6902). It only adds and replaces.
type patchWriter struct {
	buffer []byte
	// prefix is the JSON pointer of the pod, or of the pod template, in the document that the patch is for.
	prefix string
	count  int
}

// add begins an operation that adds a member to an object (replacing it if it's there) or inserts an element into a
// list. The value has to follow, and then end.
func (w *patchWriter) add(path ...string) { w.begin("add", path) }

// replace begins an operation that replaces what is there.
func (w *patchWriter) replace(path ...string) { w.begin("replace", path) }

// begin writes an operation up to its value. The pieces of the path must need no escapes in JSON.
func (w *patchWriter) begin(op string, path []string) {
	separator := byte(',')
	if w.count == 0 {
		separator = '['
	}
	w.count++
	w.buffer = append(w.buffer, separator)
	w.buffer = append(w.buffer, `{"op":"`...)
	w.buffer = append(w.buffer, op...)
	w.buffer = append(w.buffer, `","path":"`...)
	w.buffer = append(w.buffer, w.prefix...)
	for _, piece := range path {
		w.buffer = append(w.buffer, piece...)
	}
	w.buffer = append(w.buffer, `","value":`...)
}

func (w *patchWriter) end() { w.buffer = append(w.buffer, '}') }

// text writes JSON that is part of a value.
func (w *patchWriter) text(json string) { w.buffer = append(w.buffer, json...) }

// string writes a string as a value or a part of one.
func (w *patchWriter) string(text string) { w.buffer = appendString(w.buffer, text) }

// addMembers adds members to the object at a path in their order; the object is made if it isn't there.
func (w *patchWriter) addMembers(path string, present bool, members []member) {
	if present {
		for _, m := range members {
			w.add(path, "/", escape(m.key))
			w.string(m.value)
			w.end()
		}
		return
	}
	slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.key, b.key) })
	w.add(path)
	for i, m := range members {
		w.text(separator(i, "{"))
		w.string(m.key)
		w.text(":")
		w.string(m.value)
	}
	w.text("}")
	w.end()
}

// member is a member of an object of strings.
type member struct{ key, value string }

// appendAll appends elements to the list at a path; the list is made if it isn't there.
func (w *patchWriter) appendAll(path string, present bool, count int, element func(i int)) {
	if count == 0 {
		return
	}
	if !present {
		w.addList(path, count, element)
		return
	}
	for i := range count {
		w.add(path, "/-")
		element(i)
		w.end()
	}
}

// insertAll inserts elements at the beginning of the list at a path; the list is made if it isn't there.
func (w *patchWriter) insertAll(path string, present bool, count int, element func(i int)) {
	if !present {
		w.appendAll(path, false, count, element)
		return
	}
	for i := count - 1; i >= 0; i-- {
		w.add(path, "/0")
		element(i)
		w.end()
	}
}

// addList adds a list.
func (w *patchWriter) addList(path string, count int, element func(i int)) {
	w.add(path)
	for i := range count {
		w.text(separator(i, "["))
		element(i)
	}
	w.text("]")
	w.end()
}

// separator is what comes before the element i of a list or an object.
func separator(i int, opening string) string {
	if i == 0 {
		return opening
	}
	return ","
}

// finish returns the patch, or nil if it has no operation.
func (w *patchWriter) finish() []byte {
	if w.count == 0 {
		return nil
	}
	return append(w.buffer, ']')
}

// escape makes a key an element of a JSON pointer (RFC 6901).
func escape(key string) string {
	if !strings.ContainsAny(key, "~/") {
		return key
	}
	return strings.ReplaceAll(strings.ReplaceAll(key, "~", "~0"), "/", "~1")
}

// number is the decimal of an index.
func number(i int) string { return strconv.Itoa(i) }
