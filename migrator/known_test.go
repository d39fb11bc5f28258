package migrator

import (
	"database/sql/driver"
	"strings"
	"testing"

	"github.com/sqlwitness/sqlwitness/sqltext"
)

// TestAToolIsOneRow adds a tool that does not exist, and that is all there is to
// do to have it recognised: by its own table, and by one of another name.
func TestAToolIsOneRow(t *testing.T) {
	before := known
	t.Cleanup(func() { known = before })
	known = append(known[:len(known):len(known)], tool{
		name:    "acme",
		tables:  []string{"acme_history"},
		columns: []string{"seq", "label", "done_at"},
		key:     []string{"label", "done_at"},
		version: "label",
	})
	for _, table := range []string{"acme_history", "app.done"} {
		s := newScript(t, "postgresql")
		s.exec(1, "CREATE TABLE IF NOT EXISTS "+table+" (seq int, label text, done_at timestamptz)")
		s.query(1, []string{"label", "done_at"}, [][]driver.Value{{"1", "t"}}, "SELECT label, done_at FROM "+table)
		s.begin(1)
		s.exec(1, "CREATE TABLE a (id int)")
		s.exec(1, "INSERT INTO "+table+" (label, done_at) VALUES ($1, now())", "2")
		s.commit(1)
		s.begin(1)
		s.exec(1, "DROP TABLE a")
		s.exec(1, "DELETE FROM "+table+" WHERE label = $1", "2")
		s.commit(1)
		s.begin(1)
		s.fails(1, syntaxError, "CREATE TABEL a (id int)")
		s.rollback(1)
		s.close(1)
		s.want("acme up 2 applied", "acme down 2 applied", "acme unknown - failed")
		if len(s.runs) != 1 || s.runs[0].Tool != "acme" || s.runs[0].Applied != 1 || s.runs[0].RolledBack != 1 || s.runs[0].Failures != 1 {
			t.Errorf("%s: runs: %+v", table, s.runs)
		}
		s.over()
	}
}

// A row that lacks something, or that hides another, is a mistake.
func TestKnown(t *testing.T) {
	if len(known) >= 31 {
		t.Fatalf("%d tools: a toolSet has no bit for the last", len(known))
	}
	names := map[string]bool{}
	for i := range known {
		k := &known[i]
		if k.name == "" || len(k.tables) == 0 || !covers(k.columns, k.key) || !covers(k.columns, []string{k.version}) || names[k.name] {
			t.Errorf("the row of %q is not whole, or stands twice", k.name)
		}
		names[k.name] = true
		for j := range i {
			if first := &known[j]; !k.weak && !first.weak && covers(first.columns, k.columns) && covers(k.columns, first.key) {
				t.Errorf("every table of %s is one of %s", k.name, first.name)
			}
		}
	}
}

// TestQuotedName: what stands before a version table's name, in whichever
// script, does not change whether the name is quoted, by which xorm and
// gormigrate are told apart.
func TestQuotedName(t *testing.T) {
	long := strings.Repeat("Ⱥ", 40) // a byte longer each in lower case
	for sql, want := range map[string]bool{
		`SELECT id FROM migrations`:                          false,
		`SELECT id FROM "Migrations"`:                        true,
		`SELECT '` + long + `', id FROM migrations`:          false,
		`SELECT '` + long + `', id FROM "migrations"`:        true,
		`SELECT '` + long + `', "id" FROM migrations`:        false,
		`DELETE FROM "migrations" WHERE id = '` + long + `'`: true,
	} {
		text := sqltext.Analyze(sql, sqltext.PostgreSQL)
		if got := (hand{text, &text.Statements[0], "migrations"}).quoted(); got != want {
			t.Errorf("%s: quoted is %v", sql, got)
		}
	}
}
