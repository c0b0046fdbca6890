package alluxio

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/reconcile/alluxio/engine"
)

// Limits of questions to a master.
const (
	// askTimeout bounds one question.
	askTimeout = 5 * time.Second
	// mostAnswer bounds an answer: a master's has its whole configuration, about 200 KB.
	mostAnswer = 8 << 20
)

// Asker asks masters. It is safe for concurrent use.
type Asker struct {
	client *http.Client
	port   int
}

// NewAsker returns an Asker for masters in a container network, or on another port in tests.
func NewAsker(port int) *Asker {
	if port == 0 {
		port = engine.PortMasterWeb
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
func (a *Asker) Ask(ctx context.Context, masters []string) (*engine.MasterInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	err := fmt.Errorf("there is no master to ask")
	for _, master := range masters {
		var info *engine.MasterInfo
		if info, err = a.ask(ctx, master); err == nil {
			return info, nil
		}
	}
	return nil, err
}

func (a *Asker) ask(ctx context.Context, master string) (*engine.MasterInfo, error) {
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
	info := &engine.MasterInfo{}
	if err := json.NewDecoder(io.LimitReader(response.Body, mostAnswer)).Decode(info); err != nil {
		return nil, fmt.Errorf("reading the answer of the master at %s: %w", master, err)
	}
	if info.MountPoints == nil {
		return nil, fmt.Errorf("the answer of the master at %s has no mountPoints", master)
	}
	return info, nil
}
