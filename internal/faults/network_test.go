package faults

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/alert"
	"github.com/sqlwitness/sqlwitness/audit"
)

// proxy stands between a driver and its server.
type proxy struct {
	t *testing.T
	*toxiproxy.Proxy
}

// between puts a proxy before the server of a DSN, and returns the DSN through it.
func (tg target) between(t *testing.T, dsn string) (proxy, string) {
	t.Helper()
	address, _ := tg.at(t, dsn, "")
	s := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	p := toxiproxy.NewProxy(s, t.Name(), "127.0.0.1:0", address)
	must(t, p.Start())
	t.Cleanup(p.Stop)
	_, moved := tg.at(t, dsn, p.Listen)
	return proxy{t, p}, moved
}

// fault is what the network does.
type fault struct {
	name   string
	toxic  string // as toxiproxy reads it; %s is the direction
	both   bool   // in both directions
	answer bool   // the statement is answered all the same
}

func cut(n int) fault {
	return fault{name: fmt.Sprintf("cut after %d bytes", n), toxic: fmt.Sprintf(`{"name":"%%s","type":"limit_data","stream":"%%s","attributes":{"bytes":%d}}`, n)}
}

var (
	slowly = fault{name: "latency", toxic: `{"name":"%s","type":"latency","stream":"%s","attributes":{"latency":30,"jitter":5}}`, both: true, answer: true}
	// lib/pq waits for a peer that is gone as long as it takes: until the proxy hangs up.
	halfOpen = fault{name: "half open", toxic: `{"name":"%s","type":"timeout","stream":"%s","attributes":{"timeout":1500}}`, both: true}
	reset    = fault{name: "reset", toxic: `{"name":"%s","type":"reset_peer","stream":"%s","attributes":{"timeout":0}}`}
)

func (p proxy) add(f fault) {
	p.t.Helper()
	streams := []string{"downstream", "upstream"}
	if !f.both {
		streams = streams[:1]
	}
	for _, s := range streams {
		_, err := p.Toxics.AddToxicJson(strings.NewReader(fmt.Sprintf(f.toxic, s, s)))
		must(p.t, err)
	}
}

func (p proxy) heal() { p.Toxics.ResetToxics(context.Background()) }

// play sends statements over a network that fails in between, and notes what its
// caller gets to see.
func (tg target) play(t *testing.T, db *sql.DB, p proxy, f fault) (notes []string) {
	note := func(what string, err error) { notes = append(notes, what+": "+kindOf(err)) }
	conn, err := db.Conn(t.Context())
	must(t, err)
	tx, err := conn.BeginTx(t.Context(), nil)
	must(t, err)
	_, err = tx.Exec("CREATE TABLE noted (a INT)")
	must(t, err)
	p.add(f)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	if f.name == halfOpen.name {
		ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
	}
	defer cancel()
	rows, err := tx.QueryContext(ctx, "SELECT 'the first row of some', 1 UNION ALL SELECT 'the second row', 2 UNION ALL SELECT 'and another', 3")
	note("query", err)
	if err == nil {
		n := 0
		for rows.Next() {
			n++
		}
		note(fmt.Sprintf("%d rows", n), rows.Err())
		note("close", rows.Close())
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO noted VALUES (1)")
	note("exec", err)
	note("commit", tx.Commit())
	_ = conn.Close()
	p.heal()
	note("next", db.PingContext(t.Context()))
	return notes
}

// noLeak finds goroutines that are left, but for those that toxiproxy leaves behind
// when a link is cut at the wrong moment.
func noLeak(t *testing.T, before goleak.Option) {
	t.Helper()
	goleak.VerifyNone(t, before, goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2.(*ToxicLink).read"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run"))
}

// TestSameAsBare: whatever the network does, a caller gets what it gets without
// the witness, and nothing is left behind.
func TestSameAsBare(t *testing.T) {
	faults := []fault{slowly, halfOpen, reset}
	for _, n := range []int{0, 5, 60, 140} {
		faults = append(faults, cut(n))
	}
	for _, tg := range servers {
		for _, f := range faults {
			t.Run(tg.name+"/"+f.name, func(t *testing.T) {
				var notes [2][]string
				for i := range notes {
					dsn := tg.fresh(t)
					before := goleak.IgnoreCurrent()
					p, moved := tg.between(t, dsn)
					s := &seen{}
					w, _ := witness(t, sqlwitness.Config{}, s)
					open := sql.Open
					if i == 1 {
						open = w.Open
					}
					db, err := open(tg.driver, moved)
					must(t, err)
					notes[i] = tg.play(t, db, p, f)
					must(t, db.Close())
					must(t, w.Close(t.Context()))
					p.Stop()
					noLeak(t, before)
					tg.quiet(t, dsn)
					if s.fired(alert.MigrationFailed) && f.answer {
						t.Errorf("alerts %q of what went well", s.alerts)
					}
				}
				bare, watched := strings.Join(notes[0], "\n"), strings.Join(notes[1], "\n")
				if bare != watched {
					t.Errorf("bare\n%s\nwith the witness\n%s", bare, watched)
				}
				if f.answer == strings.Contains(bare, "bad_conn") && f.name != halfOpen.name && f.name != cut(140).name {
					t.Errorf("the fault does not do what it should: %s", bare)
				}
			})
		}
	}
}

// TestMigrationCut: a network that cuts each connection after n bytes, for n from
// none to all that a run takes. The run after it, of another process, finds out
// what became of the one before, and the trail says what is there.
func TestMigrationCut(t *testing.T) {
	for _, tg := range servers {
		t.Run(tg.name, func(t *testing.T) {
			step := 300
			for n := step; ; n += step {
				if n > 50*step {
					t.Fatal("no run gets through")
				}
				if tg.migrationCut(t, n) {
					return
				}
			}
		})
	}
}

func (tg target) migrationCut(t *testing.T, n int) (through bool) {
	t.Helper()
	dsn, spool := tg.fresh(t), t.TempDir()+"/spool.jsonl"
	before := goleak.IgnoreCurrent()
	p, moved := tg.between(t, dsn)
	p.add(cut(n))
	s := &seen{}
	w, _ := witness(t, sqlwitness.Config{Audit: audit.Config{Spool: spool}}, s)
	db, err := w.Open(tg.driver, moved)
	must(t, err)
	err = tg.migrate(t.Context(), db, migrations)
	must(t, db.Close())
	must(t, w.Close(t.Context()))
	p.Stop()
	noLeak(t, before)
	tg.quiet(t, dsn)
	if failed := len(s.outcomes) > 0 && s.outcomes[len(s.outcomes)-1] != "applied"; failed != s.fired(alert.MigrationFailed, alert.MigrationInterrupted) {
		t.Errorf("cut after %d bytes: outcomes %q, alerts %q", n, s.outcomes, s.alerts)
	}
	must(t, tg.finish(t, dsn, spool))
	tg.truth(t, dsn, spool)
	if t.Failed() {
		t.Fatalf("cut after %d bytes: goose said %v, told %q, alerts %q, troubles %q", n, err, s.outcomes, s.alerts, s.troubles)
	}
	t.Logf("cut after %d bytes: %v; %q", n, kindOf(err), s.alerts)
	return err == nil
}
