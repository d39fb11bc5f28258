package dashboard

import (
	"time"
	"unicode/utf8"

	"github.com/sqlwitness/sqlwitness/event"
)

// This file holds the records that the page is given, as JSON: times are
// milliseconds since 1970, durations milliseconds. They are copies: an event
// belongs to its sender.

type run struct {
	ID           string  `json:"id"`
	Correlation  string  `json:"correlation_id"`
	Tool         string  `json:"tool"`
	System       string  `json:"db_system"`
	Database     string  `json:"db_name"`
	Outcome      string  `json:"outcome"` // "" while it runs; outcomeElsewhere of another process's
	Role         string  `json:"role"`
	Start        int64   `json:"start"`
	Duration     float64 `json:"duration_ms"`
	Applied      int     `json:"applied"`
	RolledBack   int     `json:"rolled_back"`
	Failures     int     `json:"failures"`
	Statements   int     `json:"statements"`
	LockWait     float64 `json:"lock_wait_ms"`
	LockAttempts int     `json:"lock_attempts"`
	Retries      int     `json:"retries"`
	RetryLost    float64 `json:"retry_lost_ms"`
	First        *string `json:"first"` // version of its first migration, and of its last
	Last         *string `json:"last"`
	Migrations   int     `json:"migrations"` // that have begun
	Elsewhere    string  `json:"elsewhere"`  // how it is known, if another process ran it: an event.Evidence
	Slower       float64 `json:"slower"`     // how many times longer than before the worst of its migrations took; 0 if none was much slower
	locks        []lock
	effects      effects
}

// outcomeElsewhere: how it went is for the other process to say.
const outcomeElsewhere = "elsewhere"

// effects are what became known of a run after its end. Each is nil until then,
// and for good where it cannot be known.
type effects struct {
	Impact    *impact    `json:"impact"`
	ColdStart *coldStart `json:"cold_start"`
	Resources *resources `json:"resources"`
	Trend     *trend     `json:"trend"`
}

// coldStart splits the time from the start to the end of the process's first run.
type coldStart struct {
	Total   float64 `json:"total_ms"`
	Connect float64 `json:"connect_ms"`
	Lock    float64 `json:"lock_ms"`
	Check   float64 `json:"check_ms"`
	Apply   float64 `json:"apply_ms"`
}

type migration struct {
	ID           string          `json:"id"`
	Run          string          `json:"run_id"`
	Version      *string         `json:"version"`
	After        string          `json:"after"`
	Direction    string          `json:"direction"`
	Outcome      string          `json:"outcome"` // "" while it runs
	Start        int64           `json:"start"`
	Duration     float64         `json:"duration_ms"`
	LockWait     float64         `json:"lock_wait_ms"`
	Statements   int             `json:"statements"`
	Atomic       bool            `json:"atomic"`
	Guarantee    string          `json:"guarantee"`
	ErrorClass   string          `json:"error_class"`
	SQLState     string          `json:"sqlstate"`
	FailingIndex int             `json:"failing_index"` // from 1; 0 unless a statement failed
	FailingText  string          `json:"failing_text"`
	Verdict      string          `json:"verdict"`
	Body         []bodyStatement `json:"body"`
	BodyKept     bool            `json:"body_kept"` // false: the statements have been forgotten
}

type bodyStatement struct {
	Operation string  `json:"operation"`
	Text      string  `json:"text"`
	Offset    float64 `json:"offset_ms"` // of its start from the migration's
	Duration  float64 `json:"duration_ms"`
	Rows      int64   `json:"rows_affected"`
	Failed    bool    `json:"failed"`
}

// bodyOf copies the statements of a migration. One whose start is not known
// follows the one before.
func bodyOf(m *event.Migration) []bodyStatement {
	body := []bodyStatement{}
	offset := 0.0
	for _, s := range first(m.Body, maxBody) {
		if !s.Start.IsZero() {
			offset = max(0, ms(s.Start.Sub(m.Start)))
		}
		body = append(body, bodyStatement{Operation: s.Operation, Text: cut(s.Text, 500), Offset: offset, Duration: ms(s.Duration), Rows: s.RowsAffected, Failed: s.Failed})
		offset += ms(s.Duration)
	}
	return body
}

type lock struct {
	Kind     string  `json:"kind"`
	Key      string  `json:"key"`
	Shared   bool    `json:"shared"`
	Outcome  string  `json:"outcome"` // "waiting" until there is one
	Start    int64   `json:"start"`
	Wait     float64 `json:"wait_ms"`
	Attempts int     `json:"attempts"`
	Hold     float64 `json:"hold_ms"` // 0 until it is released
	Anomaly  string  `json:"anomaly"`
}

func lockOf(l *event.Lock) lock {
	out := l.Outcome
	if l.Stage == event.LockWaiting {
		out = "waiting"
	}
	return lock{Kind: l.Kind, Key: cut(l.Key, 200), Shared: l.Shared, Outcome: out, Start: at(l.Start),
		Wait: ms(l.Wait), Attempts: l.Attempts, Hold: ms(l.Hold), Anomaly: l.Anomaly}
}

// statement sums up the slow and failed executions of one fingerprint.
type statement struct {
	Fingerprint string  `json:"fingerprint"`
	Summary     string  `json:"summary"`
	Text        string  `json:"text"`
	Class       string  `json:"class"`
	Phase       string  `json:"phase"` // of the last one, as are the fields up to SQLState
	System      string  `json:"db_system"`
	Database    string  `json:"db_name"`
	Threshold   float64 `json:"threshold_ms"`
	At          int64   `json:"at"`
	LastMS      float64 `json:"last_ms"`
	Rows        int64   `json:"rows"`
	Affected    int64   `json:"rows_affected"`
	ErrorClass  string  `json:"error_class"`
	SQLState    string  `json:"sqlstate"`
	Count       int     `json:"count"`
	Failed      int     `json:"failed"`
	Max         float64 `json:"max_ms"`
	Total       float64 `json:"total_ms"`
}

// running is a statement in flight, as it was last looked at.
type running struct {
	Conn      uint64   `json:"conn_id"`
	Run       string   `json:"run_id"`
	Migration string   `json:"migration_id"`
	Tool      string   `json:"tool"`
	Version   *string  `json:"version"`
	After     string   `json:"after"` // the version before it, where its own is not known yet
	System    string   `json:"db_system"`
	Database  string   `json:"db_name"`
	Operation string   `json:"operation"`
	Class     string   `json:"class"`
	Tables    []string `json:"tables"`
	Summary   string   `json:"summary"`
	Text      string   `json:"text"`
	Phase     string   `json:"phase"`
	Start     int64    `json:"start"`
	Age       float64  `json:"age_ms"`
	Lock      *lock    `json:"lock"`
	Picture   *picture `json:"picture"`
	Queue     []sample `json:"queue"` // sessions behind it, look by look
	looked    time.Time
}

// sample is a number of sessions at an age in milliseconds.
type sample [2]float64

const maxSamples = 240

type picture struct {
	Self          session   `json:"self"`
	Blockers      []session `json:"blockers"`
	Victims       []session `json:"victims"`
	Queue         int       `json:"queue"`
	QueueDirect   int       `json:"queue_direct"`
	QueueMigrator int       `json:"queue_migrators"`
	QueueTime     float64   `json:"queue_ms"`
	Held          []held    `json:"held"`
	Progress      *progress `json:"progress"`
	Rewrite       bool      `json:"rewrite"`
	Zombie        bool      `json:"zombie"`
	Cycle         bool      `json:"cycle"`
	Missing       []missing `json:"missing"`
}

type session struct {
	PID       int64   `json:"pid"`
	User      string  `json:"user"`
	App       string  `json:"app"`
	Client    string  `json:"client"`
	State     string  `json:"state"`
	TxAge     float64 `json:"tx_ms"`
	StateAge  float64 `json:"state_ms"`
	Query     string  `json:"query"`
	Prepared  string  `json:"prepared"`
	Depth     int     `json:"depth"`
	BlockedBy []int64 `json:"blocked_by"`
	WaitKind  string  `json:"wait_kind"`
	WaitFor   string  `json:"wait_for"`
	WaitMode  string  `json:"wait_mode"`
	WaitMS    float64 `json:"wait_ms"`
}

type held struct {
	Object  string `json:"object"`
	Mode    string `json:"mode"`
	Granted bool   `json:"granted"`
	Stops   string `json:"stops"`
}

type progress struct {
	Command string `json:"command"`
	Phase   string `json:"phase"`
	Unit    string `json:"unit"`
	Done    int64  `json:"done"`
	Total   int64  `json:"total"`
}

type missing struct {
	What string `json:"what"`
	Fix  string `json:"fix"`
}

// maxSessions bounds the blockers and the victims that are shown of one statement.
const maxSessions = 100

func pictureOf(p *event.Picture) *picture {
	if p == nil {
		return nil
	}
	out := &picture{
		Self: sessionOf(&p.Session), Blockers: sessionsOf(p.Blockers), Victims: sessionsOf(p.Victims),
		Queue: p.Queue, QueueDirect: p.QueueDirect, QueueMigrator: p.QueueMigrator, QueueTime: ms(p.QueueTime),
		Rewrite: p.Rewrite, Zombie: p.Zombie, Cycle: p.Cycle,
	}
	for _, h := range first(p.Held, maxSessions) {
		out.Held = append(out.Held, held(h))
	}
	if p.Progress != nil {
		g := progress(*p.Progress)
		out.Progress = &g
	}
	out.Missing = missingOf(p.Missing)
	return out
}

func sessionsOf(list []event.Session) []session {
	out := []session{}
	for i := range first(list, maxSessions) {
		out = append(out, sessionOf(&list[i]))
	}
	return out
}

func sessionOf(s *event.Session) session {
	out := session{PID: s.PID, User: s.User, App: s.App, Client: s.Client, State: s.State, TxAge: ms(s.TxAge),
		StateAge: ms(s.StateAge), Query: cut(s.Query, 500), Prepared: s.Prepared, Depth: s.Depth,
		BlockedBy: append([]int64{}, s.BlockedBy...)}
	if w := s.Wait; w != nil {
		out.WaitKind, out.WaitFor, out.WaitMode, out.WaitMS = w.Kind, w.Object, w.Mode, ms(w.For)
	}
	return out
}

type alert struct {
	Fingerprint  string   `json:"fingerprint"`
	Run          string   `json:"run_id"`
	System       string   `json:"db_system"`
	Database     string   `json:"db_name"`
	Rule         string   `json:"rule"`
	Severity     string   `json:"severity"`
	State        string   `json:"state"`
	Episode      int      `json:"episode"`
	Tool         string   `json:"tool"`
	Version      *string  `json:"version"`
	Object       string   `json:"object"`
	Title        string   `json:"title"`
	Details      []string `json:"details"`
	Steps        []step   `json:"steps"`
	Runbook      string   `json:"runbook"`
	AuditEntry   string   `json:"audit_entry"`
	SuppressWith string   `json:"suppress_with"`
	SuppressedBy string   `json:"suppressed_by"`
	Since        int64    `json:"since"`
	At           int64    `json:"at"`
}

type step struct {
	Text string `json:"text"`
	SQL  string `json:"sql"`
}

type finding struct {
	Key      string `json:"key"`
	Run      string `json:"run_id"`
	System   string `json:"db_system"`
	Database string `json:"db_name"`
	At       int64  `json:"at"`
	Kind     string `json:"kind"`
	Object   string `json:"object"`
	Message  string `json:"message"`
	SQL      string `json:"sql"`
	Count    int    `json:"count"`
}

type trouble struct {
	Key      string `json:"key"`
	Database string `json:"db_name"`
	At       int64  `json:"at"`
	Part     string `json:"part"`
	Kind     string `json:"kind"`
	Message  string `json:"message"`
	Hint     string `json:"hint"`
	Fallback string `json:"fallback"`
	Over     bool   `json:"over"`
}

func at(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// cut shortens a text to a number of bytes, at a rune.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

func first[T any](list []T, n int) []T { return list[:min(n, len(list))] }
