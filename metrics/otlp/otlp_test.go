package otlp

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr/funcr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	collector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	pb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"
	_ "modernc.org/sqlite"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

// collected is what an OTLP collector has been sent.
type collected struct {
	mu       sync.Mutex
	services []string
	metrics  map[string]*pb.Metric // the latest by name
	auth     string
}

// collect starts a collector, which the environment then points to.
func collect(t *testing.T) *collected {
	t.Helper()
	c := &collected{metrics: map[string]*pb.Metric{}}
	srv := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var sent collector.ExportMetricsServiceRequest
		if err := proto.Unmarshal(body, &sent); err != nil || r.URL.Path != "/v1/metrics" {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.auth = r.Header.Get("Authorization")
		for _, of := range sent.GetResourceMetrics() {
			for _, a := range of.GetResource().GetAttributes() {
				if a.GetKey() == "service.name" {
					c.services = append(c.services, a.GetValue().GetStringValue())
				}
			}
			for _, scope := range of.GetScopeMetrics() {
				for _, m := range scope.GetMetrics() {
					c.metrics[m.GetName()] = m
				}
			}
		}
	}))
	t.Cleanup(srv.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", srv.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Bearer%20key")
	t.Setenv("OTEL_SERVICE_NAME", "shop")
	return c
}

func newWitness(t *testing.T) *sqlwitness.Witness {
	t.Helper()
	cfg := sqlwitness.Config{LogOutput: io.Discard}
	cfg.Audit.Spool = t.TempDir() + "/spool.jsonl"
	w, err := sqlwitness.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestShortJob: a job that migrates and ends long before the first interval has
// all that it counted in the collector.
func TestShortJob(t *testing.T) {
	got := collect(t)
	w := newWitness(t)
	shutdown, err := New(t.Context(), w, Config{})
	if err != nil {
		t.Fatal(err)
	}
	db, err := w.Open("sqlite", testdb.SQLite(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"CREATE TABLE goose_db_version (id integer primary key, version_id bigint, is_applied boolean)",
		"CREATE TABLE users (id int)",
		"INSERT INTO goose_db_version (version_id, is_applied) VALUES (1, true)",
	} {
		if _, err := db.ExecContext(t.Context(), text); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(got.metrics) > 0 {
		t.Fatal("the interval is over already")
	}
	if err := shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}

	if len(got.services) != 1 || got.services[0] != "shop" || got.auth != "Bearer key" {
		t.Errorf("sent for %v with %q", got.services, got.auth)
	}
	runs := got.metrics["sqlwitness_runs_total"].GetSum()
	if !runs.GetIsMonotonic() || len(runs.GetDataPoints()) != 1 || runs.GetDataPoints()[0].GetAsDouble() != 1 {
		t.Errorf("runs: %v", runs)
	}
	calls := got.metrics["db_client_operation_duration_seconds"].GetHistogram()
	created := uint64(0)
	for _, p := range calls.GetDataPoints() {
		for _, a := range p.GetAttributes() {
			if a.GetKey() == "db_operation_name" && a.GetValue().GetStringValue() == "CREATE TABLE" {
				created += p.GetCount()
				if len(p.GetExplicitBounds()) != 9 || len(p.GetBucketCounts()) != 10 {
					t.Errorf("buckets: %v", p)
				}
			}
		}
	}
	if created != 2 {
		t.Errorf("CREATE TABLE was observed %d times: %v", created, calls)
	}
}

// broken is a source of something else.
type broken struct{}

func (broken) WritePrometheus(w io.Writer) { _, _ = io.WriteString(w, "<html>") }

func TestNew(t *testing.T) {
	if _, err := New(t.Context(), nil, Config{}); err == nil || !strings.Contains(err.Error(), "nil") {
		t.Errorf("of no witness: %v", err)
	}
	if _, err := New(t.Context(), broken{}, Config{}); err == nil {
		t.Error("what does not parse is taken")
	}
	w := newWitness(t)
	defer w.Close(t.Context())
	const endpoint, protocol, ofMetrics = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL"
	for name, c := range map[string]struct {
		env   map[string]string
		wrong string
	}{
		"as it is":            {nil, ""},
		"the one protocol":    {map[string]string{protocol: "http/protobuf"}, ""},
		"gRPC for the others": {map[string]string{protocol: "grpc", ofMetrics: "http/protobuf"}, ""},
		"gRPC":                {map[string]string{protocol: "grpc"}, protocol + ` is "grpc"`},
		"JSON":                {map[string]string{ofMetrics: "http/json"}, ofMetrics + ` is "http/json"`},
		"no scheme":           {map[string]string{endpoint: "collector:4318"}, endpoint + " is no URL"},
		"no URL":              {map[string]string{endpoint: "http://user:hunter2@[::1"}, endpoint + " is no URL"},
		"no host":             {map[string]string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http:///v1/metrics"}, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT is no URL"},
	} {
		t.Run(name, func(t *testing.T) {
			got := collect(t)
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			shutdown, err := New(t.Context(), w, Config{})
			if c.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), c.wrong) || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := shutdown(t.Context()); err != nil || len(got.metrics) == 0 {
				t.Errorf("%d metrics arrived: %v", len(got.metrics), err)
			}
		})
	}
}

// TestNoSecretIsLogged: OpenTelemetry logs what it cannot read of the environment,
// of all signals' variables too where those of the metrics are set.
func TestNoSecretIsLogged(t *testing.T) {
	var logged strings.Builder
	otel.SetLogger(funcr.New(func(prefix, args string) { logged.WriteString(prefix + args) }, funcr.Options{}))
	w := newWitness(t)
	defer w.Close(t.Context())
	const headers, ofMetrics = "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_METRICS_HEADERS"
	for name, c := range map[string]struct{ variable, value string }{
		"no name":           {headers, "hunter2"},
		"no header's name":  {ofMetrics, "Bearer hunter2=x"},
		"not escaped":       {headers, "Authorization=100%hunter2"},
		"of the other ones": {"OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:hunter2@[::1"},
	} {
		t.Run(name, func(t *testing.T) {
			collect(t)
			t.Setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT"))
			t.Setenv(ofMetrics, "X-Scope=a,")
			t.Setenv(c.variable, c.value)
			_, err := New(t.Context(), w, Config{})
			if err == nil || !strings.Contains(err.Error(), c.variable) || strings.Contains(err.Error()+logged.String(), "hunter2") {
				t.Errorf("error %v, logged %s", err, logged.String())
			}
		})
	}
}

// TestCollectorOutOfReach: shutdown says so, and waits no longer than it may.
func TestCollectorOutOfReach(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) { out.WriteHeader(http.StatusUnauthorized) }))
	defer srv.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", srv.URL)
	w := newWitness(t)
	defer w.Close(t.Context())
	refused, err := New(t.Context(), w, Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := refused(t.Context()); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("refused: %v", err)
	}
	late, err := New(t.Context(), w, Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := late(ctx); err == nil {
		t.Error("nothing was said of a push that could not be made")
	}
}

// TestExporter: one that is given takes the place of the environment's.
func TestExporter(t *testing.T) {
	got := collect(t)
	exporter, err := otlpmetrichttp.New(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	w := newWitness(t)
	defer w.Close(t.Context())
	shutdown, err := New(t.Context(), w, Config{Exporter: exporter})
	if err != nil {
		t.Fatal(err)
	}
	if err := shutdown(t.Context()); err != nil || got.metrics["sqlwitness_build_info"].GetGauge() == nil {
		t.Errorf("%d metrics arrived: %v", len(got.metrics), err)
	}
}
