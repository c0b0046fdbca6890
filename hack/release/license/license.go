// Package license finds the licenses of what is linked into the programs, and refuses those that don't go with the
// project's own.
package license

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/licenseclassifier/v2/assets"

	"github.com/kubectl-fluid/kubectl-fluid/hack/release/build"
)

// Allowed are the SPDX identifiers of the licenses that code may have which the programs are linked with: those that
// ask for nothing but to be named.
func Allowed() []string { return []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT"} }

// Module is a Go module that a program is linked with.
type Module struct {
	Path, Version string
	// Licenses are the SPDX identifiers of its licenses, sorted.
	Licenses []string
	// Texts are its files with licenses and notices, by name.
	Texts map[string][]byte

	dir string
}

// Modules returns all modules that packages of the source tree are linked with on any of the platforms, the standard
// library among them, with their licenses. It is an error if one has no license, or one that isn't Allowed.
func Modules(ctx context.Context, source string, platforms []build.Platform, packages ...string) ([]Module, error) {
	linked := map[string]Module{}
	for _, p := range platforms {
		const format = `{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}`
		built, err := packagesOf(ctx, source, p, packages)
		if err != nil {
			return nil, err
		}
		output, err := run(ctx, source, p, append([]string{"list", "-deps", "-f", format}, built...)...)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(output) {
			if fields := strings.SplitN(strings.TrimSpace(line), " ", 3); len(fields) == 3 {
				linked[fields[0]] = Module{Path: fields[0], Version: fields[1], dir: fields[2]}
			}
		}
	}
	environment, err := run(ctx, source, build.Host(), "env", "GOVERSION", "GOROOT")
	if err != nil {
		return nil, err
	}
	version, root, _ := strings.Cut(strings.TrimSpace(environment), "\n")
	linked["stdlib"] = Module{Path: "stdlib", Version: strings.TrimPrefix(version, "go"), dir: root}

	modules := slices.SortedFunc(maps.Values(linked), func(a, b Module) int { return cmp.Compare(a.Path, b.Path) })
	classifier, err := assets.DefaultClassifier()
	if err != nil {
		return nil, fmt.Errorf("loading the texts of licenses: %w", err)
	}
	var errs []error
	for i := range modules {
		m := &modules[i]
		if err := m.readTexts(); err != nil {
			return nil, err
		}
		for _, text := range m.Texts {
			for _, match := range classifier.Match(text).Matches {
				if match.MatchType == "License" {
					m.Licenses = append(m.Licenses, match.Name)
				}
			}
		}
		slices.Sort(m.Licenses)
		m.Licenses = slices.Compact(m.Licenses)
		errs = append(errs, m.check())
	}
	return modules, errors.Join(errs...)
}

// packagesOf returns the packages that have Go files for a platform: the node plugin is for Linux only.
func packagesOf(ctx context.Context, source string, p build.Platform, packages []string) ([]string, error) {
	output, err := run(ctx, source, p, append([]string{"list", "-e", "-f", "{{if .GoFiles}}{{.ImportPath}}{{end}}"}, packages...)...)
	if err != nil {
		return nil, err
	}
	built := strings.Fields(output)
	if len(built) == 0 {
		return nil, fmt.Errorf("none of the packages %q is built for %s", packages, p)
	}
	return built, nil
}

// check says what is wrong with a module's licenses.
func (m Module) check() error {
	if len(m.Licenses) == 0 {
		return fmt.Errorf("module %s %s: no license that is known found among the files %q of %s",
			m.Path, m.Version, slices.Sorted(maps.Keys(m.Texts)), m.dir)
	}
	for _, name := range m.Licenses {
		if !slices.Contains(Allowed(), name) {
			return fmt.Errorf("module %s %s has the license %s: only %q may be linked; take another module, or say why in hack/release/license", m.Path, m.Version, name, Allowed())
		}
	}
	return nil
}

// readTexts reads the module's files that are named as licenses and notices are.
func (m *Module) readTexts() error {
	entries, err := os.ReadDir(m.dir)
	if err != nil {
		return fmt.Errorf("looking for the license of %s: %w", m.Path, err)
	}
	m.Texts = map[string][]byte{}
	for _, entry := range entries {
		name := strings.ToUpper(entry.Name())
		if !entry.Type().IsRegular() || !slices.ContainsFunc([]string{"LICENSE", "LICENCE", "COPYING", "NOTICE"}, func(prefix string) bool {
			return strings.HasPrefix(name, prefix)
		}) {
			continue
		}
		if m.Texts[entry.Name()], err = os.ReadFile(filepath.Join(m.dir, entry.Name())); err != nil {
			return fmt.Errorf("reading the license of %s: %w", m.Path, err)
		}
	}
	return nil
}

// Notices returns the file that goes with the programs: the licenses and notices of all modules.
func Notices(modules []Module) []byte {
	var out bytes.Buffer
	out.WriteString("The programs contain the following software, under the licenses that are given here.\n")
	for _, m := range modules {
		for _, name := range slices.Sorted(maps.Keys(m.Texts)) {
			fmt.Fprintf(&out, "\n%s\n%s %s: %s\n\n%s\n", strings.Repeat("-", 80), m.Path, m.Version, name, bytes.TrimSpace(m.Texts[name]))
		}
	}
	return out.Bytes()
}

func run(ctx context.Context, source string, p build.Platform, args ...string) (string, error) {
	command := exec.CommandContext(ctx, "go", args...)
	command.Dir, command.Env = source, build.Environment(p)
	var stderr bytes.Buffer
	command.Stderr = &stderr
	output, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("go %s for %s: %w\n%s", strings.Join(args, " "), p, err, stderr.String())
	}
	return string(output), nil
}
