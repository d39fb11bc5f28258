package audit

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sqlwitness/sqlwitness/event"
)

// run plays a run that applies one migration and ends.
func (b *bench) run(version string, statements ...string) {
	b.t.Helper()
	b.store.RunStarted(b.t.Context(), &event.Run{}, nil)
	m := migration(version)
	b.must(b.store.Intent(b.t.Context(), m, false))
	exec1(b.t, b.conn, statements...)
	b.must(b.store.Outcome(b.t.Context(), ended(m, event.Applied)))
	b.store.RunFinished(b.t.Context(), &event.Run{Trace: event.Trace{RunID: m.RunID}, Finished: true, Applied: 1})
}

// found starts a run with a store of its own and returns what that tells.
func (b *bench) found() []string {
	b.t.Helper()
	var told []string
	next := newBenchAt(b.t, b.kit, b.dsn, Config{})
	next.store.deps.Finding = func(f event.Finding) { told = append(told, f.Kind+" "+f.Object+": "+f.Message) }
	next.store.RunStarted(b.t.Context(), &event.Run{}, nil)
	next.expectTroubles()
	return told
}

// What is changed between two runs is told once, recorded with what exactly it
// was, and what the runs themselves change is not told at all.
func TestChangesByHand(t *testing.T) {
	for _, k := range []kit{kitPGX, kitMySQL, kitSQLite} {
		for _, c := range []struct {
			name, kind string
			hand       []string
			want       map[string]any // facts
			say        string
		}{
			{name: "nothing"},
			{name: "data", hand: []string{"INSERT INTO users VALUES (7)"}},
			{"a mark removed", KindHistory, []string{"DELETE FROM goose_db_version WHERE version_id = 2"},
				map[string]any{"removed": []any{"2|1"}, "added": []any{}}, "removed 2|1"},
			{"a mark made", KindHistory, []string{"INSERT INTO goose_db_version VALUES (9, 1)"},
				map[string]any{"removed": []any{}, "added": []any{"9|1"}}, "added 9|1"},
			{"a column", KindDrift, []string{"ALTER TABLE users ADD COLUMN by_hand int"},
				map[string]any{"removed": []any{}, "added": []any{}, "altered": []any{"users"}}, "altered "},
			{"an index", KindDrift, []string{"CREATE INDEX by_hand ON users (a)"}, nil, ""},
			{"a table made", KindDrift, []string{"CREATE TABLE by_hand (a int)"},
				map[string]any{"removed": []any{}, "added": []any{"by_hand"}, "altered": []any{}}, "added "},
			{"a table dropped", KindDrift, []string{"DROP TABLE users"},
				map[string]any{"removed": []any{"users"}, "added": []any{}, "altered": []any{}}, "removed "},
		} {
			t.Run(k.name+"/"+c.name, func(t *testing.T) {
				b := newBench(t, k, Config{})
				b.run("1", "CREATE TABLE goose_db_version (version_id bigint, is_applied int)", "CREATE TABLE users (a int)", "INSERT INTO goose_db_version VALUES (1, 1)")
				b.run("2", "CREATE VIEW v AS SELECT 1 AS a", "INSERT INTO goose_db_version VALUES (2, 1)")
				exec1(t, b.db, c.hand...)
				told := b.found()
				if c.kind == "" {
					if len(told) > 0 {
						t.Errorf("told %q", told)
					}
					return
				}
				if len(told) != 1 || !strings.Contains(told[0], c.say) {
					t.Errorf("told %q, want one with %q", told, c.say)
				}
				if again := b.found(); len(again) > 0 {
					t.Errorf("told again: %q", again)
				}
				var facts map[string]any
				for _, r := range b.rows() {
					if r.kind == c.kind {
						facts = r.leaf["facts"].(map[string]any)
					}
				}
				for name, want := range c.want {
					got := fmt.Sprint(facts[name])
					if k.system == "postgresql" {
						got = strings.ReplaceAll(got, "public.", "")
					}
					if got != fmt.Sprint(want) {
						t.Errorf("%s: %s, want %v", name, got, want)
					}
				}
				b.run("3", "CREATE TABLE more (a int)") // and all is well again
				if again := b.found(); len(again) > 0 {
					t.Errorf("told of a run's own change: %q", again)
				}
			})
		}
	}
}

// After a crash nothing is claimed: a migration may have made the change.
func TestNoClaimAfterACrash(t *testing.T) {
	each(t, []kit{kitPGX, kitSQLite}, func(t *testing.T, b *bench) {
		b.run("1", "CREATE TABLE users (a int)")
		b.must(b.store.Intent(t.Context(), migration("2"), false))
		exec1(t, b.db, "CREATE TABLE half (a int)")
		if told := b.found(); len(told) > 0 {
			t.Errorf("told %q", told)
		}
	})
}

// Of runs that overlap the last one notes what there is, once, and a change by
// hand is found after it; a database beside theirs has a last one of its own.
func TestStateOfOverlappingRuns(t *testing.T) {
	each(t, []kit{kitPGX, kitMySQL, kitSQLite}, func(t *testing.T, b *bench) {
		states := func() (n int) {
			for _, r := range b.rows() {
				if r.kind == KindState {
					n++
				}
			}
			return n
		}
		finish := func(m *event.Migration) {
			b.store.RunFinished(t.Context(), &event.Run{Trace: event.Trace{RunID: m.RunID}, Finished: true, Applied: 1})
		}
		first, second := migration("1"), migration("2")
		first.RunID, second.RunID = "run-a", "run-b"
		b.must(b.store.Intent(t.Context(), first, false))
		exec1(t, b.conn, "CREATE TABLE a (a int)")
		b.must(b.store.Outcome(t.Context(), ended(first, event.Applied)))
		b.must(b.store.Intent(t.Context(), second, false))
		finish(first)
		if n := states(); n != 0 {
			t.Errorf("%d states while another run migrates", n)
		}
		exec1(t, b.conn, "CREATE TABLE b (a int)")
		b.must(b.store.Outcome(t.Context(), ended(second, event.Applied)))
		if b.kit.system == "mariadb" {
			other := newBenchAt(t, kitMySQL, b.dsn, Config{})
			other.store.db.Name, other.store.scribe.db.Name = "another", "another"
			m := migration("1")
			other.must(other.store.Intent(t.Context(), m, false))
			other.must(other.store.Outcome(t.Context(), ended(m, event.Applied)))
		}
		finish(first)
		if n := states(); n != 0 {
			t.Errorf("%d states before the last run's", n)
		}
		finish(second)
		finish(first)
		if n := states(); n != 1 {
			t.Errorf("%d states of the last run", n)
		}
		exec1(t, b.db, "ALTER TABLE a ADD COLUMN by_hand int")
		if told := b.found(); len(told) != 1 || !strings.Contains(told[0], "altered ") || strings.Contains(told[0], "added") {
			t.Errorf("told %q", told)
		}
	})
}

// Databases of one MySQL server share a trail, and are told apart.
func TestChangesByHandElsewhere(t *testing.T) {
	b := newBench(t, kitMySQL, Config{})
	b.run("1", "CREATE TABLE users (a int)")
	other := newBenchAt(t, kitMySQL, b.dsn, Config{})
	other.store.db.Name, other.store.scribe.db.Name = "another", "another"
	other.run("1")
	exec1(t, b.db, "CREATE TABLE by_hand (a int)")
	if told := b.found(); len(told) != 1 {
		t.Errorf("told %q, want one", told)
	}
}

func TestNote(t *testing.T) {
	each(t, []kit{kitPQ, kitMySQL, kitSQLite}, func(t *testing.T, b *bench) {
		facts := map[string]any{"statement": "ALTER SYSTEM SET fsync = ?", "pid": 7.0, "list": []any{strings.Repeat("x", 2*maxText)}}
		b.must(b.store.Note(t.Context(), KindServer, facts))
		rows := b.rows()
		got := rows[0].leaf["facts"].(map[string]any)
		if got["statement"] != facts["statement"] || got["pid"] != 7.0 || len(got["list"].([]any)[0].(string)) > maxText+len(cutMark) {
			t.Errorf("facts are %v", got)
		}
		if !reflect.DeepEqual(rows[0].leaf["stage"], "note") || rows[0].attempt != rows[0].id {
			t.Errorf("the leaf is %v", rows[0].leaf)
		}
		for _, kind := range []string{"", "x'y", "Config.changed", "a.b.c", "manual.force'); DROP TABLE users --"} {
			if err := b.store.Note(t.Context(), kind, nil); err == nil {
				t.Errorf("%q is taken for a kind", kind)
			}
		}
		if err := b.store.Note(t.Context(), KindForce, map[string]any{"f": func() {}}); err == nil {
			t.Error("a function is taken for a fact")
		}
	})
}

// Of many version tables, in whatever character set, the one that was changed is
// found: an application may have one for each customer.
func TestManyVersionTables(t *testing.T) {
	each(t, []kit{kitPGX, kitMySQL, kitSQLite}, func(t *testing.T, b *bench) {
		for i := range maxHistories + 5 {
			exec1(t, b.db, fmt.Sprintf("CREATE TABLE customer_%d (version_id varchar(20), is_applied int)", i))
			if i%3 > 0 && b.kit.system != "postgresql" && b.kit.system != "sqlite" {
				exec1(t, b.db, fmt.Sprintf("ALTER TABLE customer_%d CONVERT TO CHARACTER SET %s", i, []string{"latin1 COLLATE latin1_german1_ci", "utf8mb4 COLLATE utf8mb4_bin"}[i%3-1]))
			}
			exec1(t, b.db, fmt.Sprintf("INSERT INTO customer_%d VALUES ('%d', 1)", i, i))
		}
		b.run("1", "CREATE TABLE users (a int)")
		exec1(t, b.db, "DELETE FROM customer_103", "INSERT INTO customer_3 VALUES ('4', 1)")
		told := b.found()
		slices.Sort(told)
		if len(told) != 2 || !strings.Contains(told[0], "customer_103: ") || !strings.Contains(told[0], "removed 103|1") ||
			!strings.Contains(told[1], "customer_3: ") || !strings.Contains(told[1], "added 4|1") {
			t.Errorf("told %q", told)
		}
	})
}
