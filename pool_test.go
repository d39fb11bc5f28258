package sqlwitness

import (
	"database/sql"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

// TestRegisterDB: a scrape shows the pool as it is, of a DB that is watched or not.
func TestRegisterDB(t *testing.T) {
	w := newWitness(t, Config{})
	watched, err := w.Open("sqlite", testdb.SQLite(t))
	if err != nil {
		t.Fatal(err)
	}
	bare, err := sql.Open("sqlite", testdb.SQLite(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, db := range map[string]*sql.DB{"watched": watched, "bare": bare} {
		t.Run(name, func(t *testing.T) {
			defer db.Close()
			db.SetMaxOpenConns(4)
			unregister := w.RegisterDB(name, db)
			conn, err := db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			has := func(want string) bool {
				var b strings.Builder
				w.WritePrometheus(&b)
				return strings.Contains(b.String(), want)
			}
			expect := func(state, n string) {
				t.Helper()
				if want := `sqlwitness_pool_connections{pool="` + name + `",state="` + state + `"} ` + n + "\n"; !has(want) {
					t.Errorf("no %s", want)
				}
			}
			expect("in_use", "1")
			expect("idle", "0")
			if err := conn.Close(); err != nil {
				t.Fatal(err)
			}
			expect("in_use", "0")
			expect("idle", "1")
			if !has(`sqlwitness_pool_max_open{pool="` + name + `"} 4`) {
				t.Error("no limit")
			}
			unregister()
			if has(`pool="` + name + `"`) {
				t.Error("still there after unregister")
			}
		})
	}
}

func TestRegisterNoDB(t *testing.T) {
	defer func() {
		if s, _ := recover().(string); !strings.Contains(s, "db is nil") {
			t.Errorf("panic: %q", s)
		}
	}()
	newWitness(t, Config{}).RegisterDB("none", nil)
}
