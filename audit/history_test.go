package audit

import (
	"context"
	"database/sql/driver"
	"encoding/hex"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// TestHistory: what ended last comes first, with what it takes to compare it
// with others.
func TestHistory(t *testing.T) {
	each(t, allKits, func(t *testing.T, b *bench) {
		ctx := context.Background()
		record := func(version, fingerprint string, took time.Duration, o event.Outcome) {
			m := migration(version)
			b.must(b.store.Intent(ctx, m, false))
			ended(m, o).Duration = took
			m.Body[0].Fingerprint = fingerprint
			b.must(b.store.Outcome(ctx, m))
		}
		record("1", "0badcafe", time.Second, event.Applied)
		record("1", "0badcafe", 3*time.Second, event.Applied)
		record("1", "deadbeef", time.Minute, event.Failed)

		past, err := b.store.History(ctx, 10)
		b.must(err)
		if len(past) != 3 {
			t.Fatalf("%d migrations, want 3: %+v", len(past), past)
		}
		last, middle, first := past[0], past[1], past[2]
		for _, p := range past {
			if p.Tool != "goose" || p.Version == nil || *p.Version != "1" || p.Direction != event.Up || p.Run == "" || p.Migration == "" || p.At.IsZero() {
				t.Errorf("%+v", p)
			}
		}
		if last.Duration != time.Minute || last.Outcome != event.Failed || first.Duration != time.Second || first.Outcome != event.Applied {
			t.Errorf("from %+v\nto %+v", first, last)
		}
		if first.Statements == "" || first.Statements != middle.Statements || first.Statements == last.Statements {
			t.Errorf("statements: %q, %q, other ones %q", first.Statements, middle.Statements, last.Statements)
		}
		if two, err := b.store.History(ctx, 2); err != nil || len(two) != 2 || two[0].Migration != last.Migration {
			t.Errorf("the last two: %+v, %v", two, err)
		}
	})
}

func TestHistoryWithoutATrail(t *testing.T) {
	b := newBench(t, kitSQLite, Config{Mode: Off})
	if past, err := b.store.History(t.Context(), 10); err != nil || len(past) > 0 || b.has("sqlwitness_entry") {
		t.Errorf("the mode is off: %+v, %v", past, err)
	}
	other, err := Open(Config{}, event.Database{System: "oracle"}, func(context.Context) (driver.Conn, error) { return nil, driver.ErrBadConn }, Deps{})
	b.must(err)
	if _, err := other.History(t.Context(), 10); err == nil {
		t.Error("a system without a trail was asked")
	}
}

// A reading of the trail that fails is no outage of the audit, for which entries
// would go to the spool.
func TestHistoryIsNoOutage(t *testing.T) {
	each(t, []kit{kitPGX, kitMySQL}, func(t *testing.T, b *bench) {
		b.migrate(1)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := b.store.History(ctx, 10); err == nil {
			t.Error("it was read without any time")
		}
		if b.store.failed != nil {
			t.Errorf("the audit takes it for an outage: %v", b.store.failed)
		}
	})
}

// TestSameness: what cannot be compared with certainty is like nothing.
func TestSameness(t *testing.T) {
	for body, comparable := range map[string]bool{
		`{"statements":[{"op":"INSERT","fp":"0badcafe"}],"total":1}`:              true,
		`{"statements":[{"op":"INSERT","fp":"0badcafe"}],"total":9,"left_out":8}`: false,
		`{"statements":[{"op":"INSERT","fp":""}],"total":1}`:                      false,
		`{}`: false, `[`: false, ``: false,
	} {
		if got := sameness(hexText(body)); (got != "") != comparable {
			t.Errorf("%s: %q", body, got)
		}
	}
	if sameness("not hexadecimal") != "" {
		t.Error("what is no hexadecimal was read")
	}
}

func hexText(s string) string { return hex.EncodeToString([]byte(s)) }
