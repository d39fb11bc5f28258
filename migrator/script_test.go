package migrator

import (
	"database/sql/driver"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/sqltext"
)

// script shows driver calls to a Tracker as the driver would, and keeps what it
// says of them. Each call takes a millisecond.
type script struct {
	t       *testing.T
	tracker *Tracker
	dialect sqltext.Dialect
	now     time.Time
	tx      map[uint64]bool

	started []*event.Migration
	ended   []*event.Migration
	runs    []event.Run // that have ended
	open    map[string]int
	log     []string // "start", "end" and calls, in order
}

func newScript(t *testing.T, system string) *script {
	s := &script{
		t:       t,
		dialect: sqltext.DialectOf(system),
		now:     time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		tx:      map[uint64]bool{},
		open:    map[string]int{},
	}
	ids := 0
	s.tracker = New(Config{
		Database: event.Database{System: system},
		NewID:    func() string { ids++; return "id" + strconv.Itoa(ids) },
		Now:      func() time.Time { return s.now },
	})
	return s
}

func (s *script) told(changes []Change) {
	s.t.Helper()
	for _, ch := range changes {
		if r := ch.Run; r != nil {
			if r.Finished {
				s.runs = append(s.runs, *r)
				s.open[r.RunID]--
			} else {
				s.open[r.RunID]++
			}
		}
		m := ch.Migration
		if m == nil {
			continue
		}
		if m.RunID == "" || m.MigrationID == "" || m.CorrelationID == "" {
			s.t.Errorf("a migration without ids: %+v", m.Trace)
		}
		if m.Outcome == "" {
			s.open[m.MigrationID]++
			s.started = append(s.started, m)
			s.log = append(s.log, "start")
			continue
		}
		s.open[m.MigrationID]--
		s.ended = append(s.ended, m)
		s.log = append(s.log, "end")
	}
}

func (s *script) text(sql string) (*sqltext.Text, Role) {
	text := sqltext.Analyze(sql, s.dialect)
	return text, Classify(text)
}

func named(args []any) []driver.NamedValue {
	nvs := make([]driver.NamedValue, len(args))
	for i, a := range args {
		nvs[i] = driver.NamedValue{Ordinal: i + 1, Value: a}
	}
	return nvs
}

// call makes a call that has a text.
func (s *script) call(c Call) *Call {
	s.t.Helper()
	c.InTx, c.Start = s.tx[c.Conn], s.now
	s.told(s.tracker.Before(&c))
	s.log = append(s.log, c.Text.SQL)
	s.now = s.now.Add(time.Millisecond)
	c.Duration = time.Millisecond
	s.told(s.tracker.After(&c))
	return &c
}

func (s *script) exec(conn uint64, sql string, args ...any) { s.affected(conn, 1, sql, args...) }

func (s *script) affected(conn uint64, n int64, sql string, args ...any) {
	s.t.Helper()
	text, role := s.text(sql)
	s.call(Call{Kind: Exec, Conn: conn, Text: text, Role: role, Args: named(args), Affected: n})
}

func (s *script) fails(conn uint64, err error, sql string, args ...any) {
	s.t.Helper()
	text, role := s.text(sql)
	s.call(Call{Kind: Exec, Conn: conn, Text: text, Role: role, Args: named(args), Affected: -1, Err: err})
}

func (s *script) queryFails(conn uint64, err error, sql string, args ...any) {
	s.t.Helper()
	text, role := s.text(sql)
	s.call(Call{Kind: Query, Conn: conn, Text: text, Role: role, Args: named(args), Affected: -1, Err: err})
}

// query reads rows whose first column's name is given.
func (s *script) query(conn uint64, columns []string, rows [][]driver.Value, sql string, args ...any) {
	s.t.Helper()
	text, role := s.text(sql)
	c := s.call(Call{Kind: Query, Conn: conn, Text: text, Role: role, Args: named(args), Affected: -1})
	wants := c.WantsRows || role.WantsRows()
	for _, row := range rows {
		if !wants {
			break
		}
		r := *c
		r.Kind, r.Columns, r.Values = Row, columns, row
		s.told(s.tracker.After(&r))
	}
	end := *c
	end.Kind = RowEnd
	s.told(s.tracker.After(&end))
}

func (s *script) bare(kind Kind, conn uint64, err error) {
	s.t.Helper()
	c := Call{Kind: kind, Conn: conn, InTx: s.tx[conn], Affected: -1, Err: err, Start: s.now, Duration: time.Millisecond}
	s.now = s.now.Add(time.Millisecond)
	s.told(s.tracker.After(&c))
}

func (s *script) begin(conn uint64)    { s.t.Helper(); s.bare(Begin, conn, nil); s.tx[conn] = true }
func (s *script) commit(conn uint64)   { s.t.Helper(); s.bare(Commit, conn, nil); s.tx[conn] = false }
func (s *script) rollback(conn uint64) { s.t.Helper(); s.bare(Rollback, conn, nil); s.tx[conn] = false }
func (s *script) reset(conn uint64)    { s.t.Helper(); s.bare(Reset, conn, nil) }
func (s *script) close(conn uint64)    { s.t.Helper(); s.bare(Close, conn, nil); s.tx[conn] = false }

func (s *script) commitFails(conn uint64, err error) {
	s.t.Helper()
	s.bare(Commit, conn, err)
	s.tx[conn] = false
}

// want compares the migrations that have ended: "goose up 1 applied".
func (s *script) want(want ...string) {
	s.t.Helper()
	var got []string
	for _, m := range s.ended {
		got = append(got, describe(m))
	}
	if !slices.Equal(got, want) {
		s.t.Errorf("got  %q\nwant %q", got, want)
	}
}

func describe(m *event.Migration) string {
	version := "-"
	if m.Version != nil {
		version = *m.Version
	}
	return fmt.Sprintf("%s %s %s %s", m.Tool, m.Direction, version, m.Outcome)
}

// over closes everything and checks that what was begun has ended, once.
func (s *script) over() {
	s.t.Helper()
	s.told(s.tracker.Flush())
	for id, n := range s.open {
		if n != 0 {
			s.t.Errorf("%s: begun and ended %+d times", id, n)
		}
	}
	if s.tracker.Active() {
		s.t.Error("a run is open after Flush")
	}
}

// Errors as drivers return them.
type serverError string

func (e serverError) Error() string    { return "server: " + string(e) }
func (e serverError) SQLState() string { return string(e) }

const (
	syntaxError    = serverError("42601")
	missingTable   = serverError("42P01")
	uniqueViolated = serverError("23505")
)

var (
	version = []string{"version"}
	count   = []string{"count"}
	none    = [][]driver.Value{}
)

func rows(values ...driver.Value) [][]driver.Value {
	all := make([][]driver.Value, len(values))
	for i, v := range values {
		all[i] = []driver.Value{v}
	}
	return all
}
