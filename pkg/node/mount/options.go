package mount

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/node/volume"
)

// Options are those of a FUSE file system, besides nosuid, nodev and allow_other, which it always has.
type Options struct {
	ReadOnly, DefaultPermissions, NoExec bool
	// MaxRead is the most that one read request asks for, in bytes; 0 is the kernel's default.
	MaxRead int
}

// maximumOptions is longer than all options together.
const maximumOptions = 256

// ParseOptions reads volume.AttributeOptions, which may come from anybody. It refuses what it doesn't know.
func ParseOptions(text string) (Options, error) {
	var o Options
	if len(text) > maximumOptions {
		return Options{}, fmt.Errorf("%s has %d bytes, %d are allowed", volume.AttributeOptions, len(text), maximumOptions)
	}
	if text == "" {
		return o, nil
	}
	for word := range strings.SplitSeq(text, ",") {
		name, value, hasValue := strings.Cut(word, "=")
		switch {
		case word == volume.OptionReadOnly:
			o.ReadOnly = true
		case word == volume.OptionDefaultPermissions:
			o.DefaultPermissions = true
		case word == volume.OptionNoExec:
			o.NoExec = true
		case name == volume.OptionMaxRead && hasValue:
			n, err := strconv.ParseUint(value, 10, 31)
			// The kernel takes anything; reads smaller than a page are of no use.
			if err != nil || n < 4096 || strconv.FormatUint(n, 10) != value {
				return Options{}, fmt.Errorf("%s: %q isn't a number of bytes from 4096 on", volume.AttributeOptions, word)
			}
			o.MaxRead = int(n)
		default:
			return Options{}, fmt.Errorf("%s: %q isn't an option that a volume may have", volume.AttributeOptions, word)
		}
	}
	return o, nil
}

// String is what ParseOptions reads.
func (o Options) String() string {
	var words []string
	for _, option := range []struct {
		set  bool
		word string
	}{
		{o.ReadOnly, volume.OptionReadOnly},
		{o.DefaultPermissions, volume.OptionDefaultPermissions},
		{o.NoExec, volume.OptionNoExec},
		{o.MaxRead > 0, volume.OptionMaxRead + "=" + strconv.Itoa(o.MaxRead)},
	} {
		if option.set {
			words = append(words, option.word)
		}
	}
	return strings.Join(words, ",")
}

// Effective is String with the options that each file system has.
func (o Options) Effective() string {
	return strings.TrimSuffix("nosuid,nodev,allow_other,"+o.String(), ",")
}

// data is the part of the options that FUSE itself reads.
func (o Options) data() string {
	data := "allow_other"
	if o.DefaultPermissions {
		data += ",default_permissions"
	}
	if o.MaxRead > 0 {
		data += ",max_read=" + strconv.Itoa(o.MaxRead)
	}
	return data
}
