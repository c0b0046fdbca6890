// Package report has what checks report to machines: results with their states, the verdict on them, and the formats
// that other tools read: lines, Markdown, JUnit and SARIF. It knows nothing of clusters.
package report
