package eventlog

import (
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/sqlwitness/sqlwitness/event"
)

// stillRunning decides which looks at a statement are worth a line: the first
// over its threshold, and from then on each time that its age has doubled.
type stillRunning struct {
	mu   sync.Mutex
	next map[flight]time.Duration // by statement: the age of the next line
}

type flight struct {
	conn  uint64
	start int64
}

// defaultNotice is when a statement without a threshold is first spoken of.
const defaultNotice = time.Second

func (s *stillRunning) due(k *event.Look, threshold time.Duration) bool {
	f := flight{k.ConnID, k.Start.UnixNano()}
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.Done {
		delete(s.next, f)
		return false
	}
	next := s.next[f]
	if next == 0 {
		next = threshold
		if next <= 0 {
			next = defaultNotice
		}
	}
	if k.Age < next {
		return false
	}
	for next <= k.Age {
		next *= 2
	}
	if s.next == nil {
		s.next = map[flight]time.Duration{}
	}
	s.next[f] = next
	return true
}

// Look writes statement.running for a statement that has been running for longer
// than the threshold of its class, and lock.waiting for one that waits for an
// advisory or named lock, a warning where nobody works under that lock; again each
// time that its age has doubled.
func (l *Log) Look(k *event.Look) {
	if k.Lock != nil {
		if l.running.due(k, defaultNotice) {
			l.lockRunning(k)
		}
		return
	}
	threshold := l.slow.Threshold(k.Class)
	if threshold <= 0 || !l.running.due(k, threshold) {
		return
	}
	e := l.begin(&l.later, zerolog.WarnLevel, "statement.running", k.Trace, k.Database)
	if e == nil {
		return
	}
	s := event.Statement{Trace: k.Trace, ConnID: k.ConnID, Operation: k.Operation, Class: k.Class, Tables: k.Tables, Summary: k.Summary,
		Fingerprint: k.Fingerprint, Text: k.Text, Phase: k.Phase, Duration: k.Age, Threshold: threshold}
	statementKeys(e, &s)
	pictureKeys(e, k.Database, k.Picture)
	e.Send()
}

func (l *Log) lockRunning(k *event.Look) {
	level := zerolog.DebugLevel
	switch {
	case k.Picture != nil && k.Picture.Zombie:
		level = zerolog.WarnLevel
	case k.RunID != "":
		level = zerolog.InfoLevel
	}
	e := l.begin(&l.later, level, "lock.waiting", k.Trace, k.Database)
	if e == nil {
		return
	}
	lockKeys(e, k.Lock)
	ms(e, "wait_ms", k.Lock.Wait)
	e.Int("attempts", k.Lock.Attempts)
	pictureKeys(e, k.Database, k.Picture)
	e.Send()
}

// pictureKeys are what the server says of a session and of those around it.
func pictureKeys(e *zerolog.Event, db event.Database, p *event.Picture) {
	if p == nil {
		return
	}
	e.Int64("pid", p.Session.PID)
	if w := p.Session.Wait; w != nil {
		e.Str("waits_for", clip(w.Object, maxName)).Str("wait_kind", w.Kind).Str("wait_mode", w.Mode)
	}
	if len(p.Blockers) > 0 {
		list := e.CreateArray()
		for _, s := range p.Blockers[:min(len(p.Blockers), maxSessions)] {
			list.Dict(sessionKeys(e.CreateDict(), &s))
		}
		e.Array("blocked_by", list)
	}
	if root := rootOf(p.Blockers); root != nil {
		if sql := root.End(db, p.Session.Wait); sql != "" {
			e.Str("free_sql", sql)
		}
	}
	if p.Zombie {
		e.Bool("holder_idle", true)
	}
	e.Int("queued_behind", p.Queue)
	if p.Queue > 0 {
		e.Int("queued_directly", p.QueueDirect)
		ms(e, "queued_ms", p.QueueTime)
	}
	if stops := stopping(p.Held); stops != nil {
		e.Str("lock_on", clip(stops.Object, maxName)).Str("lock_mode", stops.Mode).Str("lock_stops", stops.Stops)
	}
	if pr := p.Progress; pr != nil {
		e.Str("progress_phase", clip(pr.Phase, maxName)).Int64("progress_done", pr.Done).Int64("progress_total", pr.Total)
	}
	if p.Rewrite {
		e.Bool("rewrite_suspected", true)
	}
	if p.Cycle {
		e.Bool("deadlock_ahead", true)
	}
	if len(p.Missing) > 0 {
		fixes := e.CreateArray()
		for _, m := range p.Missing {
			fixes.Str(m.Fix)
		}
		e.Array("hidden_without", fixes)
	}
}

// rootOf is the first of the blockers that waits for nobody.
func rootOf(blockers []event.Session) *event.Session {
	i := slices.IndexFunc(blockers, func(s event.Session) bool { return len(s.BlockedBy) == 0 })
	if i < 0 {
		return nil
	}
	return &blockers[i]
}

// stopping is the strongest lock that the session has and that keeps others from
// a table. They come with the strongest first.
func stopping(held []event.HeldLock) *event.HeldLock {
	i := slices.IndexFunc(held, func(l event.HeldLock) bool { return l.Granted && l.Stops != "" })
	if i < 0 {
		return nil
	}
	return &held[i]
}

// sessionKeys are what is known of a session of the server.
func sessionKeys(d *zerolog.Event, s *event.Session) *zerolog.Event {
	d.Int64("pid", s.PID).Str("user", clip(s.User, maxName)).Str("application", clip(s.App, maxName)).
		Str("state", clip(s.State, maxName)).Int("depth", s.Depth).Bool("root", len(s.BlockedBy) == 0).Str("query", clip(s.Query, maxQuery))
	ms(d, "transaction_ms", s.TxAge)
	ms(d, "state_ms", s.StateAge)
	return d
}

// maxSessions bounds the sessions in a line.
const maxSessions = 8
