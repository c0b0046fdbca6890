package reference

import (
	"fmt"
	"strings"
	"unicode"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	datav1alpha1 "github.com/kubectl-fluid/kubectl-fluid/api/v1alpha1"
)

// Scheme is the prefix of a mount point that refers to another Dataset.
const Scheme = "dataset://"

// maxSubPath and maxSubPathElement are Linux' PATH_MAX, with room for the directory before it, and NAME_MAX in bytes.
const (
	maxSubPath        = 3072
	maxSubPathElement = 255
)

// Source is what a reference refers to: a physical Dataset and, if SubPath isn't empty, a directory or file within it.
type Source struct {
	Namespace string
	Name      string
	SubPath   string
}

// Key returns the name of the physical Dataset.
func (s Source) Key() types.NamespacedName {
	return types.NamespacedName{Namespace: s.Namespace, Name: s.Name}
}

// String returns namespace/name[/sub/path], which ParseSource reads.
func (s Source) String() string {
	if s.SubPath == "" {
		return s.Namespace + "/" + s.Name
	}
	return s.Namespace + "/" + s.Name + "/" + s.SubPath
}

// MountPoint returns the source as dataset://namespace/name[/sub/path].
func (s Source) MountPoint() string { return Scheme + s.String() }

// IsMountPoint reports whether a mount point means another Dataset, rightly written or not. Fluid v1.0.8 compares the
// scheme case-sensitively and takes a misspelt one for ordinary storage; here it's a reference with a mistake.
func IsMountPoint(mountPoint string) bool {
	return len(mountPoint) >= len(Scheme) && strings.EqualFold(mountPoint[:len(Scheme)], Scheme)
}

// ParseMountPoint reads dataset://namespace/name[/sub/path]. It is stricter than Fluid v1.0.8, which takes empty parts
// for names, one part for ordinary storage, and pastes the sub-path into a shell command: the error says which part is
// wrong and what is allowed.
func ParseMountPoint(mountPoint string) (Source, error) {
	rest, ok := strings.CutPrefix(mountPoint, Scheme)
	if !ok {
		return Source{}, fmt.Errorf("mount point %q doesn't begin with %s in lower case", mountPoint, Scheme)
	}
	source, err := ParseSource(rest)
	if err != nil {
		return Source{}, fmt.Errorf("mount point %q: %w", mountPoint, err)
	}
	return source, nil
}

// ParseSource reads namespace/name[/sub/path]; see ParseMountPoint.
func ParseSource(text string) (Source, error) {
	parts := strings.SplitN(text, "/", 3)
	if len(parts) < 2 {
		return Source{}, fmt.Errorf("%q names no Dataset: write namespace/name, or namespace/name/sub/path", text)
	}
	source := Source{Namespace: parts[0], Name: parts[1]}
	if problems := validation.IsDNS1123Label(source.Namespace); len(problems) > 0 {
		return Source{}, fmt.Errorf("%q is not a namespace: %s", source.Namespace, problems[0])
	}
	if err := ValidateName(source.Name); err != nil {
		return Source{}, err
	}
	if len(parts) == 3 {
		source.SubPath = parts[2]
		if err := validateSubPath(source.SubPath); err != nil {
			return Source{}, err
		}
	}
	return source, nil
}

// ValidateName says why a text can't be a Dataset's name. Fluid's controllers want a DNS-1035 label; its CRD doesn't
// check that.
func ValidateName(name string) error {
	if problems := validation.IsDNS1035Label(name); len(problems) > 0 {
		return fmt.Errorf("%q is not a Dataset's name: %s", name, problems[0])
	}
	return nil
}

// validateSubPath allows what can become part of a path on the node and nothing that could lead out of it or that a
// shell would read: letters and digits of any script and - _ . , : = @ + %.
func validateSubPath(subPath string) error {
	if len(subPath) > maxSubPath {
		return fmt.Errorf("the sub-path is %d bytes long; at most %d are possible", len(subPath), maxSubPath)
	}
	for element := range strings.SplitSeq(subPath, "/") {
		switch {
		case element == "":
			return fmt.Errorf("sub-path %q has an empty element: write it without a slash at its end and without //", subPath)
		case element == "." || element == "..":
			return fmt.Errorf("sub-path %q has the element %q, which could lead out of the Dataset", subPath, element)
		case len(element) > maxSubPathElement:
			return fmt.Errorf("sub-path element %.20q… is %d bytes long; file names have at most %d", element, len(element), maxSubPathElement)
		}
	}
	for _, r := range subPath {
		if r == unicode.ReplacementChar || !(unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r) || strings.ContainsRune("/-_.,:=@+%", r)) {
			return fmt.Errorf("sub-path %q has the character %q: only letters, digits and - _ . , : = @ + %% are allowed", subPath, r)
		}
	}
	return nil
}

// IsReference reports whether a Dataset is meant as a reference, rightly written or not.
func IsReference(dataset *datav1alpha1.Dataset) bool {
	for i := range dataset.Spec.Mounts {
		if IsMountPoint(dataset.Spec.Mounts[i].MountPoint) {
			return true
		}
	}
	return false
}

// SourceOf returns what a reference refers to. The error says what is wrong with its mount, or that it has others too.
// Call it for references only.
func SourceOf(dataset *datav1alpha1.Dataset) (Source, error) {
	if len(dataset.Spec.Mounts) != 1 {
		return Source{}, fmt.Errorf("a reference has exactly one mount, and this one has %d", len(dataset.Spec.Mounts))
	}
	return ParseMountPoint(dataset.Spec.Mounts[0].MountPoint)
}
