package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/finding"
)

// The parts of JUnit's XML that CI systems read.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Skipped  int          `xml:"skipped,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name      string        `xml:"name,attr"`
		Class     string        `xml:"classname,attr"`
		File      string        `xml:"file,attr,omitempty"`
		Failure   *junitMessage `xml:"failure,omitempty"`
		Error     *junitMessage `xml:"error,omitempty"`
		Skipped   *junitMessage `xml:"skipped,omitempty"`
		SystemOut string        `xml:"system-out,omitempty"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes a test suite for each group and a test case for each result. What fails by the policy is a failure,
// what couldn't be looked at is an error, as JUnit has it for tests that couldn't run.
func WriteJUnit(out io.Writer, groups []Group, policy Policy, language finding.Language) error {
	suites := junitSuites{Name: "kubectl fluid"}
	for _, group := range groups {
		suite := junitSuite{Name: group.Name}
		for _, result := range group.Results {
			suite.add(newJUnitCase(group.Name, result, policy, language))
		}
		suites.Tests += suite.Tests
		suites.Failures += suite.Failures
		suites.Errors += suite.Errors
		suites.Skipped += suite.Skipped
		suites.Suites = append(suites.Suites, suite)
	}
	data, err := xml.MarshalIndent(suites, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the output: %w", err)
	}
	_, err = fmt.Fprintf(out, "%s%s\n", xml.Header, safeXML(data))
	return err
}

func (s *junitSuite) add(c junitCase) {
	s.Cases = append(s.Cases, c)
	s.Tests++
	switch {
	case c.Failure != nil:
		s.Failures++
	case c.Error != nil:
		s.Errors++
	case c.Skipped != nil:
		s.Skipped++
	}
}

func newJUnitCase(group string, result Result, policy Policy, language finding.Language) junitCase {
	name := result.Object
	if result.Code != "" {
		name = string(result.Code) + " " + result.Reason + ": " + name
	}
	message := &junitMessage{Message: result.Text(language), Type: string(result.Code), Text: result.Remedy}
	c := junitCase{Name: name, Class: group, File: result.File}
	switch {
	case policy.Fails(result.State):
		c.Failure = message
	case result.State == Inconclusive:
		c.Error = message
	case result.State == Skipped:
		c.Skipped = message
	default:
		c.SystemOut = strings.TrimSpace(string(result.State) + ": " + result.Text(language))
	}
	return c
}
