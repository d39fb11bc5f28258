package migrator_test

import (
	"bufio"
	"context"
	"database/sql/driver"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/audit"
	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/internal/tracereplay"
)

// TestExpected replays recorded runs in the time that they took, and compares
// what is told of each instance of the tool with testdata/expected.txt: its
// migrations and its runs, with the part that each had where replicas raced.
func TestExpected(t *testing.T) {
	expected := readExpected(t, filepath.Join("testdata", "expected.txt"))
	dir := tracesDir()
	paths, err := tracereplay.Find(dir)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, path := range paths {
		want, ok := expected[filepath.ToSlash(strings.TrimSuffix(path, ".jsonl"))]
		if !ok {
			if _, err := tracereplay.OpenWant(filepath.Join(dir, path)); err != nil && *traces == "" {
				t.Errorf("%s: nothing says what is expected", path)
			}
			continue
		}
		count++
		synctest.Test(t, func(t *testing.T) {
			got, err := replayInTime(t, filepath.Join(dir, path))
			if err != nil {
				t.Errorf("%s: %v", path, err)
			} else if !slices.Equal(got, want) {
				t.Errorf("%s:\ngot\n\t%s\nwant\n\t%s", path, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
			}
		})
	}
	fmt.Printf("%d traces as expected.txt says\n", count)
	if count == 0 {
		t.Errorf("no trace under %s is in expected.txt", dir)
	}
}

// readExpected reads what is to be told of each trace, by its path without
// .jsonl. A line that begins with a tab is what is told, one that does not names
// the traces: variants, databases, scenario. # begins a comment.
func readExpected(t *testing.T, path string) map[string][]string {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	expected := map[string][]string{}
	var named []string
	in := bufio.NewScanner(f)
	for in.Scan() {
		line, _, _ := strings.Cut(in.Text(), "#")
		if line = strings.TrimRight(line, " "); line == "" {
			continue
		}
		if told, ok := strings.CutPrefix(line, "\t"); ok {
			for _, name := range named {
				expected[name] = append(expected[name], told)
			}
			continue
		}
		fields := strings.Fields(line)
		if len(fields) != 3 {
			t.Fatalf("%s: %q is not variants, databases, scenario", path, line)
		}
		named = nil
		for variant := range strings.SplitSeq(fields[0], ",") {
			for database := range strings.SplitSeq(fields[1], ",") {
				name := variant + "/" + database + "/" + fields[2]
				if _, twice := expected[name]; twice {
					t.Fatalf("%s: %s stands there twice", path, name)
				}
				named = append(named, name)
				expected[name] = nil
			}
		}
	}
	if err := in.Err(); err != nil {
		t.Fatal(err)
	}
	return expected
}

// replayInTime returns what is told of the instances of a trace, one after the
// other: each of them is a process of its own.
func replayInTime(t *testing.T, path string) ([]string, error) {
	trace, err := tracereplay.Open(path)
	if err != nil {
		return nil, err
	}
	trace.Sleep = time.Sleep
	var instances []string
	told := map[string]*teller{}
	witnesses := map[string]*sqlwitness.Witness{}
	ctx := context.Background()
	err = trace.Play(ctx, func(inst string, parent driver.Connector) driver.Connector {
		instances = append(instances, inst)
		told[inst] = &teller{}
		w, err := sqlwitness.New(sqlwitness.Config{
			System:    tracereplay.System(path),
			Sinks:     []event.Sink{told[inst]},
			LogOutput: io.Discard,
			Audit:     audit.Config{Mode: audit.Off},
		})
		if err != nil {
			t.Fatal(err)
		}
		witnesses[inst] = w
		return w.Wrap(parent)
	})
	var lines []string
	for _, inst := range instances {
		if err := witnesses[inst].Close(ctx); err != nil {
			return nil, err
		}
		if len(instances) > 1 {
			lines = append(lines, inst+":")
		}
		lines = append(lines, told[inst].lines...)
	}
	return lines, err
}

// teller writes down what has ended.
type teller struct {
	event.Ignore
	lines []string
}

func (tl *teller) Migration(m *event.Migration) {
	if m.Outcome == "" {
		return
	}
	tl.lines = append(tl.lines, tracereplay.Want{Tool: m.Tool, Direction: string(m.Direction), Version: m.Version, Outcome: string(m.Outcome)}.String())
}

func (tl *teller) Run(r *event.Run) {
	if r.Finished {
		tl.lines = append(tl.lines, fmt.Sprintf("run %s %s %s", r.Tool, r.Outcome, r.Role))
	}
}
