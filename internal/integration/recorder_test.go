package integration

import (
	"context"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/event"
)

// recorder is a sink that keeps what the tests look at.
type recorder struct {
	event.Ignore
	mu         sync.Mutex
	migrations []event.Migration
	runs       []event.Run
	locks      []event.Lock
	byHand     []string // what is taken for done by hand
}

func (r *recorder) Finding(f *event.Finding) {
	if f.Kind != "history_edited" && f.Kind != "schema_drift" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byHand = append(r.byHand, f.Kind+": "+f.Message)
}

func (r *recorder) takenForByHand() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.byHand
}

func (r *recorder) Lock(l *event.Lock) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.locks = append(r.locks, *l)
}

func (r *recorder) Migration(m *event.Migration) {
	if m.Outcome == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.migrations = append(r.migrations, *m)
}

func (r *recorder) Run(run *event.Run) {
	if !run.Finished {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runs = append(r.runs, *run)
}

// list is the migrations that have ended, a line for each. Nil has seen none.
func (r *recorder) list() []string {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var lines []string
	for _, m := range r.migrations {
		version := "null"
		if m.Version != nil {
			version = *m.Version
		}
		lines = append(lines, fmt.Sprintf("%s %s %s %s %s", m.Tool, version, m.Direction, m.Outcome, m.Guarantee))
	}
	return lines
}

func witness(t *testing.T, sink event.Sink) *sqlwitness.Witness {
	t.Helper()
	cfg := sqlwitness.Config{LogOutput: io.Discard}
	cfg.Audit.Spool = t.TempDir() + "/spool.jsonl"
	if sink != nil {
		cfg.Sinks = []event.Sink{sink}
	}
	w, err := sqlwitness.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (r *recorder) count() int { return len(r.list()) }
