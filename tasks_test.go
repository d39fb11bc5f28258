package sqlwitness

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlwitness/sqlwitness/audit"
)

func TestTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all tasks
		if err := all.wait(t.Context()); err != nil {
			t.Errorf("without any: %v", err)
		}
		begun := time.Now()
		for n := range 3 {
			all.begin(func() { time.Sleep(time.Duration(n) * time.Second) })
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		if err := all.wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("in time: %v", err)
		}
		if err := all.wait(t.Context()); err != nil || time.Since(begun) != 2*time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	})
}

// TestCloseWhileOthersRecord: who closes the witness while statements still have
// something to record is not ended by it.
func TestCloseWhileOthersRecord(t *testing.T) {
	w := newWitness(t, Config{Audit: audit.Config{Mode: audit.Off}})
	db, err := w.Open("sqlite", t.TempDir()+"/a.db")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var others tasks
	for c := range w.connectors {
		others.begin(func() {
			for range 100_000 {
				c.recording.begin(func() {})
			}
		})
	}
	for busy := true; busy; {
		if err := w.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		others.mu.Lock()
		busy = others.n > 0
		others.mu.Unlock()
	}
}
