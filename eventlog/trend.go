package eventlog

import (
	"github.com/rs/zerolog"

	"github.com/sqlwitness/sqlwitness/event"
)

// Resources writes run.resources: what the server used up while a run migrated.
func (l *Log) Resources(r *event.Resources) {
	e := l.begin(&l.later, zerolog.InfoLevel, "run.resources", r.Trace, r.Database)
	if e == nil {
		return
	}
	e.Str("tool", clip(r.Tool, maxName))
	ms(e, "measured_ms", r.Duration)
	count(e, "size_before_bytes", r.SizeBefore)
	count(e, "size_after_bytes", r.SizeAfter)
	count(e, "growth_bytes", r.Growth())
	count(e, "wal_bytes", r.WALBytes)
	count(e, "blocks_read", r.BlocksRead)
	if rate, known := r.HitRate(); known {
		ratio(e, "cache_hit_rate", rate)
	} else {
		null(e, "cache_hit_rate")
	}
	count(e, "temp_bytes", r.TempBytes)
	count(e, "deadlocks", r.Deadlocks)
	if r.ReplicationLag != nil {
		ms(e, "replication_lag_ms", *r.ReplicationLag)
	} else {
		null(e, "replication_lag_ms")
	}
	missing := e.CreateArray()
	for _, m := range r.Missing {
		missing.Str(clip(m.Fix, maxName))
	}
	e.Array("missing", missing)
	e.Send()
}

// maxSlower bounds the list of slower migrations.
const maxSlower = 16

// Trend writes run.trend: how a run compares with earlier ones.
func (l *Log) Trend(t *event.Trend) {
	level := zerolog.InfoLevel
	if len(t.Slower) > 0 {
		level = zerolog.WarnLevel
	}
	e := l.begin(&l.later, level, "run.trend", t.Trace, t.Database)
	if e == nil {
		return
	}
	e.Str("tool", clip(t.Tool, maxName)).Int("applied", t.Applied)
	ms(e, "median_ms", t.Median)
	e.Int("earlier_runs", t.EarlierRuns)
	ms(e, "earlier_median_ms", t.EarlierMedian)
	e.Int("compared", t.Compared)
	slower := e.CreateArray()
	for _, s := range t.Slower[:min(len(t.Slower), maxSlower)] {
		slower.Dict(slowerKeys(e.CreateDict(), s))
	}
	e.Array("slower", slower)
	e.Str("message", clip(t.Said(), maxText))
	e.Send()
}

func slowerKeys(d *zerolog.Event, s event.Slower) *zerolog.Event {
	d.Str("migration_id", s.MigrationID).Str("version", clip(s.Version, maxName))
	ms(d, "duration_ms", s.Duration)
	ms(d, "median_ms", s.Median)
	return d.Int("earlier", s.Earlier)
}

// count writes a number that may not be known.
func count(e *zerolog.Event, key string, n *int64) {
	if n == nil {
		null(e, key)
		return
	}
	e.Int64(key, *n)
}
