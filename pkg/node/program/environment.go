//go:build linux

package program

import (
	"os"
	"regexp"
)

// defaultPath is what PATH is where a container has none, as for a shell.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// prependPath lets a client find fusermount in the broker, before the image's own.
func prependPath(broker string) error {
	path := os.Getenv("PATH")
	if path == "" {
		path = defaultPath
	}
	return os.Setenv("PATH", broker+":"+path)
}

// javaOptions has the options of Alluxio's client, with the addresses of several masters.
const javaOptions = "ALLUXIO_JAVA_OPTS"

// completeMasters adds the namespace to the names of Alluxio's masters, which are a prefix and a number: Alluxio's chart
// writes them for their own namespace. They are in values and lists of values, each followed by a port.
func completeMasters(options, prefix, namespace string) string {
	master := regexp.MustCompile(`([=,]` + regexp.QuoteMeta(prefix) + `[0-9]+):`)
	return master.ReplaceAllString(options, "${1}."+namespace+":")
}
