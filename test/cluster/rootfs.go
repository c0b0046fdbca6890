package cluster

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// entry is a file, directory or symbolic link of an image.
type entry struct {
	mode    fs.FileMode
	source  string // a file's content on this machine
	content []byte // or the content itself
	target  string // of a symbolic link
}

// rootfs is the file system of an image, by absolute path.
type rootfs map[string]entry

// rootfs puts the file system of the image together. It downloads to work,
// where files of the result are.
func (i Image) rootfs(ctx context.Context, work string, files map[string][]byte, packaged bool) (rootfs, error) {
	root := baseRootfs()
	if packaged {
		debs, err := unpackPackages(ctx, work, i.Packages)
		if err != nil {
			return nil, err
		}
		for _, dir := range debs.named {
			if err := root.addTree(dir); err != nil {
				return nil, err
			}
		}
		if err := root.addLibraries(append(debs.named, debs.closure)); err != nil {
			return nil, err
		}
		if err := root.addApplets(ctx); err != nil {
			return nil, err
		}
		if err := root.addCertificates(); err != nil {
			return nil, err
		}
	}
	for name, data := range files {
		mode := fs.FileMode(0o644)
		if i.Files[name].Executable {
			mode = 0o755
		}
		root.add(name, entry{mode: mode, content: data})
	}
	for name, target := range i.Links {
		root.add(name, entry{mode: fs.ModeSymlink | 0o777, target: target})
	}
	return root, nil
}

// baseRootfs returns what every image has. As on Debian, /bin, /sbin, /lib and
// /lib64 are links into /usr.
func baseRootfs() rootfs {
	root := rootfs{}
	for _, dir := range []string{"/dev", "/etc", "/proc", "/root", "/run", "/sys", "/usr/bin", "/usr/lib", "/usr/lib64", "/usr/sbin", "/var/lib", "/var/log"} {
		root.add(dir, entry{mode: fs.ModeDir | 0o755})
	}
	for _, dir := range []string{"/tmp", "/var/tmp"} {
		root.add(dir, entry{mode: fs.ModeDir | fs.ModeSticky | 0o777})
	}
	for _, dir := range []string{"bin", "lib", "lib64", "sbin"} {
		root["/"+dir] = entry{mode: fs.ModeSymlink | 0o777, target: "usr/" + dir}
	}
	for name, content := range map[string]string{
		"/etc/passwd":        "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/sh\n",
		"/etc/group":         "root:x:0:\nadm:x:4:\nwww-data:x:33:\nnogroup:x:65534:\n",
		"/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
	} {
		root.add(name, entry{mode: 0o644, content: []byte(content)})
	}
	return root
}

// usrPath returns where a path really is, given the links of baseRootfs.
func usrPath(name string) string {
	name = path.Clean(name)
	for _, dir := range []string{"/bin", "/lib", "/lib64", "/sbin"} {
		if name == dir || strings.HasPrefix(name, dir+"/") {
			return "/usr" + name
		}
	}
	return name
}

// add puts an entry in, with the directories above it.
func (r rootfs) add(name string, e entry) {
	name = usrPath(name)
	r[name] = e
	for dir := path.Dir(name); dir != "/"; dir = path.Dir(dir) {
		if _, ok := r[dir]; !ok {
			r[dir] = entry{mode: fs.ModeDir | 0o755}
		}
	}
}

// addTree adds an unpacked package, without what only people read.
func (r rootfs) addTree(dir string) error {
	return filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(file, dir)
		switch name {
		case "":
			return nil
		case "/usr/share/doc", "/usr/share/info", "/usr/share/lintian", "/usr/share/locale", "/usr/share/man":
			return filepath.SkipDir
		}
		e, err := readEntry(file)
		if err != nil {
			return err
		}
		if have, ok := r[usrPath(name)]; ok && have.mode.IsDir() && d.IsDir() {
			return nil
		}
		r.add(name, e)
		return nil
	})
}

func readEntry(file string) (entry, error) {
	info, err := os.Lstat(file)
	if err != nil {
		return entry{}, err
	}
	e := entry{mode: info.Mode(), source: file}
	if info.Mode()&fs.ModeSymlink != 0 {
		e.source = ""
		if e.target, err = os.Readlink(file); err != nil {
			return entry{}, err
		}
	}
	return e, nil
}

// addLibraries adds the shared libraries, from the unpacked packages in dirs,
// that the programs and libraries of the image need.
func (r rootfs) addLibraries(dirs []string) error {
	libraries, err := findLibraries(dirs)
	if err != nil {
		return err
	}
	queue := make([]string, 0, len(r))
	for name := range r {
		queue = append(queue, name)
	}
	for ; len(queue) > 0; queue = queue[1:] {
		program := queue[0]
		if !r[program].mode.IsRegular() || r[program].source == "" {
			continue
		}
		for _, needed := range neededLibraries(r[program].source) {
			files, ok := libraries[path.Base(needed)]
			if !ok {
				return fmt.Errorf("%s needs the library %s, which is in none of the packages; name the package that has it", program, needed)
			}
			for name, file := range files {
				if _, ok := r[usrPath(name)]; ok {
					continue
				}
				e, err := readEntry(file)
				if err != nil {
					return err
				}
				r.add(name, e)
				queue = append(queue, usrPath(name))
			}
		}
	}
	return nil
}

// findLibraries returns the files of each shared library by its name: path in
// the image to path on this machine, of the library and, where the name is that
// of a link, of its target.
func findLibraries(dirs []string) (map[string]map[string]string, error) {
	libraries := map[string]map[string]string{}
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.Contains(d.Name(), ".so") {
				return err
			}
			files := map[string]string{strings.TrimPrefix(file, dir): file}
			if target, err := filepath.EvalSymlinks(file); err == nil {
				files[strings.TrimPrefix(target, dir)] = target
			}
			libraries[d.Name()] = files
			return nil
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return libraries, nil
}

// neededLibraries returns the libraries and the loader that an ELF file names.
func neededLibraries(file string) []string {
	f, err := elf.Open(file)
	if err != nil {
		return nil // Not an ELF file.
	}
	defer f.Close()
	needed, err := f.ImportedLibraries()
	if err != nil {
		return nil // Statically linked.
	}
	if section := f.Section(".interp"); section != nil {
		if data, err := section.Data(); err == nil {
			needed = append(needed, string(bytes.TrimRight(data, "\x00")))
		}
	}
	return needed
}

// addApplets links busybox, if it is in the image, to the names of its applets.
func (r rootfs) addApplets(ctx context.Context) error {
	busybox, ok := r["/usr/bin/busybox"]
	if !ok {
		return nil
	}
	list, err := command(ctx, "", busybox.source, "--list-full")
	if err != nil {
		return fmt.Errorf("list the applets of busybox: %w", err)
	}
	for _, name := range strings.Fields(list) {
		name = usrPath("/" + name)
		if _, ok := r[name]; !ok {
			r.add(name, entry{mode: fs.ModeSymlink | 0o777, target: "/usr/bin/busybox"})
		}
	}
	return nil
}

// addCertificates bundles the certificates of the package ca-certificates, if
// it is in the image, as its maintainer script would, and for Java too.
func (r rootfs) addCertificates() error {
	var bundle []byte
	for _, name := range r.names() {
		if !strings.HasPrefix(name, "/usr/share/ca-certificates/") || !strings.HasSuffix(name, ".crt") {
			continue
		}
		data, err := os.ReadFile(r[name].source)
		if err != nil {
			return err
		}
		bundle = append(bundle, data...)
	}
	if bundle == nil {
		return nil
	}
	r.add("/etc/ssl/certs/ca-certificates.crt", entry{mode: 0o644, content: bundle})
	if _, ok := r["/usr/lib/jvm"]; !ok {
		return nil
	}
	r.add("/etc/ssl/certs/java/cacerts", entry{mode: 0o644, content: javaKeyStore(bundle)})
	return nil
}

func (r rootfs) names() []string {
	names := make([]string, 0, len(r))
	for name := range r {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
