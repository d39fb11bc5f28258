package eventlog

import (
	"strings"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// runtimeCut is where container runtimes cut a line in two.
const runtimeCut = 16 << 10

// TestLinesAreShort: however long the texts of an event, its line stays whole.
func TestLinesAreShort(t *testing.T) {
	long := strings.Repeat("SELECT * FROM orders,\n\t", 2000)
	name := long[:63] // servers keep no longer ones
	session := event.Session{PID: 4711, User: name, App: name, State: "idle in transaction (aborted)", Query: long, BlockedBy: []int64{1, 2}}
	many := make([]event.Session, 50)
	for i := range many {
		many[i] = session
	}
	tables := make([]string, 50)
	missing := make([]event.Missing, 3)
	slower := make([]event.Slower, 50)
	for i := range tables {
		tables[i], slower[i] = long, event.Slower{Version: long}
	}
	for i := range missing {
		missing[i] = event.Missing{What: "queries", Fix: "GRANT pg_read_all_stats TO " + name}
	}
	picture := &event.Picture{Session: event.Session{PID: 1, Wait: &event.Wait{Kind: "relation", Object: long, Mode: "x"}}, Blockers: many, Victims: many, Queue: 50,
		Held: []event.HeldLock{{Object: long, Granted: true, Stops: "writes"}}, Progress: &event.Progress{Phase: long}, Missing: missing}
	statement := &event.BodyStatement{Operation: "SELECT", Text: long, Duration: time.Second}
	for name, emit := range map[string]func(*Log){
		"statement": func(l *Log) {
			l.Statement(&event.Statement{Slow: true, Text: long, Summary: long, Tables: tables})
		},
		"look": func(l *Log) {
			l.Look(&event.Look{Class: "ddl", Age: time.Hour, Text: long, Summary: long, Tables: tables, Picture: picture})
		},
		"migration": func(l *Log) {
			l.Migration(&event.Migration{Outcome: event.Failed, Tool: long, Version: &long, After: long, Failing: &event.FailingStatement{Text: long}})
		},
		"run":       func(l *Log) { l.Run(&event.Run{Finished: true, Tool: long, Slowest: statement}) },
		"impact":    func(l *Log) { l.Impact(&event.Impact{Slowest: statement, Worst: statement, Blocker: &session}) },
		"resources": func(l *Log) { l.Resources(&event.Resources{Missing: missing}) },
		"trend":     func(l *Log) { l.Trend(&event.Trend{Compared: 50, Slower: slower}) },
		"finding":   func(l *Log) { l.Finding(&event.Finding{Object: long, Message: long, SQL: long}) },
		"trouble":   func(l *Log) { l.Trouble(&event.Trouble{Message: long, Hint: long, Fallback: long}) },
		"panic":     func(l *Log) { l.Panic("sink", long, []byte(long)) },
	} {
		lines := written(t, "info", emit)
		if n := len(lines); n == 0 || n >= runtimeCut || strings.Count(lines, "\n") != 1 {
			t.Errorf("%s: %d bytes", name, n)
		}
	}
}
