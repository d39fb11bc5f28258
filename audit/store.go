package audit

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/sqlwitness/sqlwitness/audit/anchor"
	"github.com/sqlwitness/sqlwitness/event"
)

// Store writes the record of the migrations of one connector. Its methods may
// be called by several connections at once; those of one migration are called
// one after the other:
//
//	Intent               before the first statement of the body
//	Commit, Committed    right before the parent driver's Commit, right after it
//	Outcome              at the end, where Committed was not called for it
//
// Each blocks until the entry is in the database or in the spool: for a round
// trip as a rule, for Config.Timeout at most. An outage costs a run no more
// than a tenth of its time, because in BestEffort what failed is not tried again
// for ten times as long as it took. A context that is cancelled stops none of
// this.
type Store struct {
	cfg     Config
	deps    Deps
	db      event.Database
	dialect *dialect // nil where there is none for the system
	own     *own
	scribe  *scribe
	spool   *spool
	sealer  *sealer
	stats   counters

	state  atomic.Uint32 // of the tables
	setup  sync.Mutex    // held while they are looked for and made
	looked atomic.Bool   // at the guards, and for what earlier processes left open
	login  atomic.Pointer[login]

	mu       sync.Mutex
	attempts map[string]*attempt
	previous map[string]uuid.UUID // interrupted attempts, by tool and version
	told     map[TroubleKind]bool
	failed   error     // the last failure of the own connection
	until    time.Time // and how long it is not tried again
	outage   outage
}

// The state of the tables.
const (
	stateUnknown  uint32 = iota
	stateReady           // there, or were when they were last written
	stateAbsent          // missing, and may not be made, or may not be written
	stateInMemory        // the database is one that no second connection sees
)

// attempt is what the store knows of a migration between its calls.
type attempt struct {
	id      uuid.UUID
	intent  *entry    // what is not in the database yet
	spooled bool      // it is in the spool
	around  bool      // the intent was in the database before the first statement
	inTx    bool      // what is to be recorded is in the transaction that is about to commit
	first   uuid.UUID // and this is where it begins, see beginning
}

type counters struct{ written, inTx, spooled, lost atomic.Uint64 }

// Open makes a store. Nothing is connected to before the first entry. connect
// opens a connection of the parent driver, past every wrapper and pool, for the
// store's own use: one at a time, closed after 10 s without an entry. It may be
// nil where the mode is Off.
func Open(cfg Config, db event.Database, connect func(context.Context) (driver.Conn, error), deps Deps) (*Store, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	if connect == nil && cfg.Mode != Off {
		return nil, errors.New("audit: there is no way to connect")
	}
	deps = deps.complete()
	s := &Store{
		cfg: cfg, deps: deps, db: db,
		dialect:  dialectOf(db.System),
		own:      &own{connect: connect},
		spool:    &spool{path: cfg.Spool},
		attempts: map[string]*attempt{},
		previous: map[string]uuid.UUID{},
		told:     map[TroubleKind]bool{},
	}
	signer, err := cmp.Or(cfg.Key, Key(deps.Getenv(EnvKey))).signer()
	if err != nil {
		return nil, err
	}
	if signer == nil && len(cfg.Anchors) > 0 {
		return nil, errors.New("audit: anchors keep signed checkpoints, and there is no key: set Config.Key or " + EnvKey)
	}
	s.sealer = newSealer(s, signer)
	info := buildInfo()
	s.scribe = &scribe{cfg: cfg, deps: deps, db: db, toolVersion: func(tool string) string { return toolVersion(info, tool) }}
	if cfg.Mode != Off {
		s.scribe.actor = newActor(cfg, deps.Getenv)
	}
	if s.dialect != nil {
		s.own.session = s.dialect.session
		if s.dialect.oneWriter && (deps.InMemory || db.Name == ":memory:") {
			s.state.Store(stateInMemory)
		}
	}
	return s, nil
}

// Intent records that a migration is about to start. inTx says that a statement
// has already run in an open transaction of the migration's connection; true is
// always safe. It matters on SQLite alone: there a second writer would make that
// transaction's next write fail (SQLITE_BUSY_SNAPSHOT), so the intent is kept
// and written together with the outcome.
//
// The error, which only Strict makes, is an [*Error]: the migration must not
// start. m is not changed.
func (s *Store) Intent(ctx context.Context, m *event.Migration, inTx bool) error {
	if s.cfg.Mode == Off {
		return nil
	}
	const doing = "record the intent"
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	a := s.attempt(m)
	keep := inTx && s.dialect != nil && s.dialect.oneWriter
	var err error
	if !keep {
		err = s.ready(ctx)
	}
	if s.state.Load() == stateInMemory {
		return s.inMemory(doing)
	}
	e, buildErr := s.scribe.entry(m, draft{attempt: a.id, kind: kindIntent, stage: stageStart, login: s.loggedIn(), prev: s.earlier(m)})
	if buildErr != nil {
		return s.unwritable(doing, buildErr)
	}
	a.intent = e
	if keep {
		return nil
	}
	if err == nil {
		err = s.write(ctx, e)
	}
	if err == nil {
		a.intent, a.around = nil, true
		return nil
	}
	if s.locked(err) { // the tool's own transaction has the lock, most likely
		return nil
	}
	a.spooled = true
	return s.instead(doing, err, e)
}

// Commit records the outcome of the migrations that end when the open
// transaction of conn commits, in that transaction. conn is the parent driver's,
// has no rows open, and its transaction is neither read-only nor failed. It is
// one round trip, without arguments, that changes no session setting, no
// last-insert id and no sequence. Where the row is refused the transaction is
// as it was, at the price of a second round trip, and Committed writes the row.
// It is not bounded by a timeout: cutting it short would cost the caller the
// connection. Nothing of sqlwitness holds a lock that it could wait for.
//
// In Strict an error is an [*Error]: the transaction must be rolled back. In
// either mode an error that is not one is the parent driver's own, where the
// server ended the transaction while the row was written (MySQL's deadlock,
// 1213): the parent's Commit would report a success that is none. In Strict so is
// a conflict of a serializable transaction (40001), for which it is run again.
func (s *Store) Commit(ctx context.Context, conn driver.Conn, ms []*event.Migration) error {
	if s.cfg.Mode == Off || len(ms) == 0 {
		return nil
	}
	const doing = "record the outcome in the transaction"
	switch {
	case s.state.Load() == stateInMemory:
		return s.inMemory(doing)
	case s.dialect == nil:
		return s.strictly(doing, errUnsupported)
	case s.state.Load() == stateAbsent && s.cfg.Mode == BestEffort:
		return nil // known to fail: the tool's transaction is spared it
	}
	entries, err := s.outcomes(ms, stageCommit, nil)
	if err != nil {
		return s.unwritable(doing, err)
	}
	err = s.join(context.WithoutCancel(ctx), conn, entries)
	switch {
	case err == nil:
		for _, m := range ms {
			a := s.attempt(m)
			a.inTx, a.first = true, beginning(entries)
		}
		return nil
	case s.dialect.ended(err):
		return err
	}
	if class, _ := event.Classify(err); class == event.ClassSerialization {
		// The transaction's own conflicts, which its commit fails for too.
		if s.cfg.Mode == Strict {
			return err
		}
		return nil
	}
	s.tell(s.trouble(TroubleTx, err, "the outcome of a migration could not join its transaction and is written after it"))
	return s.strictly(doing, err)
}

// join writes entries in the transaction of conn, or leaves it as it was.
func (s *Store) join(ctx context.Context, conn driver.Conn, entries []*entry) error {
	d := s.dialect
	if d.aside != nil {
		if text := d.aside(entries); text != "" {
			ctx, cancel := s.bounded(ctx)
			defer cancel()
			if err := s.ready(ctx); err != nil {
				return err
			}
			if err := s.through(ctx, func(ctx context.Context, c *sql.Conn) error { return d.run(ctx, c, text) }); err != nil {
				return err
			}
		}
	}
	err := exec(ctx, conn, d.inTx(entries))
	if err != nil && d.undo != "" {
		_ = exec(ctx, conn, d.undo)
	}
	return err
}

// Committed is told the answer of the parent's Commit. It records what Commit
// did not, or was not called for, or what the failed commit has undone, and sets
// each Guarantee. A commit whose answer was lost with the connection leaves an
// outcome "interrupted" beside the one that exists if the commit went through.
func (s *Store) Committed(ctx context.Context, ms []*event.Migration, err error) {
	var rest []*event.Migration
	for _, m := range ms {
		a := s.attempt(m)
		if err != nil || !a.inTx {
			a.inTx = false
			rest = append(rest, m)
			continue
		}
		s.over(TroubleTx)
		s.sealer.wrote(a.first)
		s.stats.inTx.Add(1)
		if a.intent != nil {
			s.stats.inTx.Add(1)
		}
		m.Guarantee = s.guarantee(m, a, true)
		s.forget(m)
	}
	if len(rest) < len(ms) {
		s.sealer.soon(ctx)
	}
	_ = s.afterwards(ctx, rest, err)
}

// Outcome records the end of a migration outside any transaction (a failure, a
// rollback, a mark in autocommit) and sets its Guarantee. No transaction of the
// migration may be open any more: on SQLite it would keep the row out.
//
// The error, which only Strict makes, is an [*Error]: the migration has run and
// is not recorded.
func (s *Store) Outcome(ctx context.Context, m *event.Migration) error {
	return s.afterwards(ctx, []*event.Migration{m}, nil)
}

// afterwards records outcomes through the store's own connection.
func (s *Store) afterwards(ctx context.Context, ms []*event.Migration, commit error) error {
	if len(ms) == 0 {
		return nil
	}
	for _, m := range ms {
		m.Guarantee = event.None
		defer s.forget(m)
	}
	if s.cfg.Mode == Off {
		return nil
	}
	const doing = "record the outcome"
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	err := s.ready(ctx)
	if s.state.Load() == stateInMemory {
		return s.inMemory(doing)
	}
	entries, buildErr := s.outcomes(ms, stageAfter, commit)
	if buildErr != nil {
		return s.unwritable(doing, buildErr)
	}
	if err == nil {
		err = s.write(ctx, entries...)
	}
	if err != nil {
		return s.instead(doing, err, s.unspooled(ms, entries)...)
	}
	for _, m := range ms {
		m.Guarantee = s.guarantee(m, s.attempt(m), false)
	}
	return nil
}

// outcomes makes what is left to write for migrations that end: an intent that
// is not in the database yet goes before its outcome.
func (s *Store) outcomes(ms []*event.Migration, stage string, commit error) ([]*entry, error) {
	var list []*entry
	for _, m := range ms {
		a := s.attempt(m)
		d := draft{attempt: a.id, kind: kindOutcome, stage: stage, batch: len(ms), login: s.loggedIn(),
			outcome: m.Outcome, class: m.ErrorClass, code: m.SQLState, guarantee: s.guarantee(m, a, stage == stageCommit)}
		if commit != nil {
			d.undone(commit)
		}
		e, err := s.scribe.entry(m, d)
		if err != nil {
			return nil, err
		}
		if a.intent != nil {
			list = append(list, a.intent)
		}
		list = append(list, e)
	}
	return list, nil
}

// undone corrects the outcome of a migration whose commit failed, where its
// sender has not done so.
func (d *draft) undone(commit error) {
	if d.outcome == event.Failed || d.outcome == event.Interrupted {
		return
	}
	d.class, d.code = event.Classify(commit)
	switch d.class {
	case event.ClassBadConn, event.ClassTerminated, event.ClassCancelled:
		d.outcome = event.Interrupted // it may have gone through: the answer is lost
	default:
		d.outcome = event.Failed
	}
}

// unspooled leaves out the intents that the spool has already.
func (s *Store) unspooled(ms []*event.Migration, entries []*entry) []*entry {
	spooled := map[*entry]bool{}
	for _, m := range ms {
		if a := s.attempt(m); a.spooled {
			spooled[a.intent] = true
		}
	}
	var list []*entry
	for _, e := range entries {
		if !spooled[e] {
			list = append(list, e)
		}
	}
	return list
}

// guarantee is what holds once the outcome is written.
func (s *Store) guarantee(m *event.Migration, a *attempt, inTx bool) event.Guarantee {
	switch {
	case inTx && m.Atomic && s.dialect.atomicDDL:
		return event.InTx
	case a.around:
		return event.Around
	}
	return event.None
}

// attempt is what is known of a migration.
func (s *Store) attempt(m *event.Migration) *attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.attempts[m.MigrationID]
	if a == nil {
		// The id that the log lines have, so that the two can be joined.
		id, err := uuid.Parse(m.MigrationID)
		if err != nil {
			id = s.scribe.newID()
		}
		a = &attempt{id: id}
		s.attempts[m.MigrationID] = a
	}
	return a
}

func (s *Store) forget(m *event.Migration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.attempts, m.MigrationID)
}

func (s *Store) loggedIn() login {
	if l := s.login.Load(); l != nil {
		return *l
	}
	return login{}
}

func (s *Store) user() string { return s.loggedIn().user }

// Stats returns the counts so far.
func (s *Store) Stats() Stats {
	return Stats{Written: s.stats.written.Load(), InTx: s.stats.inTx.Load(),
		Spooled: s.stats.spooled.Load(), Lost: s.stats.lost.Load(),
		SealLag: s.sealer.lag(), AnchorLag: s.sealer.anchorLag()}
}

// Anchors says how each anchor is doing, in the order of Config.Anchors.
func (s *Store) Anchors() []anchor.Stats {
	list := make([]anchor.Stats, len(s.sealer.queues))
	for i, q := range s.sealer.queues {
		list[i] = q.Stats()
	}
	return list
}

// Close seals what is left, hands queued checkpoints to the anchors until ctx is
// done, and closes the store's own connection. What is recorded afterwards goes
// to the spool.
func (s *Store) Close(ctx context.Context) error {
	return errors.Join(s.sealer.close(ctx), s.own.close())
}
