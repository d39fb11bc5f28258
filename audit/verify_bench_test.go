package audit

import (
	"bytes"
	"context"
	"encoding/hex"
	"flag"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/sqlwitness/sqlwitness/event"
)

var benchEntries = flag.Int64("audit.entries", 20_000, "entries in the log of BenchmarkVerify; 1000000 takes some minutes to make")

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
			e := &entry{kind: t.kind, stage: t.stage, sections: t.sections}
			e.id, e.attempt = numbered(1, i), numbered(2, (i+1)/2)
			e.leaf = bytes.ReplaceAll(t.leaf, []byte(t.id.String()), []byte(e.id.String()))
			e.leaf = bytes.ReplaceAll(e.leaf, []byte(t.attempt.String()), []byte(e.attempt.String()))
			entries = append(entries, e)
		}
		list := make([]unsealed, len(entries))
		var rows, sections strings.Builder
		for i, e := range entries {
			at := start.Add(time.Duration(h.size+int64(i)) * time.Second).Format("2006-01-02T15:04:05.000000Z")
			list[i] = unsealed{e.id, e.leaf, facts{dbTime: at, xid: "1000"}}
			fmt.Fprintf(&rows, "%s('%s', '%s', '%s', '%s', '\\x%s', '1000', '%s')", comma(i), e.id, e.attempt, e.kind, e.stage, hex.EncodeToString(e.leaf), at)
			for _, sec := range e.sections {
				fmt.Fprintf(&sections, "%s('%s', '%s', '\\x%x', '\\x%x')", comma(sections.Len()), e.id, sec.name, sec.salt, sec.body)
			}
		}
		texts := append(d.extend(h, list), "INSERT INTO sqlwitness.entry (id, attempt, kind, stage, leaf, xid, db_time) VALUES "+rows.String())
		if sections.Len() > 0 {
			texts = append(texts, "INSERT INTO sqlwitness.payload (entry, section, salt, body) VALUES "+sections.String())
		}
		cp := Checkpoint{Origin: originOf(signer.Name(), log), Size: h.size, Root: h.root()}
		note, err := cp.sign(signer)
		b.must(err)
		exec1(b.t, conn, strings.Join(append(texts, d.keepCheckpoint(cp, note)), "; "))
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
// all. Its figure is entries per second and per core that it keeps busy.
func BenchmarkVerify(b *testing.B) {
	key, public := testKey(b, "shop")
	t := newBench(b, kitPQ, Config{})
	t.fill(*benchEntries, key)
	cfg := VerifyConfig{Keys: []string{public}}
	for _, k := range []kit{kitPQ, kitPGX} {
		b.Run(k.name, func(b *testing.B) {
			t := newBenchAt(b, k, t.dsn, Config{})
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start, cpu := time.Now(), processTime()
			for b.Loop() {
				r, err := Verify(context.Background(), t.db, "postgresql", cfg)
				if err != nil || r.Checked != *benchEntries || r.Altered() {
					b.Fatalf("%v: %+v", err, r)
				}
			}
			entries := float64(*benchEntries) * float64(b.N)
			b.ReportMetric(entries/time.Since(start).Seconds(), "entries/s")
			b.ReportMetric(entries/(processTime()-cpu).Seconds(), "entries/s/core")
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.HeapSys)/(1<<20), "heap-MiB")
			b.ReportMetric(0, "ns/op")
		})
	}
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
