package audit

import (
	"bytes"
	"context"
	"database/sql"
	"io"
	"strings"
	"testing"
)

// Who reads the record leaves an entry, which neither the next reader nor anybody
// else takes for something that was forgotten.
func TestReadingIsRecorded(t *testing.T) {
	for _, k := range allKits {
		t.Run(k.name, func(t *testing.T) {
			b, public, _ := exported(t, k, Config{}, JSONL)
			verify := func() *Report {
				t.Helper()
				r, err := Verify(t.Context(), b.db, k.system, VerifyConfig{Keys: []string{public}})
				b.must(err)
				delete(r.Counts, GuardWeak) // the tests' accounts may do all
				return r
			}
			reader := newBenchAt(t, k, b.dsn, Config{Actor: "auditor"})
			b.must(reader.store.Verified(t.Context(), verify()))
			b.must(reader.store.Exported(t.Context(), Exported{Format: CSV, Entries: 7, Bytes: 4711, SHA256: "ab"}))
			rows := b.rows()
			seen, sent := rows[len(rows)-2], rows[len(rows)-1]
			facts := seen.leaf["facts"].(map[string]any)
			if seen.kind != KindVerified || facts["verdict"] != "ok" || facts["size"] != 7.0 || !strings.HasPrefix(facts["keys"].([]any)[0].(string), "shop+") {
				t.Errorf("the verification is %s %v", seen.kind, facts)
			}
			facts = sent.leaf["facts"].(map[string]any)
			if sent.kind != KindExported || facts["format"] != "csv" || facts["bytes"] != 4711.0 || facts["complete"] != true {
				t.Errorf("the export is %s %v", sent.kind, facts)
			}
			who := seen.sections[sectionActor]
			if who["actor"].(map[string]any)["value"] != "auditor" || k.system != "sqlite" && who["db_user"] == nil {
				t.Errorf("the reader is %v", who)
			}
			// It has no key: the entries wait for the next migration, and nobody minds.
			if r := verify(); len(r.Counts) > 0 || r.Unsealed != 2 {
				t.Errorf("afterwards %d wait, found %v", r.Unsealed, r.Counts)
			}
			b.must(b.conn.Close())
			next := newBenchAt(t, k, b.dsn, Config{Key: b.store.cfg.Key})
			next.migrate(1)
			b.must(next.store.Close(t.Context()))
			if r := verify(); len(r.Counts) > 0 || r.Unsealed != 0 || r.Size != 11 {
				t.Errorf("in the end %d of %d wait, found %v", r.Unsealed, r.Size, r.Counts)
			}
		})
	}
}

// An account that may only read verifies and leaves nothing.
func TestReadingWithoutTheRight(t *testing.T) {
	b, public, _ := exported(t, kitPGX, Config{}, JSONL)
	exec1(t, b.db, "CREATE ROLE reader", "GRANT USAGE ON SCHEMA sqlwitness TO reader", "GRANT SELECT ON ALL TABLES IN SCHEMA sqlwitness TO reader")
	t.Cleanup(func() { exec1(t, b.db, "DROP OWNED BY reader", "DROP ROLE reader") })
	before := len(b.rows())
	reader := newBenchAt(t, kitPGX, b.dsn, Config{})
	reader.store.own.session = "SET ROLE reader"
	r, err := Verify(t.Context(), b.db, "postgresql", VerifyConfig{Keys: []string{public}})
	b.must(err)
	if err := reader.store.Verified(t.Context(), r); !forbidden(err) {
		t.Errorf("error %v", err)
	}
	reader.expectTroubles()
	if s := reader.store.Stats().entries(); s != (Stats{}) || len(b.rows()) != before {
		t.Errorf("counted %+v, %d entries more", s, len(b.rows())-before)
	}
}

// Where there are no audit tables, none are made to say so.
func TestReadingMakesNoTables(t *testing.T) {
	each(t, []kit{kitPQ, kitSQLite}, func(t *testing.T, b *bench) {
		if err := b.store.Verified(t.Context(), &Report{}); err == nil {
			t.Error("the verification of nothing is recorded")
		}
		var out bytes.Buffer
		if err := Export(context.Background(), b.db, b.kit.system, JSONL, io.Writer(&out), nil); err == nil || !strings.Contains(err.Error(), "no audit tables") {
			t.Errorf("error %v, %s", err, out.String())
		}
		var n sql.NullInt64
		if err := b.db.QueryRow("SELECT count(*) FROM " + b.kit.table + "entry").Scan(&n); err == nil {
			t.Error("there are tables")
		}
	})
}
