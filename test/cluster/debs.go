package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// aptOptions make apt work on the packages that an empty system would need,
// from the machine's package lists, without its locks or installing anything.
func aptOptions(archives string) []string {
	return []string{
		"--yes", "--no-install-recommends",
		"-o", "Dir::State::status=/dev/null",
		"-o", "Dir::Cache::archives=" + archives,
		"-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=",
		"-o", "Debug::NoLocking=1",
	}
}

// resolvePackages returns the names of the .deb files, with their versions, of
// the packages names and all that they depend on.
func resolvePackages(ctx context.Context, names []string) ([]string, error) {
	if len(names) == 0 {
		return nil, nil
	}
	args := append(append(aptOptions("/nonexistent"), "--print-uris", "install"), names...)
	output, err := command(ctx, "", "apt-get", args...)
	if err != nil && ctx.Err() == nil && os.Geteuid() == 0 {
		// The machine may never have fetched package lists.
		if err = aptGet(ctx, "update"); err != nil {
			return nil, err
		}
		output, err = command(ctx, "", "apt-get", args...)
	}
	if err != nil {
		return nil, fmt.Errorf("resolve the Debian packages %q: %w", names, err)
	}
	return debFiles(output), nil
}

// debFiles returns the files of lines like
//
//	'http://…/nginx_1.22.1-9_amd64.deb' nginx_1.22.1-9_amd64.deb 532468 MD5Sum:…
func debFiles(output string) []string {
	var debs []string
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		if len(fields) >= 3 && strings.HasPrefix(fields[0], "'") && strings.HasSuffix(fields[1], ".deb") {
			debs = append(debs, fields[1])
		}
	}
	return debs
}

// unpackedDebs are packages in directories, as they were unpacked.
type unpackedDebs struct {
	named   []string // the directory of each package that was asked for
	closure string   // one directory of all others together
}

// unpackPackages downloads packages and what they depend on, and unpacks them
// below dir. Nothing is installed on the machine.
func unpackPackages(ctx context.Context, dir string, names []string) (unpackedDebs, error) {
	unpacked := unpackedDebs{closure: filepath.Join(dir, "closure")}
	archives := filepath.Join(dir, "archives")
	if err := os.MkdirAll(filepath.Join(archives, "partial"), 0o755); err != nil {
		return unpacked, err
	}
	// As root, apt fetches as the user _apt, who can't write to our directory.
	args := append(aptOptions(archives), "-o", "APT::Sandbox::User=root", "--download-only", "install")
	args = append(args, names...)
	_, err := command(ctx, "", "apt-get", args...)
	if err != nil && ctx.Err() == nil && os.Geteuid() == 0 {
		// Old package lists name versions that are gone from the archive.
		if err = aptGet(ctx, "update"); err != nil {
			return unpacked, err
		}
		_, err = command(ctx, "", "apt-get", args...)
	}
	if err != nil {
		return unpacked, fmt.Errorf("download the Debian packages %q: %w", names, err)
	}
	asked := make(map[string]bool, len(names))
	for _, name := range names {
		asked[name] = true
	}
	debs, err := filepath.Glob(filepath.Join(archives, "*.deb"))
	if err != nil {
		return unpacked, err
	}
	for _, deb := range debs {
		target := unpacked.closure
		if name, _, _ := strings.Cut(filepath.Base(deb), "_"); asked[name] {
			target = filepath.Join(dir, "named", name)
			unpacked.named = append(unpacked.named, target)
		}
		if err := os.MkdirAll(target, 0o755); err != nil {
			return unpacked, err
		}
		if _, err := command(ctx, "", "dpkg-deb", "--extract", deb, target); err != nil {
			return unpacked, fmt.Errorf("unpack a Debian package: %w", err)
		}
	}
	return unpacked, nil
}
