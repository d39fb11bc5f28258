package audit

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sqlwitness/sqlwitness/event"
)

// The tree is that of RFC 6962: golang.org/x/mod and transparency-dev/merkle,
// which share no code, find the same root and the same nodes at every size.
func TestTree(t *testing.T) {
	var ours tree
	stored := map[int64]tlog.Hash{}
	reader := tlog.HashReaderFunc(func(ix []int64) ([]tlog.Hash, error) {
		list := make([]tlog.Hash, len(ix))
		for i, n := range ix {
			list[i] = stored[n]
		}
		return list, nil
	})
	theirs := (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewEmptyRange(0)
	for n := range int64(300) {
		data := fmt.Appendf(nil, "leaf %d", n)
		for k, h := range ours.add(tlog.RecordHash(data)) {
			stored[firstNode(n)+int64(k)] = h
		}
		if int64(len(stored)) != tlog.StoredHashCount(n+1) {
			t.Fatalf("size %d: %d nodes", n+1, len(stored))
		}
		root, err := tlog.TreeHash(n+1, reader)
		if err != nil || root != ours.root() {
			t.Fatalf("size %d: root %v, tlog has %v (%v)", n+1, ours.root(), root, err)
		}
		if err := theirs.Append(rfc6962.DefaultHasher.HashLeaf(data), nil); err != nil {
			t.Fatal(err)
		}
		if h, err := theirs.GetRootHash(nil); err != nil || tlog.Hash(h) != ours.root() {
			t.Fatalf("size %d: merkle has %x (%v)", n+1, h, err)
		}
		for i, ix := range edgeOf(n + 1) {
			if stored[ix] != ours.edge[i] {
				t.Fatalf("size %d: edge %d is not node %d", n+1, i, ix)
			}
		}
	}
}

// key is one for tests: private and public.
func testKey(t testing.TB, name string) (Key, string) {
	t.Helper()
	key, public, err := NewKey(strings.NewReader(strings.Repeat(name, 32)), name)
	if err != nil {
		t.Fatal(err)
	}
	return key, public
}

// migrate records n migrations in transactions of their own, and seals.
func (b *bench) migrate(n int) {
	b.t.Helper()
	for i := range n {
		m := migration(fmt.Sprint(i))
		b.must(b.store.Intent(b.t.Context(), m, false))
		tx := b.begin(nil)
		b.must(b.commit(tx, ended(m, event.Applied)))
	}
	b.sealed()
}

// sealed waits until all is sealed.
func (b *bench) sealed() {
	b.t.Helper()
	s := b.store.sealer
	for range 100 {
		if s.lag() == 0 {
			return
		}
		s.attempt(context.Background())
	}
	b.t.Fatalf("not sealed: %+v", b.troubles)
}

func (b *bench) verify(cfg VerifyConfig) *Report {
	b.t.Helper()
	r, err := Verify(b.t.Context(), b.db, b.kit.system, cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func codes(r *Report) string {
	var list []string
	for _, f := range r.Findings {
		if f.Code != GuardWeak { // the tests' roles may do anything
			list = append(list, string(f.Code))
		}
	}
	return strings.Join(list, " ")
}

func TestSeal(t *testing.T) {
	for _, k := range allKits {
		t.Run(k.name, func(t *testing.T) {
			key, public := testKey(t, "shop")
			anchors := &memory{}
			b := newBench(t, k, Config{Key: key, Anchors: anchors.list()})
			b.migrate(3)
			b.expectTroubles()
			b.must(b.store.Close(t.Context()))
			r := b.verify(VerifyConfig{Keys: []string{public}, Anchors: anchors.texts()})
			if codes(r) != "" || len(r.Unchecked) > 0 || r.Size != 7 || r.Checked != 7 || r.Anchored != 7 || r.Notes == 0 || r.Checkpoints == 0 {
				t.Errorf("report is %+v", r)
			}
		})
	}
}

// A pass looks at the store's own entries, however old those are, and once in a
// while at those that others have left: none is sealed before its intent.
func TestSealOthers(t *testing.T) {
	for _, k := range allKits {
		t.Run(k.name, func(t *testing.T) {
			start := time.Now()
			var later atomic.Int64 // the sealer reads the clock on a goroutine of its own
			c, err := k.connector(k.dsn(t))
			if err != nil {
				t.Fatal(err)
			}
			b := &bench{t: t, kit: k, db: sql.OpenDB(c)}
			t.Cleanup(func() { b.db.Close() })
			b.store = b.open(c.Connect, Config{}, Deps{Now: func() time.Time { return start.Add(time.Duration(later.Load())) }})
			record := func(m *event.Migration, meanwhile ...func()) {
				b.must(b.store.Intent(t.Context(), m, false))
				for _, f := range meanwhile {
					f()
				}
				b.must(b.store.Outcome(t.Context(), ended(m, event.Applied)))
				b.sealed()
			}
			unsealed := func(want int64) {
				t.Helper()
				if r := b.verify(VerifyConfig{}); r.Unsealed != want || r.Counts[IntentOpen] > 0 || r.Altered() {
					t.Errorf("%d are not sealed, want %d; report is %+v", r.Unsealed, want, r)
				}
			}
			// left writes an entry that no sealer is told of.
			late, theirs := migration("late"), migration("theirs") // late begins first, and ends last
			attempt := uuid.MustParse(theirs.MigrationID)
			left := func(d draft) {
				t.Helper()
				d.attempt = attempt
				e, err := b.store.scribe.entry(theirs, d)
				b.must(err)
				b.must(b.store.own.do(t.Context(), func(ctx context.Context, c *sql.Conn) error { return b.store.dialect.store(ctx, c, []*entry{e}) }))
			}
			record(migration("first"))
			left(draft{kind: kindIntent, stage: stageStart})
			record(migration("second"), func() { left(draft{kind: kindOutcome, stage: stageAfter, outcome: event.Applied}) })
			unsealed(2)
			record(late)
			unsealed(0)

			theirs = migration("more of theirs")
			attempt = uuid.MustParse(theirs.MigrationID)
			left(draft{kind: kindIntent, stage: stageStart})
			record(migration("third"))
			unsealed(1)
			later.Add(int64(othersEvery))
			record(migration("fourth"))
			if r := b.verify(VerifyConfig{}); r.Unsealed > 0 || r.Counts[IntentOpen] != 1 {
				t.Errorf("report is %+v", r)
			}
			left(draft{kind: kindOutcome, stage: stageAfter, outcome: event.Applied})
			unsealed(1) // and nothing is open
		})
	}
}

// Many processes that migrate at once make one tree, without a gap or a fork.
func TestSealConcurrently(t *testing.T) {
	for _, k := range []kit{kitPQ, kitPGX, kitMySQL} {
		t.Run(k.name, func(t *testing.T) {
			key, public := testKey(t, "shop")
			b := newBench(t, k, Config{Key: key})
			b.must(b.store.ready(t.Context()))
			var all sync.WaitGroup
			for range 8 {
				other := newBenchAt(t, k, b.dsn, Config{Key: key})
				all.Go(func() { other.migrate(5) })
			}
			all.Wait()
			b.migrate(1)
			r := b.verify(VerifyConfig{Keys: []string{public}})
			if codes(r) != "" || r.Size < 83 || r.Size > 91 { // each may have tried to open the log
				t.Errorf("report is %+v", r)
			}
		})
	}
}
