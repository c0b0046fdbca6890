package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// sysctlFile holds the kernel settings of the machine from before its first
// cluster with a node. The last one to be stopped restores them.
const sysctlFile = "/run/kubectl-fluid-sysctls.json"

// changedSysctls returns the kernel settings that kubelet and the CNI plugins
// change, and which they can't be told to leave alone.
func changedSysctls() []string {
	return []string{
		"kernel/keys/root_maxbytes", "kernel/keys/root_maxkeys", "kernel/panic", "kernel/panic_on_oops",
		"net/ipv4/ip_forward", "vm/overcommit_memory", "vm/panic_on_oom",
	}
}

// saveSysctls writes the settings down unless another cluster has. The caller
// holds machineLock.
func saveSysctls() error {
	if _, err := os.Stat(sysctlFile); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	values := map[string]string{}
	for _, name := range changedSysctls() {
		if value, err := os.ReadFile(filepath.Join("/proc/sys", name)); err == nil {
			values[name] = strings.TrimSpace(string(value))
		}
	}
	data, err := json.MarshalIndent(values, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the kernel's settings: %w", err)
	}
	if err := writeFile(sysctlFile, data, 0o600); err != nil {
		return fmt.Errorf("save the kernel's settings: %w", err)
	}
	return nil
}

// restoreSysctls undoes what clusters changed. The caller holds machineLock.
func restoreSysctls() error {
	data, err := os.ReadFile(sysctlFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("restore the kernel's settings: %w", err)
	}
	var values map[string]string
	if err := json.Unmarshal(data, &values); err != nil {
		return fmt.Errorf("restore the kernel's settings from %s: %w; remove the file", sysctlFile, err)
	}
	for name, value := range values {
		path := filepath.Join("/proc/sys", name)
		if have, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(have)) == value {
			continue
		}
		if err := os.WriteFile(path, []byte(value), 0o644); err != nil {
			return fmt.Errorf("restore the kernel's setting %s to %q: %w", name, value, err)
		}
	}
	return os.Remove(sysctlFile)
}
