package eventlog

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/sqlwitness/sqlwitness/event"
)

// Bounds in bytes. A line has to stay well below the 16 KiB at which container
// runtimes cut lines in two.
const (
	maxText  = 4096 // a SQL text
	maxQuery = 512  // what a session of the server runs: a line has several
	maxName  = 256  // a name or version that comes from outside
	maxStack = 8192 // the stack of a panic
)

func statementKeys(e *zerolog.Event, s *event.Statement) {
	if e == nil {
		return
	}
	e.Uint64("conn_id", s.ConnID).
		Str("migration_id", s.MigrationID).
		Str("phase", s.Phase).
		Str("class", s.Class).
		Str("operation", s.Operation).
		Str("summary", clip(s.Summary, maxName)).
		Strs("tables", tableNames(s.Tables)).
		Str("fingerprint", s.Fingerprint).
		Str("text", clip(s.Text, maxText))
	ms(e, "duration_ms", s.Duration)
	if s.Threshold > 0 {
		ms(e, "threshold_ms", s.Threshold)
	} else {
		null(e, "threshold_ms")
	}
}

// maxTables bounds the list of tables, and maxTable each name in it: PostgreSQL's
// are 63 bytes, and as many of the schema. A text may hold longer ones.
const (
	maxTables = 16
	maxTable  = 127
)

func tableNames(all []string) []string {
	names := make([]string, min(len(all), maxTables))
	for i := range names {
		names[i] = clip(all[i], maxTable)
	}
	return names
}

// resultKeys are the keys of a statement that has been answered.
func resultKeys(e *zerolog.Event, s *event.Statement) {
	if e == nil {
		return
	}
	ms(e, "open_ms", s.Open)
	e.Int64("rows", s.Rows)
	if s.RowsAffected >= 0 {
		e.Int64("rows_affected", s.RowsAffected)
	} else {
		null(e, "rows_affected")
	}
}

func lockKeys(e *zerolog.Event, k *event.Lock) {
	e.Uint64("conn_id", k.ConnID).
		Str("migration_id", k.MigrationID).
		Str("kind", k.Kind).
		Str("key", clip(k.Key, maxName)).
		Bool("shared", k.Shared).
		Str("scope", k.Scope)
}

func migrationKeys(e *zerolog.Event, m *event.Migration) {
	if e == nil {
		return
	}
	e.Uint64("conn_id", m.ConnID).
		Str("migration_id", m.MigrationID).
		Str("tool", clip(m.Tool, maxName))
	if m.Version != nil {
		e.Str("version", clip(*m.Version, maxName))
	} else {
		null(e, "version")
	}
	e.Str("after", clip(m.After, maxName)).
		Str("direction", string(m.Direction))
}

func (l *Log) errorKeys(e *zerolog.Event, err error, class, code string) {
	e.Str("error", l.words.message(err, class, code)).
		Str("error_class", class).
		Str("sqlstate", code)
}

func failingKey(e *zerolog.Event, f *event.FailingStatement) {
	if f == nil {
		null(e, "failing_statement")
		return
	}
	e.Dict("failing_statement", e.CreateDict().
		Int("index", f.Index).
		Int("position", f.Position).
		Str("operation", f.Operation).
		Str("fingerprint", f.Fingerprint).
		Str("text", clip(f.Text, maxText)))
}

// bodyKey writes a statement of a run.
func bodyKey(e *zerolog.Event, key string, b *event.BodyStatement) {
	if b == nil {
		null(e, key)
		return
	}
	d := e.CreateDict().
		Str("operation", b.Operation).
		Str("fingerprint", b.Fingerprint).
		Str("text", clip(b.Text, maxText))
	ms(d, "duration_ms", b.Duration)
	e.Dict(key, d)
}

func suppressedKey(e *zerolog.Event, n uint64) {
	if n > 0 {
		e.Uint64("suppressed", n)
	}
}

// ms writes a duration in milliseconds, to the microsecond.
func ms(e *zerolog.Event, key string, d time.Duration) {
	if e == nil {
		return
	}
	var b [32]byte
	e.RawJSON(key, strconv.AppendFloat(b[:0], float64(d.Microseconds())/1e3, 'f', -1, 64))
}

// ratio writes a number to a thousandth. zerolog's own floats look as a package
// variable of the application's says.
func ratio(e *zerolog.Event, key string, f float64) {
	var b [32]byte
	e.RawJSON(key, strconv.AppendFloat(b[:0], math.Round(f*1000)/1000, 'f', -1, 64))
}

func null(e *zerolog.Event, key string) { e.RawJSON(key, []byte("null")) }

// clip cuts a text that is too long, between characters, and marks the cut.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}

func clipBytes(b []byte, limit int) []byte { return b[:min(len(b), limit)] }
