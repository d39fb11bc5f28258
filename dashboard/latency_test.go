package dashboard

import (
	"fmt"
	"io"
	"math"
	"testing"
	"time"
)

const exposition = `# HELP db_client_operation_duration_seconds Duration.
# TYPE db_client_operation_duration_seconds histogram
db_client_operation_duration_seconds_bucket{db_system_name="postgresql",db_namespace="shop",db_operation_name="SELECT",phase="steady",le="0.01"} %[1]d
db_client_operation_duration_seconds_bucket{db_system_name="postgresql",db_namespace="shop",db_operation_name="SELECT",phase="steady",le="0.1"} %[2]d
db_client_operation_duration_seconds_bucket{db_system_name="postgresql",db_namespace="shop",db_operation_name="SELECT",phase="steady",le="+Inf"} %[2]d
db_client_operation_duration_seconds_bucket{db_system_name="postgresql",db_namespace="shop",db_operation_name="SELECT",phase="steady",error_type="57014",le="+Inf"} 1000
db_client_operation_duration_seconds_bucket{db_system_name="postgresql",db_namespace="db_operation_name=\"SELECT\"",db_operation_name="ALTER TABLE",phase="migration",le="+Inf"} 1000
db_client_operation_duration_seconds_sum{db_system_name="postgresql",db_operation_name="SELECT",phase="steady"} 3
sqlwitness_oldest_statement_seconds 2.5
sqlwitness_blocked_sessions 4
not a line
`

func TestLatency(t *testing.T) {
	now, fast, all := start, 0, 0
	d := New(Config{}, Deps{
		Now:     func() time.Time { return now },
		Metrics: func(w io.Writer) { fmt.Fprintf(w, exposition, fast, all) },
	})
	step := func(gap time.Duration, f, a int) []point {
		now, fast, all = now.Add(gap), fast+f, all+a
		d.sample()
		return d.latency.since(0)
	}
	if p := step(0, 0, 0); len(p) != 0 {
		t.Fatalf("one sample is no point: %+v", p)
	}
	p := step(time.Second, 90, 100)
	if len(p) != 1 || p[0].Rate != 100 || p[0].Oldest != 2500 || p[0].Blocked != 4 {
		t.Fatalf("points %+v", p)
	}
	// 50 of 90 in the bucket to 10 ms; 9 of 10 in the one from there to 100 ms.
	if !near(*p[0].P50, 5.5556) || !near(*p[0].P99, 91) {
		t.Errorf("p50 %v, p99 %v", *p[0].P50, *p[0].P99)
	}
	if p := step(100*time.Millisecond, 1, 1); len(p) != 1 {
		t.Errorf("a second page makes a point of its own: %+v", p)
	}
	if p := step(time.Second, 0, 0); p[1].P50 == nil || math.Abs(p[1].Rate-1/1.1) > 1e-9 {
		t.Errorf("what came between samples is lost: %+v", p[1])
	}
	if p := step(time.Second, 0, 0); p[2].P50 != nil || p[2].Rate != 0 {
		t.Errorf("nothing ended, and there is %+v", p[2])
	}
	if p := step(time.Minute, 500, 500); len(p) != 3 {
		t.Errorf("a minute without a page became a point: %+v", p[3])
	}
	for range maxPoints + 10 {
		step(time.Second, 1, 1)
	}
	if p := d.latency.since(0); len(p) != maxPoints {
		t.Errorf("%d points are kept", len(p))
	}
	if p := d.latency.since(at(now) - 1000); len(p) != 1 {
		t.Errorf("%d points are new", len(p))
	}
}

func near(got, want float64) bool { return math.Abs(got-want) < 0.001 }
