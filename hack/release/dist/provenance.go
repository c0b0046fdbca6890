package dist

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/kubectl-fluid/kubectl-fluid/hack/release/build"
)

// statement is an in-toto statement, version 1, with SLSA's provenance, version 1: which files were built from what.
type statement struct {
	Type          string     `json:"_type"`
	Subject       []subject  `json:"subject"`
	PredicateType string     `json:"predicateType"`
	Predicate     provenance `json:"predicate"`
}

type subject struct {
	Name   string `json:"name"`
	Digest digest `json:"digest"`
}

type digest map[string]string

type provenance struct {
	BuildDefinition buildDefinition `json:"buildDefinition"`
	RunDetails      runDetails      `json:"runDetails"`
}

type buildDefinition struct {
	BuildType            string            `json:"buildType"`
	ExternalParameters   map[string]string `json:"externalParameters"`
	ResolvedDependencies []resource        `json:"resolvedDependencies"`
}

type resource struct {
	URI    string `json:"uri"`
	Digest digest `json:"digest,omitempty"`
}

type runDetails struct {
	Builder  resourceID `json:"builder"`
	Metadata metadata   `json:"metadata"`
}

type resourceID struct {
	ID string `json:"id"`
}

type metadata struct {
	StartedOn string `json:"startedOn"`
}

// provenanceOf states what files, given with their SHA-256 digests, were built from. It says nothing of the machine:
// whoever builds the same commit with the same Go gets the same statement. The release workflow signs one of its own.
func provenanceOf(release build.Release, goVersion string, files []digestedFile) ([]byte, error) {
	s := statement{
		Type:          "https://in-toto.io/Statement/v1",
		PredicateType: "https://slsa.dev/provenance/v1",
		Predicate: provenance{
			BuildDefinition: buildDefinition{
				BuildType:          "https://" + build.Module + "/blob/main/Makefile#release",
				ExternalParameters: map[string]string{"version": release.Version},
				ResolvedDependencies: []resource{
					{URI: "git+https://" + build.Module + "@" + release.Commit, Digest: digest{"gitCommit": release.Commit}},
					{URI: "pkg:golang/toolchain@" + goVersion},
				},
			},
			RunDetails: runDetails{
				Builder:  resourceID{ID: "https://" + build.Module + "/blob/main/hack/release"},
				Metadata: metadata{StartedOn: release.Date.UTC().Format(time.RFC3339)},
			},
		},
	}
	for _, file := range files {
		s.Subject = append(s.Subject, subject{Name: file.name, Digest: digest{"sha256": file.sha256}})
	}
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding the provenance: %w", err)
	}
	return append(data, '\n'), nil
}
