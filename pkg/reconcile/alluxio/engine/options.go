package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// property is a word of a JVM's command line that sets a property of Alluxio.
func property(name, value string) string { return "-D" + name + "=" + value }

// properties returns them sorted by name.
func properties(values map[string]string) []string {
	var options []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		options = append(options, property(name, values[name]))
	}
	return options
}

// checkProperties says which properties can't be words of a command line that a shell reads once.
func checkProperties(field string, values map[string]string) []string {
	var problems []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if name == "" || strings.ContainsAny(name+values[name], unwordly+" \t\r\n") || strings.Contains(name, "=") {
			problems = append(problems, fmt.Sprintf("%s[%q] has a blank, a quote, $, ` or \\, which Alluxio's start script would read as its own", field, name))
		}
	}
	return problems
}

// checkOptions says which of a JVM's options can't be on that line. One text may hold several options.
func checkOptions(field string, options []string) []string {
	var problems []string
	for i, option := range options {
		if strings.ContainsAny(option, unwordly+"\r\n") {
			problems = append(problems, fmt.Sprintf("%s[%d] has a quote, $, ` or \\, which Alluxio's start script would read as its own", field, i))
		}
	}
	return problems
}

// unwordly are the characters that mean something to a shell between double quotes, or end them.
const unwordly = "\"'$`\\"

// jvmMemory is how much a process may use.
type jvmMemory struct{ heap, direct int64 }

const mebibyte = int64(1) << 20

// within derives heap and direct memory from a container's memory limit: a half and a quarter of what is left of it. The
// rest is for the JVM's own structures, threads and RocksDB.
func (m jvmMemory) within(resources corev1.ResourceRequirements, taken int64) jvmMemory {
	limit, limited := resources.Limits[corev1.ResourceMemory]
	if !limited {
		return m
	}
	left := limit.Value() - taken
	derived := jvmMemory{heap: left / 2}
	if m.direct > 0 {
		derived.direct = left / 4
	}
	return derived
}

// leastHeap is what no process of Alluxio starts without.
const leastHeap = 64 * mebibyte

// options of the JVM, without those that the user gives.
func (m jvmMemory) options(given []string) []string {
	var options []string
	text := strings.Join(given, " ")
	if !strings.Contains(text, "-Xmx") {
		options = append(options, fmt.Sprintf("-Xmx%dm", m.heap/mebibyte))
	}
	if m.direct > 0 && !strings.Contains(text, "-XX:MaxDirectMemorySize") {
		options = append(options, fmt.Sprintf("-XX:MaxDirectMemorySize=%dm", m.direct/mebibyte))
	}
	return options
}

// memoryWithoutLimit is what processes of a role get whose containers have no memory limit: what they were seen to need, and
// some more.
func memoryWithoutLimit(container string) jvmMemory {
	switch container {
	case containerMaster:
		return jvmMemory{heap: 768 * mebibyte}
	case containerWorker, containerFuse:
		return jvmMemory{heap: 512 * mebibyte, direct: 512 * mebibyte}
	}
	return jvmMemory{heap: 256 * mebibyte}
}

// line joins the words of a value in the ConfigMap; as with Fluid v1.0.8 it ends with a blank.
func line(words ...[]string) string { return strings.Join(slices.Concat(words...), " ") + " " }
