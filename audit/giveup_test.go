package audit

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"
)

// A restored backup is tampering until the holder of the key answers for it, and
// a loss that stays visible from then on.
func TestGiveUp(t *testing.T) {
	for _, k := range []kit{kitPQ, kitMySQL, kitSQLite} {
		t.Run(k.name, func(t *testing.T) {
			key, public := testKey(t, "shop")
			anchors := &memory{}
			b := newBench(t, k, Config{Key: key, Anchors: anchors.list()})
			b.migrate(2)
			backup := b.read()
			b.migrate(1)
			b.migrate(2)
			b.over()
			b.unguard()
			b.replace(backup) // and the tool goes on
			after := newBenchAt(t, k, b.dsn, Config{Key: key, Anchors: anchors.list()})
			after.migrate(1)
			after.over()
			verify := func(since bool) *Report {
				t.Helper()
				return b.verify(VerifyConfig{Keys: []string{public}, Anchors: anchors.texts(), Since: since})
			}
			loss := verify(false)
			if !loss.Altered() || !strings.Contains(codes(loss), "anchor_ahead") || len(loss.Lost) < 2 {
				t.Fatalf("after the restore: %s, lost %v", codes(loss), loss.Lost)
			}

			// Who has no key can say it, and it counts for nothing.
			stranger, _ := freshKey(t)
			forger := newBenchAt(t, k, b.dsn, Config{Key: stranger})
			forger.store.sealer.queues = nil
			forged := b.read()
			b.must(forger.store.GiveUp(t.Context(), loss, "it was nobody", ""))
			forger.over()
			if r := verify(false); !strings.Contains(codes(r), "anchor_ahead") {
				t.Errorf("a stranger's word counts: %s", codes(r))
			}
			b.unguard() // which a store restores
			b.replace(forged)

			owner := newBenchAt(t, k, b.dsn, Config{Key: key, Anchors: anchors.list()})
			b.must(owner.store.GiveUp(t.Context(), loss, "disk failure, backup of Monday", "OPS-7"))
			owner.over()
			for range 2 { // at once, and when the log has outgrown what was lost
				for _, since := range []bool{false, true} {
					r := verify(since)
					rest := slices.DeleteFunc(strings.Fields(codes(r)), func(c string) bool { return c == string(GuardOff) })
					if r.Altered() || !slices.Contains(rest, "log_recovered") && !since || len(r.Lost) > 0 {
						t.Errorf("since %v, of %d entries: %v, lost %v", since, r.Size, rest, r.Lost)
					}
				}
				more := newBenchAt(t, k, b.dsn, Config{Key: key, Anchors: anchors.list()})
				more.migrate(6)
				more.over()
			}
			var export bytes.Buffer
			b.must(Export(t.Context(), b.db, k.system, JSONL, &export, nil))
			if r, err := VerifyExport(&export, VerifyConfig{Keys: []string{public}, Anchors: anchors.texts()}); err != nil || r.Altered() || r.Counts[LogRecovered] != 1 {
				t.Errorf("the export: %+v, error %v", r, err)
			}

			// It answers for that loss and for no other.
			b.unguard()
			b.replace(backup)
			if r := verify(false); !r.Altered() || len(r.Lost) <= len(loss.Lost) {
				t.Errorf("a second restore: %s", codes(r))
			}
		})
	}
}

func TestGiveUpRefuses(t *testing.T) {
	key, public := testKey(t, "shop")
	anchors := &memory{}
	b := newBench(t, kitSQLite, Config{Key: key, Anchors: anchors.list()})
	b.migrate(2)
	b.over()
	b.unguard()
	whole := b.verify(VerifyConfig{Keys: []string{public}, Anchors: anchors.texts()})
	c := b.read()
	rewrite(c)
	b.replace(c)
	altered := b.verify(VerifyConfig{Keys: []string{public}, Anchors: []io.Reader{}})
	altered.Lost = []Checkpoint{{Origin: "shop/x", Size: 9}}
	lost := &Report{Lost: altered.Lost}
	for name, c := range map[string]struct {
		key    Key
		report *Report
		reason string
		want   string
	}{
		"no key":       {"", lost, "r", "log's key"},
		"no reason":    {key, lost, "", "takes a reason"},
		"nothing lost": {key, whole, "r", "no checkpoint that the log lacks"},
		"tampering":    {key, altered, "r", "was altered (entry_altered)"},
	} {
		s := newBenchAt(t, kitSQLite, b.dsn, Config{Key: c.key}).store
		if err := s.GiveUp(t.Context(), c.report, c.reason, ""); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}
