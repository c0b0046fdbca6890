package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// record is what a cluster consists of on this machine, as cluster.json holds
// it: all that Teardown needs in order to undo it.
type record struct {
	// Ready is set once Start has succeeded.
	Ready     bool            `json:"ready"`
	Node      bool            `json:"node"`
	Processes []processRecord `json:"processes,omitempty"`
	Network   *podNetwork     `json:"network,omitempty"`
	// MountRoot is a directory outside of the state directory that the cluster made for its mounts, if it made one.
	MountRoot string `json:"mountRoot,omitempty"`
	// Cgroup is the cgroup, relative to each hierarchy's root, of all pods.
	Cgroup string `json:"cgroup,omitempty"`
}

// journal keeps a record in a file, which is replaced atomically at each change.
type journal struct {
	path string
	mu   sync.Mutex
	rec  record
}

func journalPath(stateDir string) string { return filepath.Join(stateDir, "cluster.json") }

func newJournal(stateDir string) *journal { return &journal{path: journalPath(stateDir)} }

// readJournal returns the journal of a state directory. The error is
// fs.ErrNotExist where no cluster was started or it was taken down completely.
func readJournal(stateDir string) (*journal, error) {
	j := newJournal(stateDir)
	data, err := os.ReadFile(j.path)
	if err != nil {
		return nil, fmt.Errorf("read the state of the cluster: %w", err)
	}
	if err := json.Unmarshal(data, &j.rec); err != nil {
		return nil, fmt.Errorf("read the state of the cluster from %s: %w; "+
			"the file was not written by this library or is damaged: end the cluster's processes by hand, then remove the file", j.path, err)
	}
	return j, nil
}

// update changes the record and writes it; what it describes is only done after that.
func (j *journal) update(change func(*record)) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	change(&j.rec)
	data, err := json.MarshalIndent(j.rec, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the state of the cluster: %w", err)
	}
	tmp := j.path + ".tmp"
	if err := os.WriteFile(tmp, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the state of the cluster: %w", err)
	}
	if err := os.Rename(tmp, j.path); err != nil {
		return fmt.Errorf("write the state of the cluster: %w", err)
	}
	return nil
}

// get returns a copy of the record.
func (j *journal) get() record {
	j.mu.Lock()
	defer j.mu.Unlock()
	rec := j.rec
	rec.Processes = append([]processRecord(nil), j.rec.Processes...)
	return rec
}

func (j *journal) remove() error {
	if err := os.Remove(j.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the state of the cluster: %w", err)
	}
	return nil
}
