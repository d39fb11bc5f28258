package migrator

import (
	"slices"
	"testing"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/sqltext"
)

// TestLocksOfTools: a key that a tool makes for itself is a migration's lock
// before anything tells of a run.
func TestLocksOfTools(t *testing.T) {
	for _, c := range []struct {
		system, key string
		want        bool
	}{
		{"postgresql", "4097083626", true}, // goose
		{"postgresql", "1787120056", true}, // golang-migrate, for the database app
		{"mariadb", "2938252834", true},    // the same
		{"mariadb", "1787120056", false},   // that of PostgreSQL
		{"postgresql", "7", false},         // an application's
		{"postgresql", "", false},          // computed in the server
	} {
		tr := New(Config{Database: event.Database{System: c.system, Name: "app"}})
		if got := tr.Locks(1, c.key); got != c.want {
			t.Errorf("%s %q: %v", c.system, c.key, got)
		}
	}
}

func TestOnVersionTable(t *testing.T) {
	for text, want := range map[string]bool{
		"INSERT INTO goose_db_version (version_id, is_applied) VALUES (1, true)": true,
		"SELECT version, dirty FROM public.schema_migrations LIMIT 1":            true,
		"SELECT pg_try_advisory_lock(7)":                                         false,
		"SELECT version FROM leaders WHERE id = 1":                               false,
		"INSERT INTO orders (version) VALUES (1)":                                false,
	} {
		if got := OnVersionTable(sqltext.Analyze(text, sqltext.PostgreSQL)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

// TestLocksOf: the keys are those that the tools take; golang-migrate's were worked
// out apart from this code.
func TestLocksOf(t *testing.T) {
	for db, want := range map[event.Database]Lock{
		{System: "postgresql", Name: "shop"}: {"golang-migrate", "3689236698"},
		{System: "mysql", Name: "shop"}:      {"golang-migrate", "2821548460"},
		{System: "postgresql"}:               {"goose", "4097083626"},
	} {
		if got := LocksOf(db); !slices.Contains(got, want) {
			t.Errorf("%v: %v lacks %v", db, got, want)
		}
	}
	for _, db := range []event.Database{{System: "sqlite", Name: "shop"}, {System: "mysql"}} {
		if got := LocksOf(db); len(got) != 0 {
			t.Errorf("%v: %v", db, got)
		}
	}
}
