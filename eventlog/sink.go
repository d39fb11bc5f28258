package eventlog

import (
	"github.com/rs/zerolog"

	"github.com/sqlwitness/sqlwitness/event"
)

// Statement writes statement.slow and statement.failed, at most 5 of a
// fingerprint per minute and one in 100 beyond. A failed statement of a
// migration is an error and never suppressed. One of a tool's run outside its
// migrations is information, because many tools find out by an error that their
// version table is missing; one of the application is for debugging, because the
// application has the error in its hands.
func (l *Log) Statement(s *event.Statement) {
	if s.Err != nil {
		l.statementFailed(s)
	}
	if s.Slow {
		e, suppressed := l.limited(zerolog.WarnLevel, "statement.slow", limitBy(s), s.Trace, s.Database)
		statementKeys(e, s)
		resultKeys(e, s)
		suppressedKey(e, suppressed)
		e.Send()
	}
}

func (l *Log) statementFailed(s *event.Statement) {
	var e *zerolog.Event
	var suppressed uint64
	switch {
	case s.MigrationID != "":
		e = l.begin(&l.later, zerolog.ErrorLevel, "statement.failed", s.Trace, s.Database)
	case s.RunID != "":
		e, suppressed = l.limited(zerolog.InfoLevel, "statement.failed", limitBy(s), s.Trace, s.Database)
	default:
		e, suppressed = l.limited(zerolog.DebugLevel, "statement.failed", limitBy(s), s.Trace, s.Database)
	}
	if e == nil {
		return
	}
	statementKeys(e, s)
	resultKeys(e, s)
	l.errorKeys(e, s.Err, s.ErrorClass, s.SQLState)
	suppressedKey(e, suppressed)
	e.Send()
}

// limitBy is what statements count as similar by.
func limitBy(s *event.Statement) string {
	if s.Fingerprint != "" {
		return s.Fingerprint
	}
	return s.Operation
}

// Lock writes lock.waiting, lock.acquired, lock.failed, lock.released and
// lock.anomaly.
func (l *Log) Lock(k *event.Lock) {
	level := l.lockLevel(k)
	e := l.begin(&l.later, level, lockEvent(k.Stage), k.Trace, k.Database)
	if e == nil {
		return
	}
	lockKeys(e, k)
	if k.Stage != event.LockWaiting {
		e.Str("outcome", k.Outcome)
	}
	switch k.Stage {
	case event.LockReleased:
		if k.Hold > 0 {
			ms(e, "hold_ms", k.Hold)
		} else {
			null(e, "hold_ms")
		}
	case event.LockAnomaly:
		e.Str("anomaly", k.Anomaly)
	default:
		ms(e, "wait_ms", k.Wait)
		e.Int("attempts", k.Attempts)
	}
	if k.Err != nil {
		class, code := event.Classify(k.Err)
		l.errorKeys(e, k.Err, class, code)
	}
	e.Send()
}

func lockEvent(s event.LockStage) string {
	switch s {
	case event.LockWaiting:
		return "lock.waiting"
	case event.LockAcquired:
		return "lock.acquired"
	case event.LockFailed:
		return "lock.failed"
	case event.LockReleased:
		return "lock.released"
	}
	return "lock.anomaly"
}

// lockLevel: what goes as it should is for debugging. An application that tries
// for a lock and is refused (leader election) does so all day.
func (l *Log) lockLevel(k *event.Lock) zerolog.Level {
	inRun := k.RunID != ""
	switch k.Stage {
	case event.LockAcquired:
		if t := l.slow.Threshold("lock"); t > 0 && k.Wait >= t {
			return zerolog.WarnLevel
		}
		return zerolog.DebugLevel
	case event.LockReleased:
		return zerolog.DebugLevel
	case event.LockWaiting:
		if inRun {
			return zerolog.InfoLevel
		}
		return zerolog.DebugLevel
	case event.LockFailed:
		if k.Outcome == "refused" && !inRun {
			return zerolog.DebugLevel
		}
	}
	return zerolog.WarnLevel
}

// Migration writes migration.started and migration.finished.
func (l *Log) Migration(m *event.Migration) {
	if m.Outcome == "" {
		e := l.begin(&l.later, zerolog.InfoLevel, "migration.started", m.Trace, m.Database)
		migrationKeys(e, m)
		e.Send()
		return
	}
	level := zerolog.InfoLevel
	failed := m.Outcome == event.Failed || m.Outcome == event.Interrupted
	switch {
	case failed:
		level = zerolog.ErrorLevel
	case m.Outcome == event.Forced:
		level = zerolog.WarnLevel
	}
	e := l.begin(&l.awaits, level, "migration.finished", m.Trace, m.Database)
	if e == nil {
		return
	}
	migrationKeys(e, m)
	e.Str("outcome", string(m.Outcome))
	ms(e, "duration_ms", m.Duration)
	e.Int("statements", m.Statements).
		Bool("atomic", m.Atomic).
		Str("guarantee", string(m.Guarantee))
	ms(e, "lock_wait_ms", m.LockWait)
	if failed {
		l.errorKeys(e, m.Err, m.ErrorClass, m.SQLState)
		failingKey(e, m.Failing)
		e.Str("verdict", m.Verdict)
	}
	e.Send()
}

// Run writes run.started and, as the run's summary in one line, run.finished.
func (l *Log) Run(r *event.Run) {
	if !r.Finished {
		l.begin(&l.later, zerolog.InfoLevel, "run.started", r.Trace, r.Database).Str("tool", clip(r.Tool, maxName)).Send()
		return
	}
	level := zerolog.InfoLevel
	if r.Outcome == "failed" {
		level = zerolog.ErrorLevel
	}
	e := l.begin(&l.awaits, level, "run.finished", r.Trace, r.Database)
	if e == nil {
		return
	}
	e.Str("tool", clip(r.Tool, maxName)).Str("outcome", r.Outcome).Str("role", r.Role)
	ms(e, "duration_ms", r.Duration)
	e.Int("applied", r.Applied).
		Int("rolled_back", r.RolledBack).
		Int("failures", r.Failures).
		Int("statements", r.Statements)
	ms(e, "lock_wait_ms", r.LockWait)
	e.Int("lock_attempts", r.LockAttempts).Int("retries", r.Retries)
	ms(e, "retry_lost_ms", r.RetryLost)
	bodyKey(e, "slowest", r.Slowest)
	e.Send()
}
