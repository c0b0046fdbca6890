package inject

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// fragment is JSON with places that differ from pod to pod.
type fragment struct {
	parts []part
	size  int
}

// part is JSON text and the slot whose value follows it within a string.
type part struct {
	text string
	slot slot
}

// slot is a place in a fragment; from slotVolume on the number of a volume is added.
type slot int

const (
	slotNone slot = iota
	// slotContainer is the name of the sidecar.
	slotContainer
	// slotDirectory is the pod's own directory on the node, with a slash before it, or nothing.
	slotDirectory
	// slotOwnDirectory is the same without the slash.
	slotOwnDirectory
	// slotToken is the name of the pod's volume with the ServiceAccount's token.
	slotToken
	// slotOptions are the kernel's options of the mount.
	slotOptions
	// slotVolume is the name that the sidecar's first volume has in the pod.
	slotVolume
)

// slots makes texts that stand for slots until a value is JSON. They have nothing in common with the value.
type slots struct{ mark string }

// newSlots makes slots for a value.
func newSlots(value any) (slots, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return slots{}, err
	}
	for i := 0; ; i++ {
		if mark := "slot" + strconv.Itoa(i) + "_"; !strings.Contains(string(text), mark) {
			return slots{mark}, nil
		}
	}
}

// text stands for a slot.
func (s slots) text(of slot) string { return fmt.Sprintf("%s%d_", s.mark, of) }

// fragment encodes a value in which texts stand for slots.
func (s slots) fragment(value any) (fragment, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return fragment{}, err
	}
	pieces := strings.Split(string(text), s.mark)
	f := fragment{size: len(text)}
	before := pieces[0]
	for _, piece := range pieces[1:] {
		number, rest, _ := strings.Cut(piece, "_")
		of, err := strconv.Atoi(number)
		if err != nil {
			return fragment{}, fmt.Errorf("reading the slot %q: %w", number, err)
		}
		f.parts = append(f.parts, part{before, slot(of)})
		before = rest
	}
	f.parts = append(f.parts, part{before, slotNone})
	return f, nil
}

// values are what a pod's sidecar has in its slots.
type values struct {
	container string
	directory string
	token     string
	options   string
	// ownUser says that the pod has a user of its own, which a sidecar that is only Served has too.
	ownUser bool
	volumes []string
}

func (v *values) of(s slot) string {
	switch {
	case s == slotContainer:
		return v.container
	case s == slotDirectory:
		return v.directory
	case s == slotOwnDirectory:
		return strings.TrimPrefix(v.directory, "/")
	case s == slotToken:
		return v.token
	case s == slotOptions:
		return v.options
	}
	return v.volumes[s-slotVolume]
}

// appendTo appends the JSON with the values in the slots.
func (f *fragment) appendTo(buffer []byte, v *values) []byte {
	for i := range f.parts {
		buffer = append(buffer, f.parts[i].text...)
		if f.parts[i].slot != slotNone {
			buffer = appendEscaped(buffer, v.of(f.parts[i].slot))
		}
	}
	return buffer
}

// appendString appends a string as JSON.
func appendString(buffer []byte, text string) []byte {
	return append(appendEscaped(append(buffer, '"'), text), '"')
}

// appendEscaped appends what JSON has between the quotation marks of a string, as encoding/json writes it.
func appendEscaped(buffer []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			encoded, err := json.Marshal(text)
			if err != nil {
				panic(fmt.Sprintf("encoding the string %q: %v", text, err)) // encoding/json encodes every string.
			}
			return append(buffer, encoded[1:len(encoded)-1]...)
		}
	}
	return append(buffer, text...)
}
