//go:build linux

package mount

import "golang.org/x/sys/unix"

// flags is the part of the options that is mount(2)'s.
func (o Options) flags() uintptr {
	flags := uintptr(unix.MS_NOSUID | unix.MS_NODEV)
	if o.ReadOnly {
		flags |= unix.MS_RDONLY
	}
	if o.NoExec {
		flags |= unix.MS_NOEXEC
	}
	return flags
}
