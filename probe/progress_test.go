package probe

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sqlwitness/sqlwitness/event"
)

// TestProgress: done and total are those of the phase.
func TestProgress(t *testing.T) {
	for _, c := range []struct {
		view, row string
		want      *event.Progress
	}{
		{"create_index", `{"command":"CREATE INDEX","phase":"building index: scanning table","blocks_done":3,"blocks_total":9,"lockers_done":1,"lockers_total":1}`,
			&event.Progress{Command: "CREATE INDEX", Phase: "building index: scanning table", Unit: "blocks", Done: 3, Total: 9}},
		{"create_index", `{"command":"CREATE INDEX","phase":"building index: loading tuples in tree","blocks_done":9,"blocks_total":9,"tuples_done":5,"tuples_total":7}`,
			&event.Progress{Command: "CREATE INDEX", Phase: "building index: loading tuples in tree", Unit: "tuples", Done: 5, Total: 7}},
		{"create_index", `{"command":"CREATE INDEX CONCURRENTLY","phase":"waiting for old snapshots","lockers_done":0,"lockers_total":2}`,
			&event.Progress{Command: "CREATE INDEX CONCURRENTLY", Phase: "waiting for old snapshots", Unit: "lockers", Total: 2}},
		{"create_index", `{"command":null,"phase":null,"blocks_done":null}`, nil}, // of another role
		{"cluster", `{"command":"VACUUM FULL","phase":"seq scanning heap","heap_blks_scanned":4,"heap_blks_total":8}`,
			&event.Progress{Command: "VACUUM FULL", Phase: "seq scanning heap", Unit: "blocks", Done: 4, Total: 8}},
		{"cluster", `{"command":"CLUSTER","phase":"writing new heap","heap_tuples_written":5}`,
			&event.Progress{Command: "CLUSTER", Phase: "writing new heap", Done: 5}},
		{"vacuum", `{"phase":"scanning heap","heap_blks_scanned":4,"heap_blks_total":8,"heap_blks_vacuumed":1}`,
			&event.Progress{Command: "VACUUM", Phase: "scanning heap", Unit: "blocks", Done: 4, Total: 8}},
		{"vacuum", `{"phase":"vacuuming indexes","heap_blks_scanned":8,"heap_blks_total":8}`,
			&event.Progress{Command: "VACUUM", Phase: "vacuuming indexes"}},
		{"analyze", `{"phase":"acquiring sample rows","sample_blks_scanned":4,"sample_blks_total":8}`,
			&event.Progress{Command: "ANALYZE", Phase: "acquiring sample rows", Unit: "blocks", Done: 4, Total: 8}},
		{"copy", `{"command":"COPY FROM","bytes_processed":4,"bytes_total":8,"tuples_processed":2}`,
			&event.Progress{Command: "COPY", Phase: "copy from", Unit: "bytes", Done: 4, Total: 8}},
		{"copy", `{"command":"COPY FROM","bytes_processed":4,"bytes_total":0,"tuples_processed":2}`,
			&event.Progress{Command: "COPY", Phase: "copy from", Done: 2}},
		{"copy", `{"command":null}`, nil},
	} {
		row := postgresProgressRow{View: c.view}
		if err := json.Unmarshal([]byte(c.row), &row.Row); err != nil {
			t.Fatal(err)
		}
		got := row.progress()
		if (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
			t.Errorf("%s %s: %+v, want %+v", c.view, c.row, got, c.want)
		}
	}
}

// TestOldVersions: a view is asked of a version that has it.
func TestOldVersions(t *testing.T) {
	for version, want := range map[int64]string{120005: "create_index cluster vacuum", 130000: "create_index cluster vacuum analyze", 180000: "create_index cluster vacuum analyze copy"} {
		q := postgresProgress(version)
		if got := strings.Count(q, "SELECT p.pid"); got != len(strings.Fields(want)) {
			t.Errorf("version %d: %d views in %s", version, got, q)
		}
		for _, v := range strings.Fields(want) {
			if !strings.Contains(q, "pg_stat_progress_"+v) {
				t.Errorf("version %d: no %s", version, v)
			}
		}
	}
}
