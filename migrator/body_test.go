package migrator

import (
	"testing"
	"time"
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
