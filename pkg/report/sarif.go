package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

// The parts of SARIF 2.1.0 (OASIS) that code scanning reads.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool    sarifTool     `json:"tool"`
		Results []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		Version        string      `json:"version,omitempty"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID               string       `json:"id"`
		Name             string       `json:"name"`
		ShortDescription sarifMessage `json:"shortDescription"`
		FullDescription  sarifMessage `json:"fullDescription"`
		Help             sarifMessage `json:"help"`
	}
	sarifMessage struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId,omitempty"`
		Kind      string          `json:"kind"`
		Level     string          `json:"level"`
		Message   sarifMessage    `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifLocation struct {
		Physical *sarifPhysical `json:"physicalLocation,omitempty"`
		Logical  []sarifLogical `json:"logicalLocations"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifLogical struct {
		Name string `json:"fullyQualifiedName"`
		Kind string `json:"kind"`
	}
)

const (
	sarifSchema    = "https://json.schemastore.org/sarif-2.1.0.json"
	informationURI = "https://github.com/kubectl-fluid/kubectl-fluid"
)

// WriteSARIF writes a SARIF 2.1.0 log with a rule for each code that was found.
func WriteSARIF(out io.Writer, groups []Group, version string, language finding.Language) error {
	run := sarifRun{Tool: sarifTool{Driver: sarifDriver{Name: "kubectl-fluid", Version: version,
		InformationURI: informationURI, Rules: []sarifRule{}}}, Results: []sarifResult{}}
	var codes []finding.Code
	for _, group := range groups {
		for _, result := range group.Results {
			if result.Code != "" && !slices.Contains(codes, result.Code) {
				codes = append(codes, result.Code)
			}
			run.Results = append(run.Results, newSARIFResult(result, language))
		}
	}
	slices.Sort(codes)
	for _, code := range codes {
		if entry, ok := finding.ExplainIn(language, code); ok {
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{ID: string(code), Name: entry.Reason,
				ShortDescription: sarifMessage{entry.Title + fullStop(language)}, FullDescription: sarifMessage{entry.Meaning},
				Help: sarifMessage{helpText(entry, language)}})
		}
	}
	data, err := json.MarshalIndent(sarifLog{Schema: sarifSchema, Version: "2.1.0", Runs: []sarifRun{run}}, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the output: %w", err)
	}
	_, err = fmt.Fprintf(out, "%s\n", SafeJSON(data))
	return err
}

func helpText(entry finding.Entry, language finding.Language) string {
	switch {
	case entry.Remedy == "" && language == finding.Chinese:
		return "无需处理。"
	case entry.Remedy == "":
		return "Nothing needs to be done."
	case language == finding.Chinese:
		return "处理方法：" + entry.Remedy + fullStop(language)
	}
	return "What to do: " + entry.Remedy + fullStop(language)
}

func fullStop(language finding.Language) string {
	if language == finding.Chinese {
		return "。"
	}
	return "."
}

// newSARIFResult follows SARIF: only a result of kind fail has a level.
func newSARIFResult(result Result, language finding.Language) sarifResult {
	kind, level := "fail", "none"
	switch result.State {
	case Error:
		level = "error"
	case Warning:
		level = "warning"
	case Pass:
		kind = "pass"
		if result.Code != "" {
			kind = "informational"
		}
	case Skipped:
		kind = "notApplicable"
	default:
		kind = "open"
	}
	text := result.Text(language)
	if result.Remedy != "" {
		text += " (" + result.Remedy + ")"
	}
	location := sarifLocation{Logical: []sarifLogical{{Name: result.Object, Kind: "resource"}}}
	if result.File != "" {
		location.Physical = &sarifPhysical{sarifArtifact{strings.TrimPrefix(result.File, "./")}}
	}
	return sarifResult{RuleID: string(result.Code), Kind: kind, Level: level, Message: sarifMessage{text}, Locations: []sarifLocation{location}}
}
