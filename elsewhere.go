package sqlwitness

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sqlwitness/sqlwitness/audit"
	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/metrics"
	"github.com/sqlwitness/sqlwitness/migrator"
	"github.com/sqlwitness/sqlwitness/probe"
	"github.com/sqlwitness/sqlwitness/sqltext"
)

// lookout asks the server whether another process migrates one database, while
// the application's statements flow: with none in flight the watcher is off, and
// with it the lookout. What it finds is an impact, which the statements meet as
// they meet that of a run of this process.
type lookout struct {
	w     *Witness
	db    event.Database
	locks []probe.MigrationLock

	due  int64 // by the witness's clock; guarded by w.mu
	busy atomic.Bool
	saw  atomic.Pointer[impact] // what was seen last, which may be over
	met  atomic.Uint64          // statements that had met it at the last look

	// Of the last answer, for the goroutine that is busy alone.
	asked  int64                // by the witness's clock; 0 before the first
	steady metrics.Distribution // until then
	known  map[string]bool      // ids of the migrations that the trail told of; nil before the first
}

// lookoutPeriod is how often the server is asked. A migration that begins and
// ends within it is seen in the audit trail alone.
const lookoutPeriod = 2 * time.Second

// lookoutSilence is how long a migration is taken to go on while the server, which
// it may keep busy, does not answer.
const lookoutSilence = 20 * time.Second

// lookAround asks for each database that is due. The watcher calls it while
// statements are in flight, and for up to two seconds afterwards. A database is
// left alone while this process migrates it, and until an application's
// statements have been seen on it.
func (w *Witness) lookAround(now int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.connectors {
		if c.observer == nil || !c.serves() {
			continue
		}
		l := w.lookouts[c.db]
		if l == nil {
			l = &lookout{w: w, db: c.db, due: now + int64(lookoutPeriod)}
			for _, lock := range migrator.LocksOf(c.db) {
				l.locks = append(l.locks, probe.MigrationLock(lock))
			}
			w.lookouts[c.db] = l
		}
		if now < l.due || w.migrates(c.db) || !l.busy.CompareAndSwap(false, true) {
			continue
		}
		l.due = now + int64(lookoutPeriod)
		if !c.observer.begin(func() {
			defer l.busy.Store(false)
			l.look(c)
		}) {
			l.busy.Store(false)
		}
	}
}

// lookAway is called when nothing has been seen in flight for a while. If nothing
// came since the last look either, nobody will be there to see the end of a
// migration: the next statements count as steady until the server has been asked
// again.
func (w *Witness) lookAway() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.lookouts {
		if i := l.saw.Load(); i != nil && i.met() == l.met.Load() {
			i.running.Store(false)
		}
	}
}

// serves reports whether the last statement on one of the connections was an
// application's: a read or a write, and nothing that tools send.
func (c *connector) serves() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		if t := conn.flight.text.Load(); t != nil && !t.watched {
			if class := t.Class(); class == sqltext.ClassRead || class == sqltext.ClassWrite {
				return true
			}
		}
	}
	return false
}

// migrates reports whether this process migrates a database. w.mu is held.
func (w *Witness) migrates(db event.Database) bool {
	return slices.ContainsFunc(w.of(db), func(c *connector) bool { return c.tracker.Active() })
}

// alters reports whether the last statement on one of this process's own
// connections was DDL, which is then what the server shows. w.mu is held.
func (w *Witness) alters(db event.Database) bool {
	return slices.ContainsFunc(w.of(db), func(c *connector) bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		for conn := range c.conns {
			if t := conn.flight.text.Load(); t != nil && t.Class() == sqltext.ClassDDL {
				return true
			}
		}
		return false
	})
}

// look asks the server, and follows what it says.
func (l *lookout) look(c *connector) {
	ctx, cancel := context.WithTimeout(context.Background(), pictureLimit)
	defer cancel()
	var trail []audit.Underway
	signs, err := c.observer.view.Elsewhere(ctx, l.locks, func(ctx context.Context, conn *sql.Conn) (err error) {
		trail, err = audit.Latest(ctx, conn, l.db.System)
		return err
	})
	now := l.w.now()
	if err != nil || signs.At.IsZero() { // the probe has told of its trouble; the next look may tell more
		if i := l.saw.Load(); i != nil && now-l.asked > int64(lookoutSilence) {
			i.endsElsewhere(nil)
		}
		return
	}
	l.w.mu.Lock()
	migrates, alters := l.w.migrates(l.db), l.w.alters(l.db)
	steady, before := l.w.steadyOf(l.db), l.steady.Sub(l.w.steady[l.db])
	l.w.mu.Unlock()
	if migrates {
		l.asked = 0 // what the trail tells next is this process's own
		return
	}
	trail = slices.DeleteFunc(trail, func(u audit.Underway) bool {
		return l.w.ran.has(u.Run) || l.db.Name != "" && u.Database.Name != l.db.Name
	})
	foreign := foreignOf(signs, trail, !alters)
	l.follow(foreign, trail)
	if l.asked != 0 && now-l.asked < 2*int64(lookoutPeriod) {
		l.missed(trail, before, steady.Sub(l.steady))
	}
	l.asked, l.steady, l.known = now, steady, map[string]bool{}
	for _, u := range trail {
		l.known[u.Migration] = true
	}
	i := l.saw.Load()
	if i != nil {
		l.met.Store(i.met())
	}
	if foreign != nil && i != nil {
		if pictures, err := c.observer.view.Look(ctx, []probe.Asked{{Session: foreign.session}}); err == nil && pictures[foreign.session] != nil {
			p := pictures[foreign.session]
			i.pictured(p, statementOf(&p.Session, c.dialect))
		}
	}
}

// foreign is a migration of another process that goes on.
type foreign struct {
	evidence event.Evidence
	run      string
	tool     string
	started  time.Time // zero where nothing tells
	session  int64
}

// foreignOf is the one that most is known of; nil for none.
func foreignOf(signs probe.Signs, trail []audit.Underway, byStatement bool) *foreign {
	for _, u := range trail {
		if !u.Ended {
			return &foreign{event.ByTrail, u.Run, u.Tool, u.Started, u.Session}
		}
	}
	for _, m := range signs.Migrators {
		switch {
		case m.Tool != "":
			return &foreign{event.ByLock, "", m.Tool, time.Time{}, m.PID}
		case byStatement:
			return &foreign{evidence: event.ByStatement, session: m.PID}
		}
	}
	return nil
}

// follow begins, goes on with or ends the impact of what is seen.
func (l *lookout) follow(f *foreign, trail []audit.Underway) {
	i := l.saw.Load()
	switch {
	case f == nil && i == nil:
	case f == nil:
		i.endsElsewhere(trail)
	case i == nil || !i.goesOn(f):
		if i != nil {
			i.tell()
		}
		ev := event.Impact{Database: l.db, Tool: f.tool, Evidence: f.evidence, Start: f.started}
		ev.RunID = f.run
		if ev.Start.IsZero() {
			ev.Start = time.Now()
		}
		l.saw.Store(l.w.impactBegins(ev))
	}
}

// goesOn makes an impact that was seen before last, and reports false where it is
// over or another run's. What is learnt only now of the run is kept.
func (i *impact) goesOn(f *foreign) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.over || i.ev.RunID != "" && f.run != "" && i.ev.RunID != f.run || i.ev.Tool != "" && f.tool != "" && i.ev.Tool != f.tool {
		return false
	}
	if i.timer != nil {
		if !i.timer.Stop() {
			return false // it is being told of
		}
		i.timer = nil
	}
	i.learn(f.evidence, f.run, f.tool, f.started)
	i.ended.Store(0)
	i.running.Store(true)
	return true
}

// learn keeps what is known better now. i.mu is held.
func (i *impact) learn(by event.Evidence, run, tool string, started time.Time) {
	if i.ev.RunID == "" && run != "" {
		i.ev.RunID, i.ev.Evidence = run, by
		if !started.IsZero() {
			i.ev.Start = started
		}
	}
	if i.ev.Tool == "" {
		i.ev.Tool = tool
	}
}

// endsElsewhere begins the aftermath of a run that is not seen any more. The trail
// may tell by now which one it was.
func (i *impact) endsElsewhere(trail []audit.Underway) {
	now := time.Now()
	i.mu.Lock()
	for _, u := range trail {
		if end := u.Started.Add(u.Duration); u.Ended && i.ev.RunID == "" && !i.over && end.After(i.ev.Start.Add(-lookoutPeriod)) {
			i.learn(i.ev.Evidence, u.Run, u.Tool, u.Started)
		}
	}
	took := now.Sub(i.ev.Start)
	i.mu.Unlock()
	i.ends(took)
}

// missed tells of a run that began and ended between two looks, as far as the
// trail has it. during is all that ran between them.
func (l *lookout) missed(trail []audit.Underway, before, during metrics.Distribution) {
	if l.known == nil || during.Calls() == 0 {
		return
	}
	i := l.saw.Load()
	runs := map[string]*event.Impact{}
	for _, u := range trail {
		if l.known[u.Migration] || !u.Ended || u.Started.IsZero() || i != nil && i.isOf(u.Run) {
			continue
		}
		ev := runs[u.Run]
		if ev == nil {
			ev = &event.Impact{Database: l.db, Tool: u.Tool, Evidence: event.Afterwards, Start: u.Started, Before: latency(before), During: latency(during)}
			ev.RunID = u.Run
			runs[u.Run] = ev
		}
		end := ev.Start.Add(ev.Duration)
		if u.Started.Before(ev.Start) {
			ev.Start = u.Started
		}
		if last := u.Started.Add(u.Duration); last.After(end) {
			end = last
		}
		ev.Duration = end.Sub(ev.Start)
	}
	for _, ev := range runs {
		l.w.each(func(s event.Sink) { s.Impact(ev) })
	}
}

// met is how many statements came during the run.
func (i *impact) met() uint64 {
	return i.during.Read().Calls()
}

// isOf reports whether an impact is that of a run.
func (i *impact) isOf(run string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.ev.RunID == run
}

// statementOf is what a session of another process runs.
func statementOf(s *event.Session, d sqltext.Dialect) *event.BodyStatement {
	t := sqltext.Analyze(s.Query, d)
	return &event.BodyStatement{Operation: t.Operation().String(), Fingerprint: t.FingerprintHex(), Text: s.Query, Duration: s.StateAge, RowsAffected: -1}
}

// changesTables reports whether a query changes what tables there are or how they
// look. A temporary one is nobody else's affair, and TRUNCATE, REFRESH and VACUUM
// are what applications do day by day.
func changesTables(query string, d sqltext.Dialect) bool {
	t := sqltext.Analyze(query, d)
	for i := range t.Statements {
		verb, _, _ := strings.Cut(t.Statements[i].Operation.String(), " ")
		switch verb {
		case "ALTER", "CREATE", "DROP", "RENAME":
			return !slices.ContainsFunc(strings.Fields(strings.ToUpper(query)), func(w string) bool { return w == "TEMPORARY" || w == "TEMP" })
		}
	}
	return false
}

// recentRuns are the last runs of this process, which are not another's: as many
// as audit.Latest can tell of. It is safe for concurrent use.
type recentRuns struct {
	mu   sync.Mutex
	list []string
}

func (r *recentRuns) add(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.list = append(r.list, id); len(r.list) > 64 {
		r.list = slices.Delete(r.list, 0, 1)
	}
}

func (r *recentRuns) has(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Contains(r.list, id)
}
