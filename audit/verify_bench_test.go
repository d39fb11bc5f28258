package audit

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sqlwitness/sqlwitness/audit/anchor"
	"github.com/sqlwitness/sqlwitness/event"
)

var benchEntries = flag.Int64("audit.entries", 20_000, "entries in the log of BenchmarkVerify; 1000000 takes some minutes to make; see docs/limits.md")

// fill makes a log of n intents and outcomes, each with the usual sections, in
// one transaction for every thousand, with a checkpoint for each.
func (b *bench) fill(n int64, key Key) {
	b.t.Helper()
	b.must(b.store.ready(b.t.Context()))
	d, s := b.store.dialect, b.store.scribe
	signer, err := key.signer()
	b.must(err)
	conn, err := b.db.Conn(b.t.Context())
	b.must(err)
	defer conn.Close()
	exec1(b.t, conn, "SET synchronous_commit = off")

	open, err := s.opening(map[string]string{}, &head{})
	b.must(err)
	log := open.id.String()
	s.log.Store(&log)
	m := ended(migration("20261124080000"), event.Applied)
	var templates [2]*entry
	for i, k := range [...]string{kindIntent, kindOutcome} {
		templates[i], err = s.entry(m, draft{attempt: uuid.MustParse(m.MigrationID), kind: k, stage: stageStart, outcome: event.Applied})
		b.must(err)
	}
	exec1(b.t, conn, d.lit.insertPayload("sqlwitness.payload", []*entry{open}))
	var sections []string
	for _, t := range templates {
		for _, sec := range t.sections {
			sections = append(sections, fmt.Sprintf("('%s', '%s', %s, %s)", t.kind, sec.name, d.lit.bytes(sec.salt), d.lit.bytes(sec.body)))
		}
	}
	h := &head{log: log}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	const batch = 1000
	for h.size < n {
		var entries []*entry
		for i := h.size; i < min(h.size+batch, n); i++ {
			if i == 0 {
				entries = append(entries, open)
				continue
			}
			t := templates[(i+1)%2]
			e := &entry{kind: t.kind, stage: t.stage}
			e.id, e.attempt = numbered(1, i), numbered(2, (i+1)/2)
			e.leaf = bytes.ReplaceAll(t.leaf, []byte(t.id.String()), []byte(e.id.String()))
			e.leaf = bytes.ReplaceAll(e.leaf, []byte(t.attempt.String()), []byte(e.attempt.String()))
			entries = append(entries, e)
		}
		list := make([]unsealed, len(entries))
		var rows strings.Builder
		for i, e := range entries {
			at := start.Add(time.Duration(h.size+int64(i)) * time.Second).Format("2006-01-02T15:04:05.000000Z")
			list[i] = unsealed{e.id, e.leaf, facts{dbTime: at, xid: "1000"}}
			fmt.Fprintf(&rows, "%s('%s', '%s', '%s', '%s', '\\x%s', '1000', '%s')", comma(i), e.id, e.attempt, e.kind, e.stage, hex.EncodeToString(e.leaf), at)
		}
		first, last := numbered(1, max(h.size, 1)), numbered(1, h.size+int64(len(entries))-1)
		texts := append(d.extend(h, list), "INSERT INTO sqlwitness.entry (id, attempt, kind, stage, leaf, xid, db_time) VALUES "+rows.String(),
			fmt.Sprintf("INSERT INTO sqlwitness.payload (entry, section, salt, body) SELECT e.id, p.section, p.salt, p.body FROM sqlwitness.entry e JOIN (VALUES %s) p (kind, section, salt, body) ON p.kind = e.kind WHERE e.id BETWEEN '%s' AND '%s'",
				strings.Join(sections, ", "), first, last))
		cp := Checkpoint{Origin: originOf(signer.Name(), log), Size: h.size, Root: h.root()}
		note, err := cp.sign(signer)
		b.must(err)
		exec1(b.t, conn, strings.Join(append(texts, d.keepCheckpoint(cp, note)), "; "))
		if h.size%50_000 == 0 {
			fmt.Fprintf(os.Stderr, "%d of %d entries made\n", h.size, n)
		}
	}
	exec1(b.t, conn, "VACUUM ANALYZE sqlwitness.entry, sqlwitness.payload, sqlwitness.seal, sqlwitness.node, sqlwitness.checkpoint")
}

func comma(n int) string {
	if n > 0 {
		return ", "
	}
	return ""
}

// numbered is an id that sorts by its number.
func numbered(kind byte, n int64) uuid.UUID {
	var id uuid.UUID
	id[0], id[6], id[8] = kind, 0x70, 0x80
	for i := range 5 {
		id[5-i], n = byte(n), n>>8
	}
	return id
}

// BenchmarkVerify verifies a log on PostgreSQL, signatures, sections, nodes and
// all, and since an anchor that lacks the last thousand entries. Its figures are
// entries per second, the same per core that it keeps busy, and the most memory
// of the heap that was in use. The garbage collector is as sqlwitness audit verify
// sets it.
func BenchmarkVerify(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	key, public := testKey(b, "shop")
	t := newBench(b, kitPQ, Config{})
	t.fill(*benchEntries, key)
	const last = 1000
	notes, err := strs(b.Context(), t.db, fmt.Sprintf("SELECT note FROM sqlwitness.checkpoint WHERE size = %d", *benchEntries-last))
	t.must(err)
	for _, k := range []kit{kitPQ, kitPGX} {
		t := newBenchAt(b, k, t.dsn, Config{})
		b.Run(k.name, func(b *testing.B) { verifying(b, t, *benchEntries, VerifyConfig{Keys: []string{public}}, nil) })
		if len(notes) == 1 {
			b.Run(k.name+"-since", func(b *testing.B) {
				verifying(b, t, last, VerifyConfig{Keys: []string{public}, Since: true}, anchor.Line([]byte(notes[0])))
			})
		}
	}
}

func verifying(b *testing.B, t *bench, entries int64, cfg VerifyConfig, anchored []byte) {
	var peak uint64
	cfg.Progress = func(done, total int64) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapInuse)
	}
	runtime.GC()
	cpu := processTime()
	for b.Loop() {
		if cfg.Since {
			cfg.Anchors = []io.Reader{bytes.NewReader(anchored)}
		}
		r, err := Verify(b.Context(), t.db, "postgresql", cfg)
		if err != nil || r.Checked != entries || r.Altered() {
			b.Fatalf("%v: %+v", err, r)
		}
	}
	all := float64(entries) * float64(b.N)
	b.ReportMetric(all/b.Elapsed().Seconds(), "entries/s")
	b.ReportMetric(all/(processTime()-cpu).Seconds(), "entries/s/core")
	b.ReportMetric(float64(peak)/(1<<20), "heap-MiB")
}

// BenchmarkCheck is the part of it that has no database in it.
func BenchmarkCheck(b *testing.B) {
	t := newBench(b, kitSQLite, Config{})
	s := t.store.scribe
	m := ended(migration("20261124080000"), event.Applied)
	e, err := s.entry(m, draft{attempt: uuid.MustParse(m.MigrationID), kind: kindOutcome, stage: stageAfter, outcome: event.Applied})
	t.must(err)
	r := &record{found: true, sealed: e.id, id: e.id, attempt: e.attempt, kind: e.kind, stage: e.stage, leaf: e.leaf, facts: facts{dbTime: "2026-11-24T17:00:00.000000Z", xid: "1000"}}
	r.seal = r.expectedSeal(nil)
	hash := tlog.RecordHash(r.seal)
	r.hash = hash[:]
	c := newChecker()
	c.add(r, &header{}) // at index 0 it would be wrong
	r.idx = 1
	var h header
	b.ReportAllocs()
	cpu := processTime()
	for b.Loop() {
		c.add(r, &h)
		for _, sec := range e.sections {
			c.section(r, readSection(sec), &h)
		}
		c.rest(r, &h)
	}
	b.ReportMetric(float64(b.N)/(processTime()-cpu).Seconds(), "entries/s/core")
}
