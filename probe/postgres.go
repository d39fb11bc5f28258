package probe

import (
	"context"
	"database/sql"
	_ "embed"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// postgres is PostgreSQL 12 and later. A look is one query with one answer.
type postgres struct {
	version atomic.Int64 // server_version_num; 0 before the first look
}

//go:embed postgres.sql
var postgresLook string

func (*postgres) session() string { return "SELECT pg_catalog.pg_backend_pid()" }

// settings holds what poolers keep apart for each of their clients; the limits
// go with each transaction.
func (*postgres) settings() []string {
	return []string{"SET application_name = 'sqlwitness-observer'"}
}

// begin sets the limits for one transaction: a setting of the session would stay
// with the server's side of a transaction pooler, for whoever gets that next. By
// default the database might make it serializable and deferrable, which waits.
func (*postgres) begin() string {
	return "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; SET LOCAL lock_timeout = '100ms'; SET LOCAL statement_timeout = '1s'; SET LOCAL idle_in_transaction_session_timeout = '2s'"
}

func (*postgres) end() string { return "COMMIT" }

func (p *postgres) look(ctx context.Context, c *sql.Conn, asked []Asked) (*snapshot, error) {
	version, err := p.serverVersion(ctx, c)
	if err != nil {
		return nil, err
	}
	var text string
	query := strings.Replace(postgresLook, "{{progress}}", postgresProgress(version), 1)
	if err := c.QueryRowContext(ctx, query, intArray(sessionsOf(asked)), lockArray(asked)).Scan(&text); err != nil {
		return nil, err
	}
	var doc postgresDoc
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return nil, fmt.Errorf("probe: read the server's answer: %w", err)
	}
	return doc.snapshot(), nil
}

func (p *postgres) serverVersion(ctx context.Context, c *sql.Conn) (int64, error) {
	if v := p.version.Load(); v != 0 {
		return v, nil
	}
	var v int64
	if err := c.QueryRowContext(ctx, "SELECT pg_catalog.current_setting('server_version_num')::pg_catalog.int8").Scan(&v); err != nil {
		return 0, err
	}
	p.version.Store(v)
	return v, nil
}

// intArray writes numbers as an array literal, which every driver sends as it
// is.
func intArray(ids []int64) string {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = strconv.FormatInt(id, 10)
	}
	return "{" + strings.Join(list, ",") + "}"
}

// postgresDoc is the answer to a look. Ages are in seconds, null where the role
// may not know or nobody does.
type postgresDoc struct {
	Role       string
	SeesAll    bool `json:"sees_all"`
	SignalsAll bool `json:"signals_all"`
	Sessions   []struct {
		PID      int64
		Started  *time.Time
		User     string
		App      string
		Client   string
		State    string
		TxAge    *float64 `json:"tx_age"`
		StateAge *float64 `json:"state_age"`
		Query    string
		Hidden   bool
		Super    bool
		Ours     bool
		Helped   bool
	}
	Waits []struct {
		PID    int64
		Kind   string
		Mode   string
		Lock   string
		By     []int64
		For    *float64
		Object string

		Class, Obj int64 // of an advisory lock, unsigned 32 bits each
		Sub        int   // 1: they are one key of 64 bits; 2: two keys
	}
	Held []struct {
		PID     int64
		Object  string // "" for a relation that no other session can know yet
		Mode    string
		Granted bool
	}
	Advisory []int64
	Polled   []struct {
		PID        int64
		By         []int64
		Class, Obj int64 // as above
		Sub        int
	}
	Prepared []struct {
		GID   string
		User  string
		Age   *float64
		Locks []string
	}
	Progress []postgresProgressRow
}

func (d *postgresDoc) snapshot() *snapshot {
	s := &snapshot{
		sessions: map[int64]*session{},
		waits:    map[int64]*wait{},
		held:     map[int64][]event.HeldLock{},
		progress: map[int64]*event.Progress{},
		rewrites: map[int64]bool{},
		advisory: map[int64]bool{},
	}
	if !d.SeesAll {
		s.missing = append(s.missing, event.Missing{What: hiddenSessions, Fix: "GRANT pg_read_all_stats TO " + d.Role})
	}
	if !d.SignalsAll {
		s.signal = event.Missing{What: "cancelling or ending a blocking session of another role", Fix: "GRANT pg_signal_backend TO " + d.Role}
	}
	for _, in := range d.Sessions {
		out := &session{Session: event.Session{PID: in.PID, User: in.User, App: in.App, Client: in.Client, State: in.State,
			TxAge: seconds(in.TxAge), StateAge: seconds(in.StateAge), Query: in.Query}}
		if in.Started != nil {
			out.Started = *in.Started
		}
		if out.hidden = in.Hidden; out.hidden {
			out.Query = ""
		}
		out.foreign = !in.Ours && !in.Super // nobody but a superuser ends a superuser's
		out.helped = in.Helped
		s.sessions[in.PID] = out
	}
	d.locks(s)
	for _, p := range d.Progress {
		if q := p.progress(); q != nil {
			s.progress[p.PID] = q
		}
	}
	for _, pid := range d.Advisory {
		s.advisory[pid] = true
	}
	return s
}

func (d *postgresDoc) locks(s *snapshot) {
	prepared := map[string][]int64{} // who holds a lock
	for i, p := range d.Prepared {
		id := int64(-1 - i)
		s.sessions[id] = &session{Session: event.Session{User: p.User, State: "prepared transaction", Prepared: p.GID, TxAge: seconds(p.Age), StateAge: seconds(p.Age)}}
		for _, lock := range p.Locks {
			prepared[lock] = append(prepared[lock], id)
		}
	}
	for _, in := range d.Waits {
		w := &wait{Wait: event.Wait{Kind: in.Kind, Object: in.Object, Mode: in.Mode, For: seconds(in.For)}, lock: in.Lock, unasked: in.By == nil}
		if in.Kind == "advisory" {
			w.Object = advisoryKey(in.Class, in.Obj, in.Sub)
		}
		for _, by := range in.By {
			if holders := prepared[in.Lock]; by == 0 && len(holders) > 0 {
				w.by = append(w.by, holders...)
			} else {
				w.by = append(w.by, by)
			}
		}
		s.waits[in.PID] = w
	}
	for _, in := range d.Polled {
		if key := advisoryKey(in.Class, in.Obj, in.Sub); s.waits[in.PID] == nil && len(in.By) > 0 {
			s.waits[in.PID] = &wait{Wait: event.Wait{Kind: "advisory", Object: key}, by: in.By}
		}
	}
	unknown, known := map[int64]bool{}, map[int64]bool{}
	for _, in := range d.Held {
		if in.Object == "" {
			unknown[in.PID] = unknown[in.PID] || in.Mode == "AccessExclusiveLock"
			continue
		}
		known[in.PID] = known[in.PID] || in.Granted && in.Mode == "AccessExclusiveLock"
		s.held[in.PID] = append(s.held[in.PID], event.HeldLock{Object: in.Object, Mode: in.Mode, Granted: in.Granted, Stops: stops(in.Mode)})
	}
	for pid := range unknown {
		own := s.sessions[pid]
		s.rewrites[pid] = unknown[pid] && known[pid] && own != nil && own.State == "active" && rewriting.MatchString(own.Query)
	}
}

// rewriting matches the statements that may rewrite a table. A rewrite fills a
// new relation, locked against all and unknown to others; but so is a table that
// the same transaction has created, so that it can only be suspected.
var rewriting = regexp.MustCompile(`(?i)\b(ALTER\s+TABLE|ALTER\s+MATERIALIZED|CLUSTER|VACUUM|REPACK|REFRESH)\b`)

// lockArray writes the keys that are asked for as an array literal of
// "pid class obj sub".
func lockArray(asked []Asked) string {
	var list []string
	for _, a := range asked {
		if class, obj, sub, ok := advisoryParts(a.Lock); ok {
			list = append(list, fmt.Sprintf(`"%d %d %d %d"`, a.Session, class, obj, sub))
		}
	}
	return "{" + strings.Join(list, ",") + "}"
}

// advisoryParts takes a key of pg_advisory_lock apart, as pg_locks shows it.
func advisoryParts(key string) (class, obj uint32, sub int, ok bool) {
	if one, two, pair := strings.Cut(key, ","); pair {
		a, errA := strconv.ParseInt(one, 10, 32)
		b, errB := strconv.ParseInt(two, 10, 32)
		return uint32(a), uint32(b), 2, errA == nil && errB == nil
	}
	n, err := strconv.ParseInt(key, 10, 64)
	return uint32(uint64(n) >> 32), uint32(uint64(n)), 1, err == nil
}

// advisoryKey is the key as it was given to pg_advisory_lock.
func advisoryKey(class, obj int64, sub int) string {
	if sub == 1 {
		return strconv.FormatInt(class<<32|obj, 10)
	}
	return fmt.Sprintf("%d,%d", int32(class), int32(obj))
}
