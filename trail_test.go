package sqlwitness

import (
	"testing"

	"github.com/sqlwitness/sqlwitness/audit"
	"github.com/sqlwitness/sqlwitness/dashboard"
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
