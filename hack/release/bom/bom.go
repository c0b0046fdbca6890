// Package bom says what the programs of a release are made of, as an SPDX document (a bill of materials).
package bom

import (
	"cmp"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spdx/tools-golang/spdx/v2/common"
	spdx "github.com/spdx/tools-golang/spdx/v2/v2_3"

	"github.com/kubectl-fluid/kubectl-fluid/hack/release/build"
	"github.com/kubectl-fluid/kubectl-fluid/hack/release/license"
)

// Program is an executable of a release.
type Program struct {
	// Name says which, and for which platform.
	Name string
	// File is where it is on this machine.
	File string
}

// Document describes programs by what the Go linker wrote into them: each module with its version, and with its license
// from modules.
func Document(release build.Release, programs []Program, modules []license.Module) ([]byte, error) {
	licenses := map[string]string{}
	for _, m := range modules {
		licenses[m.Path] = strings.Join(m.Licenses, " AND ")
	}
	document := &spdx.Document{
		SPDXVersion: spdx.Version, DataLicense: spdx.DataLicense, SPDXIdentifier: "DOCUMENT",
		DocumentName: "kubectl-fluid " + release.Version,
		CreationInfo: &spdx.CreationInfo{
			Creators: []common.Creator{{CreatorType: "Tool", Creator: "kubectl-fluid-release-" + release.Version}},
			Created:  release.Date.UTC().Format(time.RFC3339),
		},
	}
	linked := map[common.ElementID]*spdx.Package{}
	for _, program := range programs {
		info, err := buildinfo.ReadFile(program.File)
		if err != nil {
			return nil, fmt.Errorf("reading what %s is made of: %w", program.File, err)
		}
		data, err := os.ReadFile(program.File)
		if err != nil {
			return nil, fmt.Errorf("describing %s: %w", program.Name, err)
		}
		described := programPackage(release, program, fmt.Sprintf("%x", sha256.Sum256(data)))
		document.Packages = append(document.Packages, described)
		document.Relationships = append(document.Relationships, relationship("DOCUMENT", "DESCRIBES", described.PackageSPDXIdentifier))
		dependencies := []*spdx.Package{modulePackage("stdlib", strings.TrimPrefix(info.GoVersion, "go"), licenses)}
		for _, m := range info.Deps {
			dependencies = append(dependencies, modulePackage(m.Path, m.Version, licenses))
		}
		for _, dependency := range dependencies {
			linked[dependency.PackageSPDXIdentifier] = dependency
			document.Relationships = append(document.Relationships,
				relationship(described.PackageSPDXIdentifier, "DEPENDS_ON", dependency.PackageSPDXIdentifier))
		}
	}
	document.Packages = append(document.Packages, slices.SortedFunc(maps.Values(linked), func(a, b *spdx.Package) int {
		return cmp.Compare(a.PackageSPDXIdentifier, b.PackageSPDXIdentifier)
	})...)
	// Unique to what it describes, as SPDX wants it, and the same for the same release.
	contents, err := json.Marshal(document.Packages)
	if err != nil {
		return nil, fmt.Errorf("encoding the bill of materials: %w", err)
	}
	document.DocumentNamespace = fmt.Sprintf("https://%s/spdx/%s-%x", build.Module, release.Version, sha256.Sum256(contents))
	data, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding the bill of materials: %w", err)
	}
	return append(data, '\n'), nil
}

func programPackage(release build.Release, program Program, digest string) *spdx.Package {
	return &spdx.Package{
		PackageName: program.Name, PackageVersion: release.Version, PackageSPDXIdentifier: identifier("Program", program.Name),
		PackageSupplier:         &common.Supplier{SupplierType: "Organization", Supplier: "kubectl-fluid"},
		PackageDownloadLocation: "git+https://" + build.Module + "@" + release.Commit,
		PackageChecksums:        []common.Checksum{{Algorithm: common.SHA256, Value: digest}},
		PackageLicenseConcluded: "NOASSERTION", PackageLicenseDeclared: "Apache-2.0", PackageCopyrightText: "NOASSERTION",
		PrimaryPackagePurpose: "APPLICATION",
	}
}

func modulePackage(path, version string, licenses map[string]string) *spdx.Package {
	return &spdx.Package{
		PackageName: path, PackageVersion: version, PackageSPDXIdentifier: identifier("Module", path+"-"+version),
		PackageDownloadLocation: "NOASSERTION",
		PackageLicenseConcluded: "NOASSERTION", PackageLicenseDeclared: cmp.Or(licenses[path], "NOASSERTION"), PackageCopyrightText: "NOASSERTION",
		PackageExternalReferences: []*spdx.PackageExternalReference{{
			Category: "PACKAGE-MANAGER", RefType: "purl", Locator: "pkg:golang/" + path + "@" + version,
		}},
		PrimaryPackagePurpose: "LIBRARY",
	}
}

// identifier makes an SPDX identifier: letters, digits, dots and hyphens.
func identifier(kind, name string) common.ElementID {
	return common.ElementID(kind + "-" + strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '-'
	}, name))
}

func relationship(from common.ElementID, kind string, to common.ElementID) *spdx.Relationship {
	return &spdx.Relationship{
		RefA: common.DocElementID{ElementRefID: from}, Relationship: kind, RefB: common.DocElementID{ElementRefID: to},
	}
}
