package audit_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/audit"
	"github.com/sqlwitness/sqlwitness/audit/anchor"
)

// A year in a few lines: a key, a migration, and the auditor who has the public
// key and what the anchor has kept, and trusts nobody who can write to the
// database.
func ExampleVerify() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	key, public, err := audit.NewKey(rand.Reader, "orders-prod")
	if err != nil {
		log.Fatal(err)
	}
	w, err := sqlwitness.New(sqlwitness.Config{LogOutput: io.Discard, Audit: audit.Config{
		Key:     key,
		Anchors: []anchor.Anchor{anchor.NewFile(filepath.Join(dir, "anchor.jsonl"))},
	}})
	if err != nil {
		log.Fatal(err)
	}
	db, err := w.Open("sqlite", filepath.Join(dir, "app.db"))
	if err != nil {
		log.Fatal(err)
	}
	_, _ = db.Exec("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
	_ = db.Close()
	_ = w.Close(ctx)

	// The auditor, with a connection of their own.
	bare, err := sql.Open("sqlite", filepath.Join(dir, "app.db"))
	if err != nil {
		log.Fatal(err)
	}
	defer bare.Close()
	check := func() {
		kept, err := os.Open(filepath.Join(dir, "anchor.jsonl"))
		if err != nil {
			log.Fatal(err)
		}
		defer kept.Close()
		report, err := audit.Verify(ctx, bare, "sqlite", audit.VerifyConfig{Keys: []string{public}, Anchors: []io.Reader{kept}})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("altered:", report.Altered(), report.Counts)
	}
	check()

	// Somebody who may write to the file takes the guards off and removes what
	// they did.
	for _, q := range []string{
		"DROP TRIGGER sqlwitness_entry_delete",
		"DELETE FROM sqlwitness_entry WHERE id = (SELECT max(id) FROM sqlwitness_entry)",
	} {
		if _, err := bare.Exec(q); err != nil {
			log.Fatal(err)
		}
	}
	check()
	// Output:
	// altered: false map[]
	// altered: true map[entry_deleted:1 guard_off:1 intent_open:1 section_foreign:2]
}
