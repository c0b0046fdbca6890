package plugin

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/kubectl-fluid/kubectl-fluid/pkg/plugin/internal/cluster"
)

// guardedKubeconfig is kubectl's flags with a dialer that only lets the API server be called.
type guardedKubeconfig struct {
	recordingKubeconfig
	t *testing.T
}

func (g guardedKubeconfig) RESTConfig() (*rest.Config, error) {
	config, err := g.recordingKubeconfig.RESTConfig()
	if err != nil {
		return nil, err
	}
	server, err := url.Parse(config.Host)
	if err != nil {
		return nil, err
	}
	config.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if address != server.Host {
			g.t.Errorf("%s was called, and the API server is %s", address, server.Host)
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	return config, nil
}

// refuseOtherTransports lets every request fail the test that isn't made with the API server's transport.
func refuseOtherTransports(t *testing.T) {
	t.Helper()
	standard := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = standard })
	http.DefaultTransport = roundTripper(func(request *http.Request) (*http.Response, error) {
		t.Errorf("%s was called without the API server's transport", request.URL)
		return nil, http.ErrUseLastResponse
	})
}

// TestRealBudgets counts the requests of commands against a real API server, exactly, and refuses all others: no
// discovery, nothing twice, nobody but the API server.
func TestRealBudgets(t *testing.T) {
	refuseOtherTransports(t)
	r := newRealCluster(t)
	r.put(t, "budgets", "alluxio.yaml", "thin.yaml", "budgets.yaml")
	for command, budget := range map[string]struct{ want, most int }{
		"ref list -n budgets":                                        {1, 3},
		"ref list -A --from default/phy":                             {1, 3},
		"inspect sidecar injected -n budgets":                        {8, 8},
		"inspect sidecar not-injected -n budgets":                    {8, 8},
		"ref check demo -n budgets":                                  {22, 25},
		"ref check demo -n budgets --mirror-names=source":            {23, 25},
		"ref check --from default/nfs --name new -n budgets":         {25, 25},
		"ref check --from default/phy --name new -n budgets -o json": {22, 25},
		"ref check -f testdata/manifests --offline":                  {0, 0},
		"inspect sidecar -f testdata/workloads.yaml --offline":       {0, 0},
		"inspect dataset -f testdata/manifests --offline":            {0, 0},
		"inject -f testdata/inject/app.yaml -n ref --offline --objects testdata/alluxio.yaml --objects testdata/references.yaml": {0, 0},
		"explain":          {0, 0},
		"version --client": {0, 0},
	} {
		t.Run(command, func(t *testing.T) {
			rec := &recorder{}
			res := run(t.Context(), func(kubeconfig Kubeconfig) Connection {
				return cluster.NewConnection(guardedKubeconfig{recordingKubeconfig{kubeconfig, rec}, t}, "v1.2.3", t.Output())
			}, command+" --kubeconfig "+r.kubeconfig)
			if res.code == ExitUsage || res.code == ExitFailed {
				t.Fatal(res.text())
			}
			if len(rec.requests) != budget.want || len(rec.requests) > budget.most {
				t.Errorf("%d requests, want %d and at most %d:\n%s", len(rec.requests), budget.want, budget.most, strings.Join(rec.requests, "\n"))
			}
			sorted := slices.Sorted(slices.Values(rec.requests))
			if len(slices.Compact(sorted)) != len(rec.requests) {
				t.Errorf("something was asked for twice:\n%s", strings.Join(rec.requests, "\n"))
			}
			for _, request := range rec.requests {
				if regexp.MustCompile(`^GET /(api|apis)(/[^/]+)?(/v[^/]+)?/?(\?.*)?$`).MatchString(request) {
					t.Errorf("discovery: %s", request)
				}
			}
		})
	}
}
