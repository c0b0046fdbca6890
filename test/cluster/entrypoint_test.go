package cluster

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// runEntrypoint runs the entrypoint of the rclone-fuse image with a stand-in for
// rclone, which prints its environment and arguments.
func runEntrypoint(t *testing.T, config string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath("jq"); err != nil {
		t.Skip("jq is not installed")
	}
	dir := t.TempDir()
	stub := "#!/bin/sh\nenv | grep ^RCLONE_CONFIG_ | sort\nfor a; do echo \"<$a>\"; done\n"
	if err := os.WriteFile(filepath.Join(dir, "rclone"), []byte(stub), 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "config.json")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(config, "DIR", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "../../examples/images/rclone-fuse/entrypoint.sh")
	cmd.Env = []string{"PATH=" + dir + ":" + systemPath(), "FLUID_CONFIG=" + path}
	out, err := cmd.CombinedOutput()
	return strings.ReplaceAll(string(out), dir, "DIR"), err
}

func TestEntrypoint(t *testing.T) {
	for name, test := range map[string]struct {
		config string
		want   []string
	}{
		"one mount": {
			`{"mounts":[{"mountPoint":"http://origin/spark/","name":"spark"}],"targetPath":"DIR/thin-fuse","accessModes":["ReadOnlyMany"]}`,
			[]string{"RCLONE_CONFIG_ALL_TYPE=combine", `RCLONE_CONFIG_ALL_UPSTREAMS="spark=m0:"`, "RCLONE_CONFIG_M0_TYPE=http",
				"RCLONE_CONFIG_M0_URL=http://origin/spark/", "<mount>", "<all:>", "<DIR/thin-fuse>", "<--read-only>"},
		},
		"paths, options and characters of the shell": {
			`{"mounts":[{"mountPoint":"https://o/$(x)'","name":"n","path":"/a b","options":{"no-head":true}},
				{"mountPoint":"s3://bucket/dir","name":"b","options":{"type":"s3","access_key_id":"k; exit"}}],"targetPath":"DIR/it's"}`,
			[]string{`RCLONE_CONFIG_ALL_UPSTREAMS="a b=m0:" "b=m1:bucket/dir"`, "RCLONE_CONFIG_M0_URL=https://o/$(x)'",
				"RCLONE_CONFIG_M0_NO_HEAD=true", "RCLONE_CONFIG_M1_TYPE=s3", "RCLONE_CONFIG_M1_ACCESS_KEY_ID=k; exit", "<DIR/it's>", "<--read-only>"},
		},
		"root, writable": {
			`{"mounts":[{"mountPoint":"local:///srv/data","name":"n","path":"/","options":{"type":"local"}}],"targetPath":"DIR/t","accessModes":["ReadWriteMany"]}`,
			[]string{"<m0:/srv/data>", "<DIR/t>", "<--config>"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := runEntrypoint(t, test.config)
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			lines := strings.Split(out, "\n")
			for _, want := range test.want {
				if !slices.Contains(lines, want) {
					t.Errorf("no line %q in:\n%s", want, out)
				}
			}
			if writable := strings.Contains(test.config, "ReadWrite"); writable == slices.Contains(lines, "<--read-only>") {
				t.Errorf("writable: %t, arguments:\n%s", writable, out)
			}
		})
	}
}

func TestEntrypointRefuses(t *testing.T) {
	for want, config := range map[string]string{
		"not a JSON object":          `[]`,
		"is not usable":              `{"mounts":`,
		"no targetPath":              `{"mounts":[{"mountPoint":"http://o/","name":"n"}]}`,
		"no mounts":                  `{"targetPath":"DIR/t","mounts":[]}`,
		"no mountPoint":              `{"targetPath":"DIR/t","mounts":[{"name":"n"}]}`,
		"no path and no name":        `{"targetPath":"DIR/t","mounts":[{"mountPoint":"http://o/"}]}`,
		"the same path":              `{"targetPath":"DIR/t","mounts":[{"mountPoint":"http://o/","name":"n"},{"mountPoint":"http://p/","name":"n"}]}`,
		"one of them has the path /": `{"targetPath":"DIR/t","mounts":[{"mountPoint":"http://o/","name":"n","path":"/"},{"mountPoint":"http://p/","name":"p"}]}`,
		"not the name of one":        `{"targetPath":"DIR/t","mounts":[{"mountPoint":"http://o/","name":"n","path":"/a/b"}]}`,
		"invalid name x;y":           `{"targetPath":"DIR/t","mounts":[{"mountPoint":"http://o/","name":"n","options":{"x;y":"z"}}]}`,
		"the option type":            `{"targetPath":"DIR/t","mounts":[{"mountPoint":"s3://b","name":"n"}]}`,
	} {
		if out, err := runEntrypoint(t, config); err == nil || !strings.Contains(out, want) {
			t.Errorf("%s: error %v, output %q; want one that contains %q", config, err, out, want)
		}
	}
}
