// Package gotemplate executes the templates of text/template on JSON values, as kubectl's -o go-template does.
//
// text/template looks up methods by names that it reads from the template. A program that can do that has to keep every
// exported method of every type, which for Kubernetes' types is 9 MB, a quarter of this one. JSON values have no methods:
// here the parser is text/template's, and the rest does without reflection. A test compares it with text/template.
package gotemplate
