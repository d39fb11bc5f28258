package migrator

import (
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/sqltext"
)

// TestBodyStart: each statement of a body says when it ran, so that what the tool
// did in between can be seen.
func TestBodyStart(t *testing.T) {
	s := newScript(t, "postgresql")
	s.reads(1)
	s.begin(1)
	start := s.now
	s.exec(1, "CREATE TABLE a (id int)")
	s.now = s.now.Add(time.Minute)
	s.exec(1, "CREATE TABLE b (id int)")
	s.exec(1, gooseInsert, int64(1), true)
	s.commit(1)
	if len(s.ended) != 1 || len(s.ended[0].Body) != 2 {
		t.Fatalf("ended: %+v", s.ended)
	}
	body := s.ended[0].Body
	if first, second := body[0].Start.Sub(start), body[1].Start.Sub(body[0].Start); first < 0 || first > time.Millisecond || second != time.Minute+time.Millisecond {
		t.Errorf("the first began after %v, the second %v after it", first, second)
	}
}

// TestOperationAt: a server counts characters, not bytes, names the end of the
// text by a place behind it, and what stands before
// the failing statement may be written in any script.
func TestOperationAt(t *testing.T) {
	text := sqltext.Analyze("UPDATE a SET name = 'Łódź äöü'; DROP TABLE b; ALTER TABLE c ADD d int", sqltext.PostgreSQL)
	for position, want := range map[int]string{0: "UPDATE", 1: "UPDATE", 31: "UPDATE", 33: "DROP TABLE", 38: "DROP TABLE", 47: "ALTER TABLE", 999: "ALTER TABLE", -1: "UPDATE"} {
		if got := operationAt(text, position).String(); got != want {
			t.Errorf("at %d: %s, want %s", position, got, want)
		}
	}
}
