package faults

import (
	"context"
	"database/sql"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/audit"
)

// evil are names that end a literal, a name or a line wherever one is not quoted
// as it should be. None has a NUL, which no database takes: see TestNUL.
var evil = []string{
	`x'); DROP TABLE victim; --`,
	`x"; DROP TABLE victim; --`,
	"x`; DROP TABLE victim; --",
	`x\'; DROP TABLE victim; --`,
	`x\"; DROP TABLE victim; #`,
	"x$$; DROP TABLE victim; $sqlwitness$",
	"x\r\n{\"event\":\"alert.firing\",\"level\":\"error\"}\n\x1b[2J\u2028",
	`x{"a":"b"}|<script>alert(1)</script>%s%n${jndi:x}`,
}

// quote is a name as the database takes it.
func (tg target) quote(name string) string {
	if tg.system == "mysql" {
		return "`" + strings.ReplaceAll(name, "`", "``") + "`"
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// unicode is what makes a table of MariaDB's take all of it.
func (tg target) unicode() string {
	if tg.system == "mysql" {
		return " CHARACTER SET utf8mb4"
	}
	return ""
}

func (tg target) arg(n int) string {
	if tg.system == "postgresql" {
		return []string{"$1", "$2"}[n]
	}
	return "?"
}

// record does what sql-migrate does, with a version, a version table and a body of
// the caller's.
func (tg target) record(db *sql.DB, table, version, body string) error {
	tx, err := db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
	if _, err := tx.Exec(body); err != nil {
		return err
	}
	if _, err := tx.Exec("insert into "+tg.quote(table)+" ("+tg.quote("id")+","+tg.quote("applied_at")+") values ("+tg.arg(0)+","+tg.arg(1)+");", version, "2026-01-01 00:00:00"); err != nil {
		return err
	}
	return tx.Commit()
}

// TestEvilNames: whatever databases, tables, versions, actors and errors are
// called, what the witness sends does what it should, what it records is what was
// there, and each line that it logs is one line.
func TestEvilNames(t *testing.T) {
	for _, tg := range append(servers, sqlite) {
		for i, name := range evil {
			t.Run(tg.name+"/"+string(rune('a'+i)), func(t *testing.T) {
				dsn := tg.home(t, name)
				plain := tg.plain(t, dsn)
				if tg.name == "pq" { // the schema of all that follows, too
					_, err := plain.Exec("CREATE SCHEMA " + tg.quote(name))
					must(t, err)
				}
				for _, q := range []string{"CREATE TABLE victim (a INT)", "CREATE TABLE " + tg.quote("h "+name) + " (id VARCHAR(190) PRIMARY KEY, applied_at VARCHAR(30))" + tg.unicode()} {
					_, err := plain.Exec(q)
					must(t, err)
				}
				for range 2 { // the second one compares with what the first has noted
					s := &seen{}
					w, log := witness(t, sqlwitness.Config{Audit: audit.Config{Timeout: time.Minute, Actor: name, Ticket: name, Reason: name}}, s)
					db, err := w.Open(tg.driver, dsn)
					must(t, err)
					body := "CREATE TABLE " + tg.quote(name) + " (" + tg.quote("c "+name) + " INT)"
					err = tg.record(db, "h "+name, name, body)
					again := err != nil
					if again { // the table is there
						err = tg.record(db, "h "+name, name+"2", "INSERT INTO "+tg.quote(name)+" VALUES (1)")
					}
					must(t, err)
					if err := tg.record(db, "h "+name, name+"3", "SELECT "+tg.quote("no "+name)+" FROM "+tg.quote("none "+name)); err == nil && tg.system != "sqlite" {
						t.Error("what cannot be was done")
					}
					must(t, db.Close())
					must(t, w.Close(t.Context()))
					lines(t, log.String())
					if len(s.troubles) > 0 {
						t.Errorf("troubles %q\n%s", s.troubles, log)
					}
				}
				if _, err := plain.Exec("SELECT a FROM victim"); err != nil {
					t.Errorf("the victim: %v", err)
				}
				recorded := false
				all := tg.leaves(t, plain, tg.current(t, plain))
				for _, l := range all {
					recorded = recorded || l.Version != nil && *l.Version == name && l.Outcome == "applied"
				}
				if !recorded {
					t.Errorf("the version is not in the trail: %+v", all)
				}
				report, err := audit.Verify(t.Context(), plain, tg.system, audit.VerifyConfig{})
				must(t, err)
				if report.Altered() {
					t.Errorf("verification finds %+v", report.Findings)
				}
			})
		}
	}
}

// home is a database of that name, where the kind of server allows it.
func (tg target) home(t *testing.T, name string) (dsn string) {
	t.Helper()
	dsn = tg.fresh(t)
	const longest = 64 - len("test_0123456789abcdef") // as MariaDB has it
	if tg.system != "mysql" || strings.ContainsFunc(name, unicode.IsControl) || len(name) > longest {
		return dsn
	}
	cfg, err := mysql.ParseDSN(dsn)
	must(t, err)
	db := tg.plain(t, dsn)
	_, err = db.Exec("CREATE DATABASE " + tg.quote(cfg.DBName+name))
	must(t, err)
	t.Cleanup(func() {
		_, _ = tg.plain(t, dsn).ExecContext(context.Background(), "DROP DATABASE "+tg.quote(cfg.DBName+name))
	})
	cfg.DBName += name
	cfg.Params = map[string]string{"sql_mode": "'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES'"}
	return cfg.FormatDSN()
}

// current is the database's name as the witness has it.
func (tg target) current(t *testing.T, db *sql.DB) (name string) {
	t.Helper()
	query := map[string]string{"postgresql": "SELECT current_database()", "mysql": "SELECT DATABASE()", "sqlite": "SELECT 'test.db'"}[tg.system]
	must(t, db.QueryRow(query).Scan(&name))
	return name
}

// lines checks that each line of a log is one event of ours, without a character
// that a terminal would obey.
func lines(t *testing.T, log string) {
	t.Helper()
	for line := range strings.Lines(log) {
		var l struct{ Event, Level string }
		if err := json.Unmarshal([]byte(line), &l); err != nil || l.Event == "" || l.Level == "" {
			t.Errorf("no event: %q", line)
		}
		if strings.ContainsFunc(strings.TrimSuffix(line, "\n"), unicode.IsControl) {
			t.Errorf("a control character: %q", line)
		}
		if l.Event == "alert.firing" && !strings.Contains(line, `"rule":`) {
			t.Errorf("a forged line: %q", line)
		}
	}
}

// TestNUL: a NUL, which no database stores in a text, in what the application says
// of itself loses no entry.
func TestNUL(t *testing.T) {
	for _, tg := range append(servers, sqlite) {
		t.Run(tg.name, func(t *testing.T) {
			dsn := tg.fresh(t)
			s := &seen{}
			w, log := witness(t, sqlwitness.Config{Audit: audit.Config{Timeout: time.Minute, Actor: "a\x00b", Ticket: "\x00", Reason: "x\x00'; --\xff"}}, s)
			db, err := w.Open(tg.driver, dsn)
			must(t, err)
			must(t, tg.migrate(t.Context(), db, migrations))
			must(t, db.Close())
			must(t, w.Close(t.Context()))
			lines(t, log.String())
			n := 0
			for _, l := range tg.leaves(t, tg.plain(t, dsn), tg.nameOf(dsn)) {
				if l.Outcome == "applied" {
					n++
				}
			}
			if n != 3 || len(s.troubles) > 0 {
				t.Errorf("%d outcomes, troubles %q\n%s", n, s.troubles, log)
			}
		})
	}
}
