package manifests

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// TestMonitoringOpensTheMetrics renders the optional component with the installation.
func TestMonitoringOpensTheMetrics(t *testing.T) {
	text := render(t, "../hack/release/manifests/testdata/monitoring", "x")
	for _, want := range []string{"kind: PodMonitor\n", "- port: webhook\n      protocol: TCP\n    - port: health\n      protocol: TCP\n    - port: metrics\n      protocol: TCP\n", "grafana_dashboard: \"1\"", "name: kubectl-fluid-dashboard\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("the component renders no %q", want)
		}
	}
	if plain := render(t, "default", "x"); strings.Contains(plain, "PodMonitor") || strings.Contains(plain, "- port: metrics\n") {
		t.Error("without the component, there is a PodMonitor, or metrics are open")
	}
}

// TestDashboardShowsMetricsThatExist: each metric of ours that the dashboard asks for is one that the source registers,
// and the others are those of controller-runtime, client-go and Prometheus's client.
func TestDashboardShowsMetricsThatExist(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(source, "config/components/monitoring/dashboard.json"))
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(data, &dashboard); err != nil {
		t.Fatal(err)
	}
	known := metricsOfOurs(t, "controller_runtime_reconcile_total", "workqueue_depth", "rest_client_requests_total", "process_resident_memory_bytes")
	metric := regexp.MustCompile(`([a-z_]+)\{`)
	shown := 0
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			for _, match := range metric.FindAllStringSubmatch(target.Expr, -1) {
				shown++
				if !slices.Contains(known, strings.TrimSuffix(match[1], "_bucket")) {
					t.Errorf("panel %q shows %s, which nothing registers", panel.Title, match[1])
				}
			}
		}
	}
	if shown < 8 {
		t.Errorf("the dashboard shows %d metrics", shown)
	}
}

// metricsOfOurs returns the metrics that the source registers, and others that are known.
func metricsOfOurs(t *testing.T, known ...string) []string {
	t.Helper()
	listed, err := exec.CommandContext(t.Context(), "grep", "-rhoE", `"kubectl_fluid_[a-z_]+"`, filepath.Join(source, "pkg"), filepath.Join(source, "cmd"), "--include=*.go").Output()
	if err != nil {
		t.Fatalf("looking for metrics in the source: %v", err)
	}
	for name := range strings.Lines(string(listed)) {
		known = append(known, strings.Trim(strings.TrimSpace(name), `"`))
	}
	return known
}

// TestAlertsAskForMetricsThatExist: the rules in docs/operations.md are YAML, each with a name and an expression over
// metrics that the source registers, or that the API server has.
func TestAlertsAskForMetricsThatExist(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(source, "docs/operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "```yaml\n")
	text, _, _ = strings.Cut(text, "```")
	var rules struct {
		Groups []struct {
			Name  string
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.UnmarshalStrict([]byte(text), &rules); err != nil || len(rules.Groups) != 1 || len(rules.Groups[0].Rules) < 5 {
		t.Fatalf("the rules are %+v, %v", rules, err)
	}
	known := metricsOfOurs(t, "apiserver_admission_webhook_rejection_count", "apiserver_admission_webhook_fail_open_count")
	metric := regexp.MustCompile(`[a-z]+(_[a-z]+){2,}`)
	for _, rule := range rules.Groups[0].Rules {
		names := metric.FindAllString(regexp.MustCompile(`"[^"]*"`).ReplaceAllString(rule.Expr, ""), -1)
		if rule.Alert == "" || len(names) == 0 {
			t.Errorf("the rule %q asks for nothing: %s", rule.Alert, rule.Expr)
		}
		for _, name := range names {
			if !slices.Contains(known, strings.TrimSuffix(name, "_bucket")) {
				t.Errorf("the rule %s asks for %s, which nothing registers", rule.Alert, name)
			}
		}
	}
}
