package audit

import (
	"database/sql/driver"
	"slices"
	"testing"

	"github.com/sqlwitness/sqlwitness/event"
)

// An attempt of a process that lives is left alone, whoever looks.
func TestRecoverAlive(t *testing.T) {
	each(t, allKits, func(t *testing.T, b *bench) {
		m := migration("1")
		b.must(b.store.Intent(t.Context(), m, false))
		other := newBenchAt(t, b.kit, b.dsn, Config{})
		other.store.deps.Recovered = func(r Recovery) { t.Errorf("resolved %+v", r) }
		b.must(other.store.Recover(t.Context()))
		b.must(b.store.Outcome(t.Context(), ended(m, event.Applied)))
		b.expect("intent/start", "outcome/after applied")
	})
}

// A migration whose process is elsewhere is judged by its session alone.
func TestRecoverElsewhere(t *testing.T) {
	for _, k := range []kit{kitPQ, kitPGX, kitMySQL} {
		t.Run(k.name, func(t *testing.T) {
			b := newBench(t, k, Config{})
			var session int64
			b.must(b.conn.QueryRowContext(t.Context(), map[string]string{"postgresql": "SELECT pg_backend_pid()", "mariadb": "SELECT CONNECTION_ID()"}[k.system]).Scan(&session))
			b.store.deps.Session = func(uint64) int64 { return session }
			b.store.scribe.deps.Session = b.store.deps.Session
			b.store.scribe.actor["process"] = "another boot/4026531836/17"
			m := migration("1")
			m.Atomic = k.system != "mariadb"
			b.must(b.store.Intent(t.Context(), m, false))

			var told []Resolution
			other := newBenchAt(t, k, b.dsn, Config{})
			other.store.deps.Recovered = func(r Recovery) { told = append(told, r.Resolution) }
			b.must(other.store.Recover(t.Context()))
			other.expect("intent/start")
			_ = b.conn.Raw(func(any) error { return driver.ErrBadConn }) // closes it
			for len(told) < 2 || told[len(told)-1] == StillRunning {
				b.must(other.store.Recover(t.Context()))
			}
			want := RolledBack
			if k.system == "mariadb" {
				want = Unknown
			}
			if told[0] != StillRunning || told[len(told)-1] != want {
				t.Errorf("told %v", told)
			}
			b.must(other.store.Recover(t.Context())) // once is enough
			other.expectKinds("intent/start", "recovered/note")

			again := migration("1") // by this process: it says what it repeats
			b.must(other.store.Intent(t.Context(), again, false))
			rows := other.rows()
			if last := rows[len(rows)-1]; last.leaf["prev_attempt"] != m.MigrationID {
				t.Errorf("the next attempt says prev_attempt %v, want %s", last.leaf["prev_attempt"], m.MigrationID)
			}
		})
	}
}

// expectKinds compares the rows with "kind/stage", in whatever order.
func (b *bench) expectKinds(want ...string) {
	b.t.Helper()
	var got []string
	for _, r := range b.rows() {
		got = append(got, r.String())
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		b.t.Errorf("entries are %q, want %q", got, want)
	}
}

// The answer to a commit was lost: the row that is there, or is not, tells.
func TestRecoverLostAnswer(t *testing.T) {
	for _, committed := range []bool{true, false} {
		each(t, txKits, func(t *testing.T, b *bench) {
			m := migration("1")
			b.must(b.store.Intent(t.Context(), m, false))
			tx := b.begin(nil)
			b.must(b.join(ended(m, event.Applied)))
			want := Committed
			if committed {
				b.must(tx.Commit())
			} else {
				b.must(tx.Rollback())
				want = RolledBack
			}
			b.store.Committed(t.Context(), []*event.Migration{m}, driver.ErrBadConn)
			var told []Resolution
			b.store.deps.Recovered = func(r Recovery) { told = append(told, r.Resolution) }
			b.must(b.store.Recover(t.Context()))
			b.must(b.store.Recover(t.Context()))
			if !slices.Equal(told, []Resolution{want}) {
				t.Errorf("told %v, want %v", told, want)
			}
		})
	}
}

// The answer to a mark that commits by itself was lost: goose's own table tells, if
// it had the row by then and there is one such table.
func TestRecoverMarked(t *testing.T) {
	const table = " (id serial PRIMARY KEY, version_id bigint NOT NULL, is_applied boolean NOT NULL, tstamp timestamp NULL DEFAULT now())"
	for name, c := range map[string]struct {
		tool      string
		direction event.Direction
		prepare   []string
		after     []string
		want      Resolution
	}{
		"marked":          {"goose", event.Up, []string{"INSERT INTO g (version_id, is_applied) VALUES (7, true)"}, nil, Committed},
		"not marked":      {"goose", event.Up, []string{"INSERT INTO g (version_id, is_applied) VALUES (6, true)"}, nil, Unknown},
		"marked as down":  {"goose", event.Up, []string{"INSERT INTO g (version_id, is_applied) VALUES (7, false)"}, nil, Unknown},
		"marked later":    {"goose", event.Up, nil, []string{"INSERT INTO g (version_id, is_applied, tstamp) VALUES (7, true, now() + INTERVAL 2 SECOND)"}, Unknown},
		"rolled back":     {"goose", event.Down, []string{"INSERT INTO g (version_id, is_applied) VALUES (7, true)"}, nil, Unknown},
		"two such tables": {"goose", event.Up, []string{"INSERT INTO g (version_id, is_applied) VALUES (7, true)", "CREATE TABLE h" + table, "INSERT INTO h SELECT * FROM g"}, nil, Unknown},
		"another tool":    {"bun", event.Up, []string{"INSERT INTO g (version_id, is_applied) VALUES (7, true)"}, nil, Unknown},
		"no table":        {"goose", event.Up, []string{"DROP TABLE g"}, nil, Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, kitMySQL, Config{})
			exec1(t, b.db, append([]string{"CREATE TABLE g" + table}, c.prepare...)...)
			m := migration("7")
			m.Tool, m.Direction, m.Atomic = c.tool, c.direction, false
			b.must(b.store.Intent(t.Context(), m, false))
			b.must(b.store.Outcome(t.Context(), ended(m, event.Interrupted)))
			exec1(t, b.db, c.after...)
			var told []Resolution
			b.store.deps.Recovered = func(r Recovery) { told = append(told, r.Resolution) }
			b.must(b.store.Recover(t.Context()))
			if !slices.Equal(told, []Resolution{c.want}) {
				t.Errorf("told %v, want %v", told, c.want)
			}
		})
	}
}
