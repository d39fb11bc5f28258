package audit

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/google/uuid"

	"github.com/sqlwitness/sqlwitness/event"
)

// This file is the way into the database through the store's own connection,
// and what happens where there is none.

var (
	errInMemory    = errors.New("the database is in memory")
	errUnsupported = errors.New("no audit tables for this database system")
)

// patience is how many times as long as a failure took nothing is tried again.
const patience = 10

func (s *Store) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), s.cfg.Timeout)
}

// ready sees to it that the tables are there. Once they are it is free.
func (s *Store) ready(ctx context.Context) error {
	switch {
	case s.dialect == nil:
		return errUnsupported
	case s.state.Load() == stateReady:
		return nil
	case s.state.Load() == stateInMemory:
		return errInMemory
	}
	s.setup.Lock()
	defer s.setup.Unlock()
	if s.state.Load() == stateReady { // another connection was first
		return nil
	}
	return s.through(ctx, s.prepare)
}

// prepare looks at the database and makes the tables that are missing.
func (s *Store) prepare(ctx context.Context, c *sql.Conn) error {
	d := s.dialect
	if d.onDisk != "" {
		file, err := strs(ctx, c, d.onDisk)
		if err != nil {
			return err
		}
		if len(file) == 1 && file[0] == "" {
			s.state.Store(stateInMemory)
			return errInMemory
		}
	}
	s.identify(ctx, c)
	err := d.setup(ctx, c)
	switch {
	case err == nil:
		s.state.Store(stateReady)
		s.lookBack(ctx, c)
	case forbidden(err):
		s.state.Store(stateAbsent)
	}
	return err
}

// identify asks the database whom the store's own connection is logged in as.
func (s *Store) identify(ctx context.Context, c *sql.Conn) {
	if s.dialect.whoami == "" || s.login.Load() != nil {
		return
	}
	if rows, err := strs(ctx, c, s.dialect.whoami); err == nil && len(rows) > 0 {
		l := loginOf(rows)
		s.login.Store(&l)
	}
}

// write puts entries into the tables, which it makes again where they have been
// dropped since (golang-migrate's Drop takes every table of a SQLite file).
func (s *Store) write(ctx context.Context, entries ...*entry) error {
	store := func(ctx context.Context, c *sql.Conn) error { return s.put(ctx, c, entries...) }
	err := s.through(ctx, store)
	if class, _ := event.Classify(err); class == event.ClassMissingObject {
		s.state.Store(stateUnknown)
		if err = s.ready(ctx); err == nil {
			err = s.through(ctx, store)
		}
	}
	if err == nil {
		s.over(TroubleForbidden, TroubleUnreachable, TroubleWrite)
		s.confess(ctx)
		s.sealer.soon(ctx)
	} else if forbidden(err) {
		s.state.Store(stateAbsent)
	}
	return err
}

// put writes entries, which are to be sealed then.
func (s *Store) put(ctx context.Context, c *sql.Conn, entries ...*entry) error {
	if err := s.dialect.store(ctx, c, entries); err != nil {
		return err
	}
	s.counted(entries...)
	return nil
}

// counted notes entries that are written.
func (s *Store) counted(entries ...*entry) {
	s.stats.written.Add(uint64(len(entries)))
	s.sealer.wrote(beginning(entries))
}

// beginning is the least of the ids of entries and of their attempts.
func beginning(entries []*entry) (first uuid.UUID) {
	for _, e := range entries {
		first = least(first, e.id, e.attempt)
	}
	return first
}

// through lends f the own connection, unless that has failed just now.
func (s *Store) through(ctx context.Context, f func(context.Context, *sql.Conn) error) error {
	start := s.deps.Now()
	s.mu.Lock()
	failed, until := s.failed, s.until
	s.mu.Unlock()
	if failed != nil && s.cfg.Mode != Strict && start.Before(until) {
		return failed
	}
	err := s.own.do(ctx, f)
	if s.locked(err) || errors.Is(err, errInMemory) {
		return err
	}
	class, _ := event.Classify(err)
	if class == event.ClassMissingObject { // answered by making the tables
		return err
	}
	end := s.deps.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed, s.until = err, end.Add(patience*end.Sub(start))
	return err
}

// locked reports whether the database's one writer is someone else.
func (s *Store) locked(err error) bool {
	class, _ := event.Classify(err)
	return class == event.ClassLockTimeout && s.dialect != nil && s.dialect.oneWriter
}

func forbidden(err error) bool {
	class, _ := event.Classify(err)
	return class == event.ClassPermission && !unreachable(err)
}

func unreachable(err error) bool {
	var c *connectError
	return errors.As(err, &c)
}

// instead takes entries that the database did not.
func (s *Store) instead(doing string, err error, entries ...*entry) error {
	class := classOf(err)
	n := uint64(len(entries))
	if spoolErr := s.spool.append(class, entries...); spoolErr != nil {
		s.stats.lost.Add(n)
		s.missed(class, 0, n)
		s.tell(Trouble{Kind: TroubleSpool, Class: class,
			Message: "an audit entry is lost: the database did not take it, and the spool cannot be written",
			Hint:    "set the audit spool to a file that this process may write"})
	} else {
		s.stats.spooled.Add(n)
		s.missed(class, n, 0)
		s.over(TroubleSpool)
		s.tell(s.misfortune(err))
	}
	return s.strictly(doing, err)
}

// misfortune says what kept an entry out of the database, and where it is.
func (s *Store) misfortune(err error) Trouble {
	var t Trouble
	switch {
	case errors.Is(err, errUnsupported):
		t = Trouble{Kind: TroubleUnsupported, Message: "there are no audit tables for this database system; the entries are in the spool"}
	case unreachable(err), errors.Is(err, errClosed):
		t = s.trouble(TroubleUnreachable, err, "the audit's own connection could not be had; the entries are in the spool")
		t.Hint = "the audit needs one connection more than the migration tool: look at the server's and the role's connection limits"
	case forbidden(err):
		t = s.trouble(TroubleForbidden, err, "the role "+cmp.Or(s.user(), "of the migration")+" may not make or write the audit tables; the entries are in the spool")
		t.Hint = s.dialect.hint(s.db.Name, s.user())
	default:
		t = s.trouble(TroubleWrite, err, "the database did not take an audit entry; it is in the spool")
		if t.Class == event.ClassReadOnly {
			t.Hint = "the audit's own connection reached a server or file that is read-only"
		}
	}
	t.Spool = s.cfg.Spool
	return t
}

// inMemory answers for a database that has no audit.
func (s *Store) inMemory(doing string) error {
	s.tell(Trouble{Kind: TroubleInMemory, Message: "there is no audit for an in-memory database: no second connection sees it",
		Hint: "use a file, or set the audit mode to off"})
	return s.strictly(doing, errInMemory)
}

// unwritable answers for an entry that could not even be made.
func (s *Store) unwritable(doing string, err error) error {
	s.stats.lost.Add(1)
	s.tell(s.trouble(TroubleWrite, err, "an audit entry is lost: it could not be made"))
	return s.strictly(doing, err)
}

// strictly is the refusal that Strict answers with; nil in BestEffort.
func (s *Store) strictly(doing string, err error) error {
	if s.cfg.Mode != Strict {
		return nil
	}
	e := &Error{Doing: doing, Class: classOf(err)}
	_, e.SQLState = event.Classify(err)
	if forbidden(err) && s.dialect != nil {
		e.Hint = s.dialect.hint(s.db.Name, s.user())
	}
	return e
}

func (s *Store) trouble(kind TroubleKind, err error, message string) Trouble {
	_, code := event.Classify(err)
	return Trouble{Kind: kind, Message: message, Class: classOf(err), SQLState: code}
}

// sealTrouble says why entries could not be sealed.
func (s *Store) sealTrouble(err error) Trouble {
	t := s.trouble(TroubleSeal, err, "audit entries are recorded and could not be sealed; the next migration tries again")
	switch {
	case errors.Is(err, errRetired):
		t.Message = "audit entries are sealed and not signed: another key has taken the place of this process's"
		t.Hint = "restart with the new key, that sqlwitness audit rotate has made"
	case errors.Is(err, errStranger):
		t.Message = "audit entries are sealed and not signed: another key signs this log, and nothing says that this process's takes its place"
		t.Hint = "use the key that signs the log, or run sqlwitness audit rotate, which makes this one its successor"
	case t.Class == tampered:
		t.Message = "the audit tables contradict a checkpoint that was signed: nothing more is sealed"
		t.Hint = "run sqlwitness audit verify with the anchors, and keep the database as it is until the cause is known"
	case forbidden(err):
		t.Hint = s.dialect.hint(s.db.Name, s.user())
	}
	return t
}

// tampered is the class of tables that contradict themselves.
const tampered = "tampered"

// classOf names an error without a word of its text.
func classOf(err error) string {
	switch {
	case errors.Is(err, errInMemory):
		return "in_memory"
	case errors.Is(err, errUnsupported):
		return "unsupported"
	case errors.Is(err, errClosed):
		return "closed"
	case errors.Is(err, errRetired):
		return "key_retired"
	case errors.Is(err, errStranger):
		return "key_unknown"
	case errors.Is(err, errTampered), errors.Is(err, errNodes), errors.Is(err, errNoLog):
		return tampered
	}
	class, _ := event.Classify(err)
	if class == event.ClassOther && unreachable(err) {
		return "unreachable"
	}
	return class
}

// tell reports a trouble, once until it is over.
func (s *Store) tell(t Trouble) {
	s.mu.Lock()
	told := s.told[t.Kind]
	s.told[t.Kind] = true
	s.mu.Unlock()
	if !told {
		s.deps.Report(t)
	}
}

// over ends troubles: what comes next is worth a report again.
func (s *Store) over(kinds ...TroubleKind) {
	s.mu.Lock()
	kinds = slices.DeleteFunc(kinds, func(k TroubleKind) bool { return !s.told[k] })
	for _, k := range kinds {
		delete(s.told, k)
	}
	s.mu.Unlock()
	for _, k := range kinds {
		s.deps.Report(Trouble{Kind: k, Over: true, Message: "the audit trail is written again"})
	}
}
