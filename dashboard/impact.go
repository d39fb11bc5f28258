package dashboard

import "github.com/sqlwitness/sqlwitness/event"

// impact is what a run did, or does so far, to the application's own statements.
type impact struct {
	Run        string    `json:"run_id"`
	Elsewhere  string    `json:"elsewhere"` // how the run is known, if another process's: an event.Evidence
	Tool       string    `json:"tool"`      // "" where it is not known
	System     string    `json:"db_system"`
	Database   string    `json:"db_name"`
	Running    bool      `json:"running"` // the run goes on
	Start      int64     `json:"start"`
	Duration   float64   `json:"duration_ms"`
	Before     quantiles `json:"before"`
	During     quantiles `json:"during"`
	After      quantiles `json:"after"`
	P99Ratio   *float64  `json:"p99_ratio"` // during to before, as is the next; null where it is not known
	RateRatio  *float64  `json:"rate_ratio"`
	Unanswered int       `json:"unanswered"`
	Slowest    string    `json:"slowest"` // the application's slowest statement during the run
	SlowMS     float64   `json:"slowest_ms"`
	Worst      string    `json:"worst"` // the run's statement that most sessions waited for
	Queue      int       `json:"queue"`
	Blocker    *session  `json:"blocker"` // whom the run itself waited for
}

type quantiles struct {
	Count  uint64  `json:"count"`
	Failed uint64  `json:"failed"`
	P50    float64 `json:"p50_ms"`
	P99    float64 `json:"p99_ms"`
	Rate   float64 `json:"per_second"` // 0 where it is not known
}

func quantilesOf(l event.Latency) quantiles {
	return quantiles{Count: l.Count, Failed: l.Failed, P50: ms(l.P50), P99: ms(l.P99), Rate: l.Rate}
}

func impactOf(i *event.Impact) *impact {
	out := &impact{Run: impactKey(i), Elsewhere: string(i.Evidence), Tool: cut(i.Tool, 200), System: i.Database.System, Database: i.Database.Name,
		Start: at(i.Start), Duration: ms(i.Duration), Before: quantilesOf(i.Before), During: quantilesOf(i.During), After: quantilesOf(i.After),
		Unanswered: i.Unanswered, Queue: i.Queue}
	if r, known := i.P99Ratio(); known {
		out.P99Ratio = &r
	}
	if r, known := i.RateRatio(); known {
		out.RateRatio = &r
	}
	if s := i.Slowest; s != nil {
		out.Slowest, out.SlowMS = cut(s.Text, 500), ms(s.Duration)
	}
	if s := i.Worst; s != nil {
		out.Worst = cut(s.Text, 500)
	}
	if i.Blocker != nil {
		s := sessionOf(i.Blocker)
		out.Blocker = &s
	}
	return out
}

// impactKey is that of the run.
func impactKey(i *event.Impact) string {
	return runKey(&event.Run{Trace: i.Trace, Tool: i.Tool, Start: i.Start})
}

// Impact keeps what a run did to the application, with the run. One of another
// process is a run of its own: all that is known of it is this.
func (d *Dashboard) Impact(i *event.Impact) {
	d.change(func(seq uint64) {
		key := impactKey(i)
		r := d.runs.change(key, seq)
		if r == nil && i.Evidence != "" {
			r = d.runs.put(key, seq)
			*r = run{ID: key, Correlation: i.CorrelationID, Tool: i.Tool, System: i.Database.System, Database: i.Database.Name,
				Elsewhere: string(i.Evidence), Outcome: outcomeElsewhere, Start: at(i.Start), Duration: ms(i.Duration)}
		}
		if r != nil {
			r.effects.Impact = impactOf(i)
		}
	})
}

// impacts are those of the runs that go on, and of those whose impact is not kept
// with a run yet.
func (d *Dashboard) impacts() []impact {
	out := []impact{}
	if d.deps.Impacts == nil {
		return out
	}
	for _, i := range d.deps.Impacts() {
		one := impactOf(&i.Impact)
		one.Running = i.Running
		out = append(out, *one)
	}
	return out
}
