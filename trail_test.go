package sqlwitness

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/audit"
	"github.com/sqlwitness/sqlwitness/dashboard"
	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/eventlog"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

// TestVerifyOnThePage: the page's button leaves an entry, unless there is no audit.
func TestVerifyOnThePage(t *testing.T) {
	for mode, want := range map[audit.Mode]int{audit.BestEffort: 2, audit.Off: 0} {
		t.Run(mode.String(), func(t *testing.T) {
			w := newWitness(t, Config{Audit: audit.Config{Mode: mode}})
			db, err := w.Open("postgres", testdb.PostgreSQL(t))
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			for _, text := range []string{"CREATE TABLE schema_migrations (version bigint primary key, dirty boolean)", "CREATE TABLE orders (id int)"} {
				if _, err := db.Exec(text); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				s, err := w.verifyAudit(t.Context())
				if err != nil || mode != audit.Off && s.Verdict != dashboard.Intact {
					t.Fatalf("%+v, error %v", s, err)
				}
			}
			var n int
			err = db.QueryRow("SELECT count(*) FROM sqlwitness.entry WHERE kind = 'verify.run'").Scan(&n)
			if n != want || (err == nil) != (mode != audit.Off) {
				t.Errorf("%d entries, want %d (%v)", n, want, err)
			}
		})
	}
}

// troubles is a sink that keeps what cannot do its work.
type troubles struct {
	event.Ignore
	told []string
}

func (s *troubles) Trouble(t *event.Trouble) {
	s.told = append(s.told, fmt.Sprintf("%s %s %v", t.Part, t.Kind, t.Over))
}

// TestAlteredTrailIsTold: somebody is alerted once, and told when it is whole again.
func TestAlteredTrailIsTold(t *testing.T) {
	dsn := testdb.PostgreSQL(t)
	told := &troubles{}
	w := newWitness(t, Config{Sinks: []event.Sink{told}})
	db, err := w.Open("postgres", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	bare, err := sql.Open("postgres", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer bare.Close()
	step := func(on *sql.DB, texts ...string) {
		t.Helper()
		for _, text := range texts {
			if _, err := on.Exec(text); err != nil {
				t.Fatal(err)
			}
		}
	}
	step(db, "CREATE TABLE orders (id int)")
	for sealed := 0; sealed == 0 && t.Context().Err() == nil; time.Sleep(10 * time.Millisecond) {
		if err := bare.QueryRow("SELECT count(*) FROM sqlwitness.seal").Scan(&sealed); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range []string{"UPDATE sqlwitness.seal SET leaf_hash = '\\x00' || leaf_hash WHERE idx = 0", "", "UPDATE sqlwitness.seal SET leaf_hash = substr(leaf_hash, 2) WHERE idx = 0", ""} {
		if _, err := w.verifyAudit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if text != "" {
			step(bare, "ALTER TABLE sqlwitness.seal DISABLE TRIGGER USER", text, "ALTER TABLE sqlwitness.seal ENABLE ALWAYS TRIGGER append_only", "ALTER TABLE sqlwitness.seal ENABLE ALWAYS TRIGGER no_truncate")
		}
	}
	if want := []string{"audit verify_failed false", "audit verify_failed true"}; !slices.Equal(told.told, want) {
		t.Errorf("told %q, want %q", told.told, want)
	}
}

// TestAnotherConfigurationIsLogged: of three processes the last one has another.
func TestAnotherConfigurationIsLogged(t *testing.T) {
	dsn := testdb.SQLite(t)
	var lines []string
	for i, slow := range []time.Duration{time.Second, time.Second, 2 * time.Second} {
		var log bytes.Buffer
		w := newWitness(t, Config{LogOutput: &log, Slow: eventlog.Slow{Other: slow}})
		db, err := w.Open("sqlite", dsn)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if _, err := db.Exec("CREATE TABLE goose_db_version (id integer, version_id bigint, is_applied boolean)"); err != nil {
				t.Fatal(err)
			}
		}
		rows, err := db.Query("SELECT version_id, is_applied from goose_db_version ORDER BY id DESC")
		if err != nil {
			t.Fatal(err)
		}
		_ = rows.Close()
		if err := errors.Join(db.Close(), w.Close(t.Context())); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(log.String()) {
			if strings.Contains(line, `"event":"config.changed"`) {
				lines = append(lines, line)
			}
		}
	}
	if len(lines) != 1 || !strings.Contains(lines[0], `"changed":[{"name":"slow.other","from":"1s","to":"2s"}]`) {
		t.Errorf("logged %q", lines)
	}
}
