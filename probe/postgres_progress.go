package probe

import (
	"fmt"
	"strings"

	"github.com/sqlwitness/sqlwitness/event"
)

// postgresViews are the progress views and the version that each came with.
var postgresViews = []struct {
	name  string
	since int64
}{
	{"create_index", 120000},
	{"cluster", 120000},
	{"vacuum", 90600},
	{"analyze", 130000},
	{"copy", 140000},
}

// postgresProgress is the query for the progress of our sessions.
func postgresProgress(version int64) string {
	var parts []string
	for _, v := range postgresViews {
		if version >= v.since {
			parts = append(parts, fmt.Sprintf("SELECT p.pid, '%s' AS view, pg_catalog.to_jsonb(p) AS row FROM pg_catalog.pg_stat_progress_%s p WHERE p.pid IN (SELECT pid FROM ours)", v.name, v.name))
		}
	}
	return strings.Join(parts, " UNION ALL ")
}

// postgresProgressRow is a row of one of the views. Its columns are null where
// the role may not see them.
type postgresProgressRow struct {
	PID  int64
	View string
	Row  struct {
		Command *string
		Phase   *string

		LockersDone  int64 `json:"lockers_done"`
		LockersTotal int64 `json:"lockers_total"`
		BlocksDone   int64 `json:"blocks_done"`
		BlocksTotal  int64 `json:"blocks_total"`
		TuplesDone   int64 `json:"tuples_done"`
		TuplesTotal  int64 `json:"tuples_total"`

		HeapScanned   int64 `json:"heap_blks_scanned"`
		HeapVacuumed  int64 `json:"heap_blks_vacuumed"`
		HeapTotal     int64 `json:"heap_blks_total"`
		HeapWritten   int64 `json:"heap_tuples_written"`
		SampleScanned int64 `json:"sample_blks_scanned"`
		SampleTotal   int64 `json:"sample_blks_total"`

		BytesProcessed  int64 `json:"bytes_processed"`
		BytesTotal      int64 `json:"bytes_total"`
		TuplesProcessed int64 `json:"tuples_processed"`
	}
}

// progress is the part of the row that belongs to its phase: done and total are
// of the phase, and start anew with the next.
func (p *postgresProgressRow) progress() *event.Progress {
	r := &p.Row
	out := &event.Progress{Command: strings.ToUpper(strings.ReplaceAll(p.View, "_", " "))}
	if r.Command != nil {
		out.Command = *r.Command
	}
	if r.Phase != nil {
		out.Phase = *r.Phase
	}
	is := func(part string) bool { return strings.Contains(out.Phase, part) }
	set := func(unit string, done, total int64) {
		out.Done, out.Total = done, total
		if total > 0 {
			out.Unit = unit
		}
	}
	switch p.View {
	case "copy": // has no phases
		if r.Command == nil {
			return nil
		}
		out.Command, out.Phase = "COPY", strings.ToLower(out.Command)
		if r.BytesTotal > 0 {
			set("bytes", r.BytesProcessed, r.BytesTotal)
		} else {
			set("", r.TuplesProcessed, 0)
		}
		return out
	case "create_index":
		switch {
		case is("waiting"):
			set("lockers", r.LockersDone, r.LockersTotal)
		case is("tuples"):
			set("tuples", r.TuplesDone, r.TuplesTotal)
		default:
			set("blocks", r.BlocksDone, r.BlocksTotal)
		}
	case "cluster":
		if is("seq scanning") {
			set("blocks", r.HeapScanned, r.HeapTotal)
		} else {
			set("", r.HeapWritten, 0)
		}
	case "vacuum":
		switch {
		case is("scanning heap"):
			set("blocks", r.HeapScanned, r.HeapTotal)
		case is("vacuuming heap"):
			set("blocks", r.HeapVacuumed, r.HeapTotal)
		}
	case "analyze":
		if is("acquiring") {
			set("blocks", r.SampleScanned, r.SampleTotal)
		}
	}
	if r.Phase == nil {
		return nil
	}
	return out
}
