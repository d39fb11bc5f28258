package event

import (
	"testing"
	"time"
)

// TestEnd: what ends a session fits its state, and hits no other of its number.
func TestEnd(t *testing.T) {
	pg, maria := Database{System: "postgresql"}, Database{System: "mariadb"}
	started := time.Date(2026, 1, 2, 3, 4, 5, 678000, time.UTC)
	for _, c := range []struct {
		db    Database
		s     Session
		holds *Wait
		want  string
	}{
		{pg, Session{PID: 5, State: "idle in transaction", Started: started}, nil,
			"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = 5 AND backend_start = '2026-01-02 03:04:05.000678+00:00'"},
		{pg, Session{PID: 5, State: "active"}, nil, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid = 5"},
		{pg, Session{}, nil, ""},
		{maria, Session{PID: 5, State: "active"}, &Wait{Kind: "named", Object: "m"}, "KILL QUERY 5"},
		{maria, Session{PID: 5, State: "idle"}, nil, "KILL 5"},
		{maria, Session{PID: 5, State: "idle"}, &Wait{Kind: "metadata", Object: "app.t"}, "KILL 5"},
		{maria, Session{PID: 5, State: "idle"}, &Wait{Kind: "named", Object: `it's\`}, `KILL IF(IS_USED_LOCK('it''s\\') = 5, 5, 0)`},
		{Database{System: "sqlite"}, Session{PID: 5}, nil, ""},
	} {
		if got := c.s.End(c.db, c.holds); got != c.want {
			t.Errorf("%+v: %s, want %s", c.s, got, c.want)
		}
	}
}
