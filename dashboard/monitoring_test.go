package dashboard_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/audit"
	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
	"github.com/sqlwitness/sqlwitness/metrics"
)

// expression is one query, and where it stands.
type expression struct{ where, text string }

type grafanaPanel struct {
	ID          int
	Type, Title string
	Description string
	FieldConfig struct{ Defaults struct{ Unit string } }
	Targets     []struct{ Expr, LegendFormat string }
	GridPos     struct{ X, Y, W, H int }
	Datasource  struct{ UID string }
}

type grafanaBoard struct {
	UID, Title string
	Panels     []grafanaPanel
	Templating struct {
		List []struct{ Name, Type, Definition string }
	}
	Annotations struct{ List []struct{ Name, Expr string } }
}

func board(t *testing.T) (b grafanaBoard) {
	t.Helper()
	text, err := os.ReadFile("grafana/sqlwitness.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b grafanaBoard) expressions() (all []expression) {
	for _, p := range b.Panels {
		for _, q := range p.Targets {
			all = append(all, expression{"panel " + p.Title, q.Expr})
		}
	}
	return all
}

type ruleFile struct {
	Groups []struct {
		Rules []struct {
			Record, Alert, Expr string
			Labels, Annotations map[string]string
		}
	}
}

func rules(t *testing.T, name string) (f ruleFile) {
	t.Helper()
	text, err := os.ReadFile("prometheus/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f ruleFile) expressions() (all []expression) {
	for _, g := range f.Groups {
		for _, r := range g.Rules {
			all = append(all, expression{"rule " + r.Record + r.Alert, r.Expr})
		}
	}
	return all
}

// TestGrafana: what Grafana's and the mixins' linters ask of a dashboard.
func TestGrafana(t *testing.T) {
	b := board(t)
	if b.UID != "sqlwitness" {
		t.Errorf("uid %q", b.UID)
	}
	if v := b.Templating.List; len(v) == 0 || v[0].Name != "datasource" || v[0].Type != "datasource" {
		t.Errorf("the first variable is %+v", v)
	}
	ids := map[int]bool{}
	for _, p := range b.Panels {
		if ids[p.ID] {
			t.Errorf("two panels have id %d", p.ID)
		}
		ids[p.ID] = true
		if p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %q is off the grid", p.Title)
		}
		if p.Type == "row" {
			continue
		}
		if p.Title == "" || p.Description == "" || p.FieldConfig.Defaults.Unit == "" || p.Datasource.UID != "${datasource}" || len(p.Targets) == 0 {
			t.Errorf("panel %q lacks a title, a description, a unit, the data source or a query", p.Title)
		}
		for _, q := range p.Targets {
			if q.LegendFormat == "" || !strings.Contains(q.Expr, `job=~"$job", instance=~"$instance"`) {
				t.Errorf("panel %q: %s has no legend or leaves out the variables", p.Title, q.Expr)
			}
			if strings.Contains(q.Expr, "rate(") && !strings.Contains(q.Expr, "$__rate_interval") {
				t.Errorf("panel %q: %s has an interval of its own", p.Title, q.Expr)
			}
		}
	}
}

// TestAlerts: the conventions of monitoring mixins.
func TestAlerts(t *testing.T) {
	n := 0
	for _, g := range rules(t, "alerts.yaml").Groups {
		for _, r := range g.Rules {
			n++
			if !strings.HasPrefix(r.Alert, "SQLWitness") {
				t.Errorf("alert %q", r.Alert)
			}
			if s := r.Labels["severity"]; s != "critical" && s != "warning" && s != "info" {
				t.Errorf("%s: severity %q", r.Alert, s)
			}
			if s := r.Annotations["summary"]; !strings.HasSuffix(s, ".") || strings.Contains(s, "{{") || r.Annotations["description"] == "" {
				t.Errorf("%s: a summary is a sentence without templates, and there is a description", r.Alert)
			}
			page, ok := strings.CutPrefix(r.Annotations["runbook_url"], "https://github.com/sqlwitness/sqlwitness/blob/main/docs/runbooks/")
			if !ok || !runbooks[strings.TrimSuffix(page, ".md")] {
				t.Errorf("%s: runbook %q", r.Alert, r.Annotations["runbook_url"])
			}
		}
	}
	if n == 0 {
		t.Error("there are no alerts")
	}
}

// runbooks are the rules that have a page in docs/runbooks.
var runbooks = map[string]bool{
	"migration_failed": true, "migration_interrupted": true, "dirty_state": true, "lock_wait": true, "lock_pileup": true, "lock_timeout": true, "deadlock": true,
	"statement_timeout": true, "stalled": true, "audit_failure": true, "out_of_band": true, "cannot_observe": true, "delivery_failing": true,
}

var (
	quoted   = regexp.MustCompile(`"(\\.|[^"\\])*"`)
	selector = regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)\s*\{([^{}]*)\}|((?:sqlwitness|db_client)_[a-z_]+)`)
	matcher  = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!=|!~|=)`)
	grouping = regexp.MustCompile(`\b(?:by|on|ignoring)\s*\(([^)]*)\)`)
)

// TestNames: every metric and every label that a panel or a rule asks for is one
// that docs/metrics.md has.
func TestNames(t *testing.T) {
	documented := metricsInDocs(t)
	recorded := rules(t, "rules.yaml")
	all := append(board(t).expressions(), recorded.expressions()...)
	all = append(all, rules(t, "alerts.yaml").expressions()...)
	b := board(t)
	for _, a := range b.Annotations.List {
		all = append(all, expression{"annotation " + a.Name, a.Expr})
	}
	for _, v := range b.Templating.List {
		if v.Definition != "" {
			all = append(all, expression{"variable " + v.Name, v.Definition})
		}
	}
	own := map[string]bool{}
	for _, g := range recorded.Groups {
		for _, r := range g.Rules {
			own[r.Record] = true
		}
	}
	for _, e := range all {
		labels := map[string]bool{"job": true, "instance": true}
		bare := quoted.ReplaceAllString(e.text, `""`)
		for _, m := range selector.FindAllStringSubmatch(bare, -1) {
			name := m[1] + m[3]
			if own[name] {
				labels["phase"], labels["db_namespace"], labels["kind"] = true, true, true
				continue
			}
			f, ok := documented[name]
			if !ok {
				t.Errorf("%s asks for %s, which docs/metrics.md does not have", e.where, name)
				continue
			}
			for l := range f.labels {
				labels[l] = true
			}
			for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
				if !f.labels[l[1]] && l[1] != "job" && l[1] != "instance" {
					t.Errorf("%s asks for the label %s of %s, which has none of that name", e.where, l[1], name)
				}
			}
		}
		for _, m := range grouping.FindAllStringSubmatch(bare, -1) {
			for l := range strings.SplitSeq(m[1], ",") {
				if l = strings.TrimSpace(l); l != "" && !labels[l] {
					t.Errorf("%s groups by %s, which its metrics do not have", e.where, l)
				}
			}
		}
	}
}

type documentedMetric struct {
	name   string
	labels map[string]bool
}

// metricsInDocs reads the table of docs/metrics.md, by the names of the series.
func metricsInDocs(t *testing.T) map[string]documentedMetric {
	t.Helper()
	text, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]documentedMetric{}
	table, _, _ := strings.Cut(string(text), "\n## ")
	for line := range strings.Lines(table) {
		cells := strings.Split(line, " | ")
		if !strings.HasPrefix(line, "| `") || len(cells) < 4 {
			continue
		}
		m := documentedMetric{name: strings.Trim(cells[0], "| `"), labels: map[string]bool{}}
		for _, l := range strings.Fields(strings.ReplaceAll(cells[2], "`", " ")) {
			m.labels[l] = true
		}
		if cells[1] != "histogram" {
			found[m.name] = m
			continue
		}
		m.labels["le"] = true
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			found[m.name+suffix] = m
		}
	}
	if len(found) < 30 {
		t.Fatalf("docs/metrics.md has only %d series", len(found))
	}
	return found
}

func program(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s IS NOT INSTALLED: apt-get install prometheus", strings.ToUpper(name))
	}
	return path
}

// TestPromtool: the rules parse, and do what prometheus/rules_test.yaml says.
func TestPromtool(t *testing.T) {
	promtool := program(t, "promtool")
	for _, args := range [][]string{{"check", "rules", "rules.yaml", "alerts.yaml"}, {"test", "rules", "rules_test.yaml"}} {
		cmd := exec.Command(promtool, args...)
		cmd.Dir = "prometheus"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	text, err := os.ReadFile("prometheus/rules_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range rules(t, "alerts.yaml").Groups {
		for _, r := range g.Rules {
			if !strings.Contains(string(text), r.Alert+"\n") {
				t.Errorf("rules_test.yaml does not test %s", r.Alert)
			}
		}
	}
}

// TestPrometheus scrapes a witness with a Prometheus of its own, and asks it
// every question of the dashboard and every recording rule: each has an answer.
// What a healthy witness has nothing to say of (alerts, findings, dropped events)
// comes from a second target that counts some of everything.
func TestPrometheus(t *testing.T) {
	prometheus := program(t, "prometheus")
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	w, stop := busyWitness(t)
	defer stop()
	some := metrics.New(metrics.Config{Version: "v0.0.0"})
	defer some.Pool("shop", func() sql.DBStats {
		return sql.DBStats{MaxOpenConnections: 4, InUse: 4, WaitCount: 1, WaitDuration: time.Second}
	})()
	go repeatedly(t, func() { everything(some) })
	mux := http.NewServeMux()
	mux.Handle("/witness/", http.StripPrefix("/witness", w.Handler()))
	mux.HandleFunc("/some/metrics", func(out http.ResponseWriter, _ *http.Request) { some.WritePrometheus(out) })
	target := httptest.NewServer(mux)
	defer target.Close()

	api := startPrometheus(t, prometheus, strings.TrimPrefix(target.URL, "http://"))
	wanted := append(board(t).expressions(), rules(t, "rules.yaml").expressions()...)
	fill := strings.NewReplacer("$__rate_interval", "10s", "$__range", "1m", "$job", ".*", "$instance", ".*", "$db", ".*", "[5m]", "[10s]", "[15m]", "[10s]", "[1h]", "[10s]")
	ofWitness := []string{"db_client_operation_duration_seconds_count", "sqlwitness_migrations_total", "sqlwitness_lock_wait_seconds_count", "sqlwitness_overhead_seconds_count"}
	deadline := time.Now().Add(40 * time.Second)
	for {
		var without []string
		for _, e := range wanted {
			if err := api.answers(fill.Replace(e.text)); err != nil {
				without = append(without, fmt.Sprintf("%s: %v: %s", e.where, err, e.text))
			}
		}
		for _, name := range ofWitness { // one statement in 256 has its overhead measured
			if err := api.answers(name + `{job="witness"}`); err != nil {
				without = append(without, fmt.Sprintf("the witness itself: %s: %v", name, err))
			}
		}
		if len(without) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d expressions have no answer:\n%s", len(without), len(wanted), strings.Join(without, "\n"))
		}
		<-time.After(time.Second)
	}
	t.Logf("all %d expressions have an answer", len(wanted))
	var loaded struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
	}
	if err := api.get("/api/v1/rules", &loaded); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, g := range loaded.Data.Groups {
		for _, r := range g.Rules {
			if n++; r.Health == "err" {
				t.Errorf("rule %s: %s", r.Name, r.LastError)
			}
		}
	}
	if want := len(rules(t, "rules.yaml").expressions()) + len(rules(t, "alerts.yaml").expressions()); n != want {
		t.Errorf("%d rules are loaded, want %d", n, want)
	}
}

// busyWitness is a witness whose database is migrated by hand, and used, until
// stop.
func busyWitness(t *testing.T) (*sqlwitness.Witness, func()) {
	t.Helper()
	w, err := sqlwitness.New(sqlwitness.Config{LogLevel: "off", Audit: audit.Config{Mode: audit.BestEffort}})
	if err != nil {
		t.Fatal(err)
	}
	dsn := testdb.PostgreSQL(t)
	db, err := w.Open("postgres", dsn)
	if err != nil {
		t.Fatal(err)
	}
	exec := func(statements ...string) {
		for _, s := range statements {
			if _, err := db.ExecContext(t.Context(), s); err != nil && !strings.Contains(s, "nowhere") && t.Context().Err() == nil {
				t.Errorf("%s: %v", s, err)
			}
		}
	}
	exec("CREATE TABLE goose_db_version (id serial PRIMARY KEY, version_id bigint NOT NULL, is_applied boolean NOT NULL, tstamp timestamp NOT NULL DEFAULT now())")
	done := make(chan struct{})
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		for n := 1; ; n++ {
			select {
			case <-done:
				return
			case <-time.After(50 * time.Millisecond):
			}
			var locked bool
			conn, err := db.Conn(t.Context())
			if err != nil {
				return
			}
			_ = conn.QueryRowContext(t.Context(), "SELECT pg_try_advisory_lock($1)", 7).Scan(&locked)
			for _, s := range []string{"SELECT version_id, is_applied FROM goose_db_version ORDER BY id DESC", fmt.Sprintf("CREATE TABLE t%d (id int)", n), fmt.Sprintf("INSERT INTO goose_db_version (version_id, is_applied) VALUES (%d, true)", n)} {
				_, _ = conn.ExecContext(t.Context(), s)
			}
			_ = conn.QueryRowContext(t.Context(), "SELECT pg_advisory_unlock($1)", 7).Scan(&locked)
			_ = conn.Close()
			exec("SELECT * FROM nowhere", fmt.Sprintf("INSERT INTO t%d VALUES (1)", n), fmt.Sprintf("SELECT id FROM t%d", n))
		}
	}()
	return w, func() {
		close(done)
		<-finished
		_ = db.Close()
		_ = w.Close(t.Context())
	}
}

func repeatedly(t *testing.T, what func()) {
	for t.Context().Err() == nil {
		what()
		select {
		case <-t.Context().Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// everything counts one of each.
func everything(s *metrics.Set) {
	c := s.Connector(event.Database{System: "postgresql", Name: "shop"})
	for _, phase := range []metrics.Phase{metrics.Steady, metrics.Migrating} {
		c.Operation("SELECT", phase).ObserveOn(1, 3e6)
		c.Began(1, phase, 1e5, nil)
		c.Ended(1, phase, metrics.Committed, 1e5, 1e6, nil)
	}
	c.Failed("SELECT", metrics.Steady, "57014", 1e6)
	c.Connected(1e6, nil)
	c.Counted(1, 1, 1, 1)
	s.CacheMisses(metrics.CacheStatementClass).Inc()
	s.Overhead(80)
	s.Retried("deadlock", 1, time.Second)
	s.Error("sink")
	s.AuditEntries("spool", 1)
	s.Trouble(&event.Trouble{Part: "audit", Kind: "outcome"})
	s.Statement(&event.Statement{Slow: true, Class: "read"})
	s.Lock(&event.Lock{Stage: event.LockAcquired, Kind: "advisory", Outcome: "acquired", Wait: time.Second, Attempts: 2})
	s.Lock(&event.Lock{Stage: event.LockReleased, Kind: "advisory", Outcome: "released", Hold: time.Second})
	s.Lock(&event.Lock{Stage: event.LockAnomaly, Kind: "advisory", Anomaly: "unlock_refused"})
	s.Migration(&event.Migration{Tool: "goose", Direction: event.Up, Outcome: event.Failed, Duration: time.Second, ErrorClass: event.ClassLockTimeout})
	s.Run(&event.Run{Tool: "goose", Finished: true, Outcome: "failed"})
	s.Finding(&event.Finding{Kind: "invalid_index"})
	s.Alert(&event.Alert{Rule: "lock_pileup", Severity: event.Critical, State: event.Firing})
	s.ColdStart(&event.ColdStart{Total: time.Second, Apply: time.Second})
	s.Resources(&event.Resources{Database: event.Database{System: "postgresql", Name: "shop"}, WALBytes: new(int64(1 << 20)), SizeAfter: new(int64(1 << 30))})
	s.Impact(&event.Impact{Database: event.Database{System: "postgresql", Name: "shop"}, Unanswered: 1, Before: event.Latency{P99: 1, Rate: 100}, During: event.Latency{P99: 3, Rate: 34}})
	s.Trend(&event.Trend{Database: event.Database{System: "postgresql", Name: "shop"}, Slower: []event.Slower{{Version: "1"}}})
	s.Look(&event.Look{ConnID: 1, Age: time.Duration(time.Now().UnixNano()), Picture: &event.Picture{Queue: 1, QueueTime: time.Second}})
	s.AlertsDropped("slack", "rejected", 1)
	s.AuditLag(func() time.Duration { return time.Second }, func() time.Duration { return time.Second })
	s.Dropped("log", dropped)
}

// dropped grows by itself.
func dropped() uint64 { return uint64(time.Now().UnixMilli()) }

type prometheusAPI struct{ url string }

func startPrometheus(t *testing.T, program, target string) prometheusAPI {
	t.Helper()
	dir := t.TempDir()
	here, err := filepath.Abs("prometheus")
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(`global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [%[2]s/rules.yaml, %[2]s/alerts.yaml]
scrape_configs:
  - {job_name: witness, metrics_path: /witness/metrics, static_configs: [{targets: ["%[1]s"]}]}
  - {job_name: some, metrics_path: /some/metrics, static_configs: [{targets: ["%[1]s"]}]}
`, target, here)
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	cmd := exec.CommandContext(t.Context(), program, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if text, err := os.ReadFile(log.Name()); t.Failed() && err == nil {
			t.Logf("prometheus says:\n%s", text[max(0, len(text)-3000):])
		}
	})
	return prometheusAPI{"http://" + addr}
}

func (p prometheusAPI) get(path string, to any) error {
	r, err := http.Get(p.url + path)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	return json.NewDecoder(r.Body).Decode(to)
}

// answers asks for a result that is not empty.
func (p prometheusAPI) answers(expr string) error {
	var got struct {
		Status, Error string
		Data          struct{ Result []any }
	}
	if err := p.get("/api/v1/query?query="+url.QueryEscape(expr), &got); err != nil {
		return err
	}
	if got.Status != "success" {
		return errors.New(got.Error)
	}
	if len(got.Data.Result) == 0 {
		return errors.New("no data")
	}
	return nil
}
