package migrator_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"sync"
	"testing"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/audit"
	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/internal/tracereplay"
)

var traces = flag.String("traces", "", "folder of traces to replay, absolute or relative to the module's root")

// TestTraces replays recorded runs of migration tools through a witness, and
// compares the migrations that it has made out with those that took place.
func TestTraces(t *testing.T) {
	dir := tracesDir()
	paths, err := tracereplay.Find(dir)
	if err != nil {
		t.Fatal(err)
	}
	count, right := 0, 0
	for _, path := range paths {
		want, err := tracereplay.OpenWant(filepath.Join(dir, path))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		count++
		got, err := replay(filepath.Join(dir, path))
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if diff := difference(got, want); diff != "" {
			t.Errorf("%s: %s", path, diff)
			continue
		}
		right++
	}
	fmt.Printf("%d of %d traces as wanted\n", right, count)
	if count == 0 {
		t.Errorf("no trace with a .want.json under %s", dir)
	}
}

func tracesDir() string {
	switch {
	case *traces == "":
		return filepath.Join("testdata", "traces")
	case filepath.IsAbs(*traces):
		return *traces
	}
	return filepath.Join("..", *traces)
}

// replay returns the migrations that a witness makes out in a trace, in the
// order in which they ended.
func replay(path string) ([]tracereplay.Want, error) {
	trace, err := tracereplay.Open(path)
	if err != nil {
		return nil, err
	}
	sink := &finished{}
	w, err := sqlwitness.New(sqlwitness.Config{
		System:    tracereplay.System(path),
		Sinks:     []event.Sink{sink},
		LogOutput: io.Discard,
		Audit:     audit.Config{Mode: audit.Off},
	})
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	if err := trace.Play(ctx, func(_ string, parent driver.Connector) driver.Connector { return w.Wrap(parent) }); err != nil {
		return nil, err
	}
	if err := w.Close(ctx); err != nil {
		return nil, err
	}
	return sink.migrations, nil
}

// finished keeps the migrations that have ended.
type finished struct {
	event.Ignore
	mu         sync.Mutex
	migrations []tracereplay.Want
}

func (f *finished) Migration(m *event.Migration) {
	if m.Outcome == "" {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	got := tracereplay.Want{Tool: m.Tool, Direction: string(m.Direction), Outcome: string(m.Outcome)}
	if m.Version != nil {
		version := *m.Version
		got.Version = &version
	}
	f.migrations = append(f.migrations, got)
}

// difference names the first field that differs.
func difference(got, want []tracereplay.Want) string {
	for i := range min(len(got), len(want)) {
		g, w := got[i], want[i]
		field := ""
		switch {
		case g.Tool != w.Tool:
			field = "tool"
		case g.Direction != w.Direction:
			field = "direction"
		case (g.Version == nil) != (w.Version == nil) || g.Version != nil && *g.Version != *w.Version:
			field = "version"
		case g.Outcome != w.Outcome:
			field = "outcome"
		default:
			continue
		}
		return fmt.Sprintf("%s of migration %d: got %v, want %v", field, i+1, g, w)
	}
	if len(got) != len(want) {
		return fmt.Sprintf("number of migrations: got %v, want %v", got, want)
	}
	return ""
}
