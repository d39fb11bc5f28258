package eventlog

import (
	"time"

	"github.com/rs/zerolog"

	"github.com/sqlwitness/sqlwitness/event"
)

// Impact writes run.impact: what a run did to the application's statements.
func (l *Log) Impact(i *event.Impact) {
	level := zerolog.InfoLevel
	if i.Hurts() {
		level = zerolog.WarnLevel
	}
	e := l.begin(&l.later, level, "run.impact", i.Trace, i.Database)
	if e == nil {
		return
	}
	e.Str("tool", clip(i.Tool, maxName))
	if i.Evidence == "" {
		null(e, "elsewhere")
	} else {
		e.Str("elsewhere", string(i.Evidence))
	}
	e.RawJSON("started", i.Start.UTC().AppendFormat(nil, timeFormat))
	ms(e, "duration_ms", i.Duration)
	for _, part := range [...]struct {
		key string
		of  event.Latency
	}{{"before", i.Before}, {"during", i.During}, {"after", i.After}} {
		d := e.CreateDict().Uint64("count", part.of.Count).Uint64("failed", part.of.Failed)
		ms(d, "p50_ms", part.of.P50)
		ms(d, "p99_ms", part.of.P99)
		ratio(d, "per_second", part.of.Rate)
		e.Dict(part.key, d)
	}
	for _, part := range [...]struct {
		key string
		of  func() (float64, bool)
	}{{"p99_ratio", i.P99Ratio}, {"rate_ratio", i.RateRatio}} {
		if r, known := part.of(); known {
			ratio(e, part.key, r)
		} else {
			null(e, part.key)
		}
	}
	e.Int("unanswered", i.Unanswered)
	bodyKey(e, "slowest", i.Slowest)
	bodyKey(e, "worst", i.Worst)
	e.Int("queue", i.Queue)
	if i.Blocker == nil {
		null(e, "blocker")
	} else {
		e.Dict("blocker", sessionKeys(e.CreateDict(), i.Blocker))
	}
	e.Send()
}

// dominates is when a run takes so much of a start that it is a warning.
const (
	dominates    = 0.5
	dominatesMin = time.Second
)

// ColdStart writes start.finished: what the time until the first run was over
// went to.
func (l *Log) ColdStart(c *event.ColdStart) {
	level := zerolog.InfoLevel
	if c.Migrating() >= dominates && c.Total >= dominatesMin {
		level = zerolog.WarnLevel
	}
	e := l.begin(&l.later, level, "start.finished", c.Trace, c.Database)
	if e == nil {
		return
	}
	e.Str("tool", clip(c.Tool, maxName))
	ms(e, "total_ms", c.Total)
	ms(e, "connect_ms", c.Connect)
	ms(e, "lock_ms", c.Lock)
	ms(e, "check_ms", c.Check)
	ms(e, "apply_ms", c.Apply)
	ratio(e, "migrating_share", c.Migrating())
	e.Send()
}
