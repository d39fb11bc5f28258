package dashboard

import "github.com/sqlwitness/sqlwitness/event"

// resources is what the server used up while a run migrated, in bytes. What is
// not known is null.
type resources struct {
	Measured   float64   `json:"measured_ms"`
	SizeBefore *int64    `json:"size_before"`
	SizeAfter  *int64    `json:"size_after"`
	WAL        *int64    `json:"wal"`
	HitRate    *float64  `json:"hit_rate"`
	Temp       *int64    `json:"temp"`
	Deadlocks  *int64    `json:"deadlocks"`
	Lag        *float64  `json:"replication_lag_ms"`
	Missing    []missing `json:"missing"`
}

func resourcesOf(r *event.Resources) *resources {
	out := &resources{Measured: ms(r.Duration), SizeBefore: copied(r.SizeBefore), SizeAfter: copied(r.SizeAfter), WAL: copied(r.WALBytes),
		Temp: copied(r.TempBytes), Deadlocks: copied(r.Deadlocks), Missing: missingOf(r.Missing)}
	if rate, known := r.HitRate(); known {
		out.HitRate = &rate
	}
	if r.ReplicationLag != nil {
		out.Lag = new(ms(*r.ReplicationLag))
	}
	return out
}

func copied(n *int64) *int64 {
	if n == nil {
		return nil
	}
	return new(*n)
}

func missingOf(list []event.Missing) []missing {
	out := []missing{}
	for _, m := range first(list, maxSessions) {
		out = append(out, missing{cut(m.What, 500), cut(m.Fix, 500)})
	}
	return out
}

// trend is how a run compares with the earlier ones in the audit trail.
type trend struct {
	Applied       int      `json:"applied"`
	Median        float64  `json:"median_ms"`
	EarlierRuns   int      `json:"earlier_runs"`
	EarlierMedian float64  `json:"earlier_median_ms"`
	Compared      int      `json:"compared"`
	Slower        []slower `json:"slower"`
}

// slower is a migration that took much longer than it did before.
type slower struct {
	Migration string  `json:"migration_id"`
	Version   string  `json:"version"`
	Duration  float64 `json:"duration_ms"`
	Median    float64 `json:"median_ms"` // of the earlier ones
	Earlier   int     `json:"earlier"`
}

const maxSlower = 16

func trendOf(t *event.Trend) *trend {
	out := &trend{Applied: t.Applied, Median: ms(t.Median), EarlierRuns: t.EarlierRuns, EarlierMedian: ms(t.EarlierMedian), Compared: t.Compared, Slower: []slower{}}
	for _, s := range first(t.Slower, maxSlower) {
		out.Slower = append(out.Slower, slower{s.MigrationID, cut(s.Version, 200), ms(s.Duration), ms(s.Median), s.Earlier})
	}
	return out
}
