package audit

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/sqlwitness/sqlwitness/event"
)

func TestKey(t *testing.T) {
	key, public := testKey(t, "shop")
	path := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, []byte(string(key)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, k := range []Key{key, Key(path)} {
		if got, err := k.Public(); err != nil || got != public {
			t.Errorf("public is %q (%v), want %q", got, err, public)
		}
		if s, err := k.signer(); err != nil || s.Name() != "shop" {
			t.Errorf("signer: %v", err)
		}
	}
	b, _ := json.Marshal(key)
	if shown := fmt.Sprintf("%v %+v %#v %s", key, Config{Key: key}, Config{Key: key}, b); strings.Contains(shown, "PRIVATE") {
		t.Errorf("it shows: %s", shown)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	for _, k := range []Key{Key(path), key[:40], "PRIVATE+KEY+secret", "secret"} {
		if _, err := k.signer(); err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), string(key[20:40])) {
			t.Errorf("%d characters: error %v", len(k), err)
		}
	}
	for _, name := range []string{"", "a b", "a+b", "a\nb"} {
		if _, _, err := NewKey(strings.NewReader(strings.Repeat("x", 64)), name); err == nil {
			t.Errorf("%q names a key", name)
		}
	}
	if _, err := Open(Config{Anchors: (&memory{}).list()}, event.Database{}, dsnConnector{}.Connect, Deps{Getenv: func(string) string { return "" }}); err == nil {
		t.Error("anchors without a key")
	}
	if s, err := Open(Config{}, event.Database{}, dsnConnector{}.Connect, Deps{Getenv: func(name string) string { return map[string]string{EnvKey: string(key)}[name] }}); err != nil || s.sealer.signer == nil {
		t.Errorf("the environment's key: %v", err)
	}
}

// What one process recorded and did not seal, the next one seals.
func TestSealLeftovers(t *testing.T) {
	for _, k := range allKits {
		t.Run(k.name, func(t *testing.T) {
			b := newBench(t, k, Config{})
			b.must(b.store.ready(t.Context()))
			e, err := b.store.scribe.entry(migration("1"), draft{attempt: uuid.Must(uuid.NewV7()), kind: kindIntent, stage: stageStart})
			b.must(err)
			b.must(b.store.own.do(t.Context(), func(ctx context.Context, c *sql.Conn) error { return b.store.dialect.store(ctx, c, []*entry{e}) }))
			if r := b.verify(VerifyConfig{}); codes(r) != "unsealed" || r.Altered() {
				t.Fatalf("before: %+v", r)
			}
			next := newBenchAt(t, k, b.dsn, Config{})
			next.migrate(1)
			if r := b.verify(VerifyConfig{}); r.Size < 4 || strings.Contains(codes(r), "unsealed") {
				t.Errorf("afterwards: %+v", r)
			}
		})
	}
}

// Nothing is added to a tree that contradicts its checkpoint, and somebody is told.
func TestSealRefusesTamperedTree(t *testing.T) {
	for what, tamper := range map[string]func(*contents){
		"cut":  func(c *contents) { c.cut(3) },
		"node": func(c *contents) { c.nodes[firstNode(6)][0] ^= 1 }, // at the edge
		"gone": func(c *contents) { delete(c.nodes, firstNode(6)) },
	} {
		t.Run(what, func(t *testing.T) {
			key, _ := testKey(t, "shop")
			b := newBench(t, kitSQLite, Config{Key: key})
			b.migrate(3)
			b.must(b.store.Close(t.Context()))
			b.unguard()
			c := b.read()
			tamper(c)
			b.replace(c)
			next := newBenchAt(t, kitSQLite, b.dsn, Config{Key: key})
			m := migration("9")
			next.must(next.store.Intent(t.Context(), m, false))
			next.must(next.commit(next.begin(nil), ended(m, event.Applied)))
			var told bool
			for _, trouble := range next.troubles {
				told = told || trouble.Kind == TroubleSeal && trouble.Class == tampered
			}
			if got := b.read(); len(got.seals) != len(c.seals) || len(got.checkpoints) != len(c.checkpoints) || !told {
				t.Errorf("%d seals, %d checkpoints; told: %+v", len(got.seals), len(got.checkpoints), next.troubles)
			}
		})
	}
}

// A copy of a database in another one goes on under another name, and says so.
func TestCopy(t *testing.T) {
	key, public := testKey(t, "shop")
	original := newBench(t, kitPQ, Config{Key: key})
	original.migrate(2)
	dump := original.read()
	original.migrate(1)
	first := original.verify(VerifyConfig{Keys: []string{public}})

	maker := newBench(t, kitPQ, Config{})
	maker.must(maker.store.ready(t.Context()))
	maker.replaceInto(dump)
	if r := maker.verify(VerifyConfig{Keys: []string{public}}); codes(r) != "moved" || r.Altered() {
		t.Errorf("before it goes on: %+v", r)
	}
	anchors := &memory{}
	copied := newBenchAt(t, kitPQ, maker.dsn, Config{Key: key, Anchors: anchors.list()})
	copied.migrate(1)
	r := copied.verify(VerifyConfig{Keys: []string{public}})
	if codes(r) != "copy_started" || r.Altered() || r.Log == first.Log || r.Log == "" {
		t.Errorf("when it has gone on: %+v", r)
	}

	// What is sealed after an anchor may be of a log that was opened before it.
	copied.must(copied.store.Close(t.Context()))
	late := newBenchAt(t, kitPQ, maker.dsn, Config{Key: key})
	late.store.scribe.log.Store(&first.Log)
	late.migrate(1)
	since := late.verify(VerifyConfig{Keys: []string{public}, Anchors: anchors.texts(), Since: true})
	if codes(since) != "" || since.From != r.Size || since.Checked != 2 || since.Log != r.Log {
		t.Errorf("since the copy's anchor: %+v", since)
	}
}

// replaceInto is replace where nothing is to be deleted, past the guards.
func (b *bench) replaceInto(c *contents) {
	b.unguard()
	b.replace(c)
	for _, t := range tables {
		exec1(b.t, b.db, "ALTER TABLE sqlwitness."+t+" ENABLE ALWAYS TRIGGER append_only, ENABLE ALWAYS TRIGGER no_truncate")
	}
}

// With Since what the anchors vouch for is not read again, and is vouched for.
func TestVerifySince(t *testing.T) {
	for _, k := range []kit{kitPQ, kitMySQL, kitSQLite} {
		t.Run(k.name, func(t *testing.T) {
			key, public := testKey(t, "shop")
			anchors := &memory{}
			b := newBench(t, k, Config{Key: key, Anchors: anchors.list()})
			b.migrate(3)
			b.must(b.store.Close(t.Context()))
			next := newBenchAt(t, k, b.dsn, Config{Key: key})
			next.migrate(1)
			b.unguard()
			since := func() *Report {
				return b.verify(VerifyConfig{Keys: []string{public}, Anchors: anchors.texts(), Since: true})
			}
			if r := since(); r.Altered() || len(r.Unchecked) > 0 || r.From != 7 || r.Checked != 2 || r.Anchored != 7 || r.Size != 9 {
				t.Errorf("report is %+v", r)
			}
			c := b.read()
			c.nodes[edgeOf(7)[0]][0] ^= 1
			b.replace(c)
			if r := since(); !r.Altered() {
				t.Errorf("the edge was altered: %+v", r)
			}
		})
	}
}
