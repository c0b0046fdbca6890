package krew

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/version"
)

// The limits at which krew's validator warns.
const (
	shortDescriptionLength = 50
	lineLength             = 80
)

// Validate checks a manifest by the rules of krew 0.4 (its package validation and its command validate-krew-manifest)
// and of krew's index. It returns everything that is wrong.
func (m Manifest) Validate() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if m.APIVersion != "krew.googlecontainertools.github.com/v1alpha2" || m.Kind != "Plugin" {
		wrong("apiVersion and kind are %s and %s", m.APIVersion, m.Kind)
	}
	if !regexp.MustCompile(`^[\w-]+$`).MatchString(m.Metadata.Name) {
		wrong("metadata.name is %q: it must be letters, digits, _ and -", m.Metadata.Name)
	}
	if number, found := strings.CutPrefix(m.Spec.Version, "v"); !found {
		wrong("spec.version %q doesn't begin with v", m.Spec.Version)
	} else if _, err := version.ParseSemantic(number); err != nil {
		wrong("spec.version: %w", err)
	}
	if short := m.Spec.ShortDescription; short == "" || strings.ContainsAny(short, "\r\n") || len(short) > shortDescriptionLength {
		wrong("spec.shortDescription must be one line of up to %d characters: %q", shortDescriptionLength, short)
	}
	for name, text := range map[string]string{"description": m.Spec.Description, "caveats": m.Spec.Caveats} {
		for _, line := range strings.Split(text, "\n") {
			if len(line) > lineLength {
				wrong("spec.%s has a line of more than %d characters: %q", name, lineLength, line)
			}
		}
	}
	if len(m.Spec.Platforms) == 0 {
		wrong("spec.platforms is empty")
	}
	seen := map[string]bool{}
	for i, p := range m.Spec.Platforms {
		if err := p.validate(); err != nil {
			wrong("spec.platforms[%d]: %w", i, err)
		}
		selected := p.Selector.MatchLabels["os"] + "/" + p.Selector.MatchLabels["arch"]
		if seen[selected] {
			wrong("spec.platforms[%d]: another one is for %s too", i, selected)
		}
		seen[selected] = true
	}
	return errors.Join(errs...)
}

func (p Platform) validate() error {
	var errs []error
	// With both labels and no others, two selectors overlap only where they are equal.
	if keys := slices.Sorted(maps.Keys(p.Selector.MatchLabels)); !slices.Equal(keys, []string{"arch", "os"}) {
		errs = append(errs, fmt.Errorf("the selector has the labels %q, not arch and os", keys))
	}
	if u, err := url.Parse(p.URI); err != nil || u.Scheme != "https" || u.Host == "" {
		errs = append(errs, fmt.Errorf("uri %q isn't an https URL", p.URI))
	}
	if !regexp.MustCompile(`^[a-f0-9]{64}$`).MatchString(p.SHA256) {
		errs = append(errs, fmt.Errorf("sha256 %q isn't 64 hexadecimal digits in lower case", p.SHA256))
	}
	if p.Files != nil && len(p.Files) == 0 {
		errs = append(errs, errors.New("files is empty: leave it out or fill it"))
	}
	license := false
	for _, file := range p.Files {
		if file.From == "" || file.To == "" || file.To != path.Clean(file.To) {
			errs = append(errs, fmt.Errorf("files: from %q to %q: both must be set, and to be a clean path", file.From, file.To))
		}
		license = license || file.From == "LICENSE"
	}
	if p.Files != nil && !license {
		errs = append(errs, errors.New("files doesn't take the LICENSE, which krew's index requires"))
	}
	switch windows := p.Selector.MatchLabels["os"] == "windows"; {
	case p.Bin == "":
		errs = append(errs, errors.New("bin must be set"))
	case windows != strings.HasSuffix(p.Bin, ".exe"):
		errs = append(errs, fmt.Errorf("bin is %q: it must end in .exe on Windows, and only there", p.Bin))
	}
	return errors.Join(errs...)
}
