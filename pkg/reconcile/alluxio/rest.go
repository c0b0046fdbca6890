package alluxio

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Limits of questions to a master.
const (
	// askTimeout bounds one question.
	askTimeout = 5 * time.Second
	// mostAnswer bounds an answer: a master's has its whole configuration, about 200 KB.
	mostAnswer = 8 << 20
)

// MasterInfo is what a master says of itself and its workers (GET /api/v1/master/info, Alluxio 2.9). It says more.
type MasterInfo struct {
	Capacity     Space                 `json:"capacity"`
	TierCapacity map[string]Space      `json:"tierCapacity"`
	Metrics      map[string]int64      `json:"metrics"`
	MountPoints  map[string]MountPoint `json:"mountPoints"`
	Workers      []WorkerInfo          `json:"workers"`
	LostWorkers  []WorkerInfo          `json:"lostWorkers"`
	StartTimeMs  int64                 `json:"startTimeMs"`
	Version      string                `json:"version"`
}

// Space is in bytes.
type Space struct {
	Total int64 `json:"total"`
	Used  int64 `json:"used"`
}

// MountPoint is one mount as a master has it. Values of options that are credentials are masked by Alluxio.
type MountPoint struct {
	UfsURI     string            `json:"ufsUri"`
	ReadOnly   bool              `json:"readOnly"`
	Properties map[string]string `json:"properties"`
}

// WorkerInfo is one worker as a master knows it.
type WorkerInfo struct {
	Address struct {
		Host string `json:"host"`
	} `json:"address"`
	State         string `json:"state"`
	CapacityBytes int64  `json:"capacityBytes"`
	UsedBytes     int64  `json:"usedBytes"`
}

// Asker asks masters. It is safe for concurrent use.
type Asker struct {
	client *http.Client
	port   int
}

// NewAsker returns an Asker for masters in a container network, or on another port in tests.
func NewAsker(port int) *Asker {
	if port == 0 {
		port = portMasterWeb
	}
	return &Asker{port: port, client: &http.Client{
		Timeout:       askTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		// Masters are replaced: a kept connection would be to one that is gone. No proxy is asked for a pod.
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{Timeout: askTimeout}).DialContext},
	}}
}

// Ask asks the masters at some addresses, one after the other, and returns the first answer: of several only the leader gives
// one.
func (a *Asker) Ask(ctx context.Context, masters []string) (*MasterInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	err := fmt.Errorf("there is no master to ask")
	for _, master := range masters {
		var info *MasterInfo
		if info, err = a.ask(ctx, master); err == nil {
			return info, nil
		}
	}
	return nil, err
}

func (a *Asker) ask(ctx context.Context, master string) (*MasterInfo, error) {
	url := "http://" + net.JoinHostPort(master, strconv.Itoa(a.port)) + "/api/v1/master/info"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("asking the master at %s: %w", master, err)
	}
	response, err := a.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking the master at %s: %w", master, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("asking the master at %s: it answered %s", master, response.Status)
	}
	info := &MasterInfo{}
	if err := json.NewDecoder(io.LimitReader(response.Body, mostAnswer)).Decode(info); err != nil {
		return nil, fmt.Errorf("reading the answer of the master at %s: %w", master, err)
	}
	if info.MountPoints == nil {
		return nil, fmt.Errorf("the answer of the master at %s has no mountPoints", master)
	}
	return info, nil
}

// reverseSorted returns the paths of a mount table, the innermost before what they are within.
func reverseSorted(table map[string]MountPoint) []string {
	paths := slices.Sorted(maps.Keys(table))
	slices.Reverse(paths)
	return paths
}
