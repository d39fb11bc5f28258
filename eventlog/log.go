// Package eventlog writes what a witness sees as JSON lines. Each line has a
// stable event name and stable keys; docs/events.md is their reference.
//
// A line never holds a bound argument or a literal of a SQL text, and of a
// database's error message only words that are known to be the server's own.
package eventlog

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/rs/zerolog"

	"github.com/sqlwitness/sqlwitness/event"
)

// Config of a Log. The zero value is ready for use.
type Config struct {
	// Output takes one Write per line, by one goroutine at a time. It may block:
	// lines then wait in the queue, and are dropped when that is full. Defaults
	// to os.Stderr.
	Output io.Writer
	// Level is the least level that is written: "debug", "info", "warn", "error"
	// or "off". Defaults to "info", and so does any other word.
	Level string
	// Slow tells from when on a wait for a lock is worth a warning. Whether a
	// statement is slow is told by its event.
	Slow Slow
	// Queue is how many lines may wait to be written; 0 means 1024.
	Queue int
	// Lost is told when lines begin to be lost, and when that is over, on a
	// goroutine of its own. It may write to the Log. nil means that nobody is.
	Lost func(*event.Trouble)
	// Now is the clock of the lines' time; nil means time.Now.
	Now func() time.Time
}

// Log is an [event.Sink] that writes JSON lines. It is safe for concurrent use.
//
// Lines are queued and written by one goroutine, which sleeps while there are
// none: a statement never waits for Output. Where the process dies, what is
// queued is lost. Since a tool whose migration has failed often exits at once,
// the end of a migration and of a run waits for its line to be written, but for
// no longer than 10 ms, and not at all while Output is stuck.
type Log struct {
	level   zerolog.Level
	slow    Slow
	now     func() time.Time
	queue   *queue
	later   zerolog.Logger // queues
	awaits  zerolog.Logger // queues and waits a little
	limit   *limiter
	running stillRunning
	words   vocabulary
}

var _ event.Sink = (*Log)(nil)

// New makes a Log and starts its goroutine, which [Log.Close] ends.
func New(cfg Config) *Log {
	if cfg.Output == nil {
		cfg.Output = os.Stderr
	}
	if cfg.Queue <= 0 {
		cfg.Queue = 1024
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	q := newQueue(cfg.Output, cfg.Queue, cfg.Lost)
	return &Log{
		level:  levelOf(cfg.Level),
		slow:   cfg.Slow,
		now:    cfg.Now,
		queue:  q,
		later:  zerolog.New(laterWriter{q}),
		awaits: zerolog.New(awaitsWriter{q}),
		limit:  newLimiter(),
		words:  newVocabulary(),
	}
}

// Dropped is how many lines were not written because the queue was full or the
// Log closed. Lines that were suppressed by the rate limit are not among them.
func (l *Log) Dropped() uint64 { return l.queue.dropped.Load() }

// Suppressed is how many lines the rate limit has left out. With those written,
// Dropped and Failed these are all that the level lets through.
func (l *Log) Suppressed() uint64 { return l.limit.suppressed() }

// Failed is how many lines Output has answered with an error; they are lost.
func (l *Log) Failed() uint64 { return l.queue.failed.Load() }

// Close writes what is queued and ends the Log. If ctx is done first it returns
// the context's error; the rest is then written as far as Output allows. Lines
// that come later are dropped. Closing again is the same as waiting again.
func (l *Log) Close(ctx context.Context) error { return l.queue.close(ctx) }

// Panic tells of a panic in a component of sqlwitness that was kept from the
// statement. It is rate-limited by component.
func (l *Log) Panic(component string, cause any, stack []byte) {
	e, suppressed := l.limited(zerolog.ErrorLevel, "witness.panic", component, event.Trace{}, event.Database{})
	if e == nil {
		return
	}
	e.Str("component", component).Str("panic", l.words.cause(cause)).Bytes("stack", clipBytes(stack, maxStack))
	suppressedKey(e, suppressed)
	e.Send()
}

// begin starts a line with the keys that every line has. It returns nil, which
// takes every key and writes nothing, if the level is not written.
//
// Level and time are written by hand because zerolog's own are governed by
// package variables that belong to the application.
func (l *Log) begin(z *zerolog.Logger, level zerolog.Level, name string, tr event.Trace, db event.Database) *zerolog.Event {
	if level < l.level || level == zerolog.Disabled {
		return nil
	}
	var stamp [len(timeFormat) + 8]byte
	e := z.Log().
		RawJSON("time", l.now().UTC().AppendFormat(stamp[:0], timeFormat)).
		Str("level", levelName(level)).
		Str("event", name)
	return e.Str("correlation_id", tr.CorrelationID).
		Str("run_id", tr.RunID).
		Str("db_system", db.System).
		Str("db_name", db.Name)
}

// limited is begin for lines of which one statement may make very many.
func (l *Log) limited(level zerolog.Level, name, key string, tr event.Trace, db event.Database) (e *zerolog.Event, suppressed uint64) {
	if level < l.level {
		return nil, 0
	}
	ok, suppressed := l.limit.allow(l.now(), limitKey{name, key})
	if !ok {
		return nil, 0
	}
	return l.begin(&l.later, level, name, tr, db), suppressed
}

// timeFormat is RFC 3339 with all nine digits, so that lines sort as text.
const timeFormat = `"2006-01-02T15:04:05.000000000Z07:00"`

func levelOf(name string) zerolog.Level {
	switch name {
	case "debug":
		return zerolog.DebugLevel
	case "warn":
		return zerolog.WarnLevel
	case "error":
		return zerolog.ErrorLevel
	case "off":
		return zerolog.Disabled
	}
	return zerolog.InfoLevel
}

func levelName(l zerolog.Level) string {
	switch l {
	case zerolog.DebugLevel:
		return "debug"
	case zerolog.WarnLevel:
		return "warn"
	case zerolog.ErrorLevel:
		return "error"
	}
	return "info"
}
