package sqlwitness

import (
	"io"
	"strings"
	"testing"

	"github.com/sqlwitness/sqlwitness/internal/testdb"
	"github.com/sqlwitness/sqlwitness/sqltext"
)

// TestAnalysisThatPanics: a statement that we cannot read runs, and nothing of it is
// shown.
func TestAnalysisThatPanics(t *testing.T) {
	var log strings.Builder
	w, err := New(Config{LogOutput: &log})
	if err != nil {
		t.Fatal(err)
	}
	db, err := w.Open("sqlite", testdb.SQLite(t))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for c := range w.connectors {
		c.analyzer = func(string, sqltext.Dialect) *sqltext.Text { panic("no such state") }
	}
	var n int
	if err := db.QueryRow("SELECT 41 + 1").Scan(&n); err != nil || n != 42 {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := db.Exec("SELECT hunter2 FROM nowhere"); err == nil || !strings.Contains(err.Error(), "no such table: nowhere") {
		t.Errorf("the error is %v", err)
	}
	var metrics strings.Builder
	w.WritePrometheus(&metrics)
	if want := `sqlwitness_errors_total{component="sqltext"} 2`; !strings.Contains(metrics.String(), want) {
		t.Errorf("no %s", want)
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := log.String(); !strings.Contains(got, "no such state") || strings.Contains(got, "hunter2") {
		t.Errorf("the log: %s", got)
	}
}

// TestListenNowhere: an address that is none is an error before anything is begun.
func TestListenNowhere(t *testing.T) {
	if _, err := New(Config{LogOutput: io.Discard, Listen: "nowhere"}); err == nil || !strings.Contains(err.Error(), "configuration: Listen") {
		t.Errorf("the error is %v", err)
	}
}
