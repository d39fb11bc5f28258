package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// logLine is a line of the witness's log; docs/events.md is the reference.
type logLine struct {
	Time        time.Time `json:"time"`
	Level       string    `json:"level"`
	Event       string    `json:"event"`
	Correlation string    `json:"correlation_id"`
	Run         string    `json:"run_id"`
	System      string    `json:"db_system"`
	Database    string    `json:"db_name"`

	Conn        uint64        `json:"conn_id"`
	Migration   string        `json:"migration_id"`
	Tool        string        `json:"tool"`
	Version     *string       `json:"version"`
	After       string        `json:"after"`
	Direction   string        `json:"direction"`
	Outcome     string        `json:"outcome"`
	Role        string        `json:"role"`
	Duration    milliseconds  `json:"duration_ms"`
	Open        milliseconds  `json:"open_ms"`
	LockWait    milliseconds  `json:"lock_wait_ms"`
	Wait        milliseconds  `json:"wait_ms"`
	Hold        *milliseconds `json:"hold_ms"`
	RetryLost   milliseconds  `json:"retry_lost_ms"`
	Retries     int           `json:"retries"`
	Attempts    int           `json:"attempts"`
	Applied     int           `json:"applied"`
	RolledBack  int           `json:"rolled_back"`
	Failures    int           `json:"failures"`
	Statements  int           `json:"statements"`
	Guarantee   string        `json:"guarantee"`
	Error       string        `json:"error"`
	Verdict     string        `json:"verdict"`
	Summary     string        `json:"summary"`
	Operation   string        `json:"operation"`
	Text        string        `json:"text"`
	Fingerprint string        `json:"fingerprint"`
	WaitsFor    string        `json:"waits_for"`
	WaitMode    string        `json:"wait_mode"`
	Queue       int           `json:"queued_behind"`
	Rewrite     bool          `json:"rewrite_suspected"`
	BlockedBy   []logBlocker  `json:"blocked_by"`
	Kind        string        `json:"kind"`
	Key         string        `json:"key"`
	Anomaly     string        `json:"anomaly"`
	Object      string        `json:"object"`
	Message     string        `json:"message"`
	SQL         string        `json:"sql"`
	Hint        string        `json:"hint"`
	Part        string        `json:"part"`
	Over        bool          `json:"over"`
	Rule        string        `json:"rule"`
	Severity    string        `json:"severity"`
	Title       string        `json:"title"`
	Details     []string      `json:"details"`
	Steps       []logStep     `json:"steps"`
	Failing     *logFailing   `json:"failing_statement"`
	Suppressed  int           `json:"suppressed"`

	Elsewhere  string      `json:"elsewhere"`
	Started    time.Time   `json:"started"`
	Before     logImpact   `json:"before"`
	During     logImpact   `json:"during"`
	RateRatio  *float64    `json:"rate_ratio"`
	Unanswered int         `json:"unanswered"`
	Sessions   int         `json:"queue"`
	Worst      *logFailing `json:"worst"`
	Blocker    *logBlocker `json:"blocker"`

	Total   milliseconds `json:"total_ms"`
	Connect milliseconds `json:"connect_ms"`
	Lock    milliseconds `json:"lock_ms"`
	Check   milliseconds `json:"check_ms"`
	Apply   milliseconds `json:"apply_ms"`

	SizeAfter *int64        `json:"size_after_bytes"`
	Growth    *int64        `json:"growth_bytes"`
	WAL       *int64        `json:"wal_bytes"`
	HitRate   *float64      `json:"cache_hit_rate"`
	Temp      *int64        `json:"temp_bytes"`
	Deadlocks *int64        `json:"deadlocks"`
	Lag       *milliseconds `json:"replication_lag_ms"`
	Missing   []string      `json:"missing"`

	Median        milliseconds `json:"median_ms"`
	EarlierRuns   int          `json:"earlier_runs"`
	EarlierMedian milliseconds `json:"earlier_median_ms"`
	Compared      int          `json:"compared"`
	Slower        []logSlower  `json:"slower"`

	timeouts []reportTimeout
}

type logSlower struct {
	Migration string       `json:"migration_id"`
	Version   string       `json:"version"`
	Duration  milliseconds `json:"duration_ms"`
	Median    milliseconds `json:"median_ms"`
	Earlier   int          `json:"earlier"`
}

// logImpact is what became of the application's own statements in a time.
type logImpact struct {
	Count  int          `json:"count"`
	Failed int          `json:"failed"`
	P99    milliseconds `json:"p99_ms"`
	Rate   float64      `json:"per_second"`
}

type logBlocker struct {
	PID         int64        `json:"pid"`
	User        string       `json:"user"`
	Application string       `json:"application"`
	State       string       `json:"state"`
	Query       string       `json:"query"`
	Transaction milliseconds `json:"transaction_ms"`
}

type logFailing struct {
	Index     int    `json:"index"`
	Position  int    `json:"position"`
	Operation string `json:"operation"`
	Text      string `json:"text"`
}

type logStep struct {
	Text string `json:"text"`
	SQL  string `json:"sql"`
}

// milliseconds is how the log writes a duration.
type milliseconds float64

func (m milliseconds) duration() time.Duration {
	return time.Duration(float64(m) * float64(time.Millisecond)).Round(time.Microsecond)
}

// timeoutKeys are those of run.timeouts, in the order they are shown in.
var timeoutKeys = []string{"lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout", "lock_wait_timeout",
	"innodb_lock_wait_timeout", "max_statement_time", "max_execution_time", "busy_timeout"}

// logText is a log that is read through, and then here and there again.
type logText interface {
	io.Reader
	io.ReaderAt
}

func reportOfLogFile(path string, in io.Reader, run string) (*runReport, error) {
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		if about, err := file.Stat(); err == nil && about.Mode().IsRegular() {
			return reportOfLog(file, run)
		}
		in = file
	}
	all, err := io.ReadAll(in) // a pipe is read once
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	return reportOfLog(bytes.NewReader(all), run)
}

// reportOfLog reads the lines of one run: the one named, or the last. Lines
// that are not the witness's, of a log that others write to as well, are left out.
func reportOfLog(in logText, run string) (*runReport, error) {
	l, err := readLog(in)
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	if run == "" {
		for _, l := range l.ofRuns {
			if strings.HasPrefix(l.Event, "run.") || strings.HasPrefix(l.Event, "migration.") {
				run = l.Run
			}
		}
		if run == "" {
			return nil, errors.New("there is no run in the log: is it the witness's, at level info or debug?")
		}
	}
	if !slices.ContainsFunc(l.ofRuns, func(l *logLine) bool { return l.Run == run }) {
		return nil, fmt.Errorf("there is no run %q in the log", run)
	}
	a := newAccountOfLog(run)
	for _, l := range l.ofRuns {
		if l.Run == run {
			a.add(l)
		}
	}
	a.finish()
	// Lines of no run belong to the one that was under way.
	for _, p := range l.others {
		if p.time.Before(a.report.Start) || p.time.After(a.report.End) {
			continue
		}
		text := make([]byte, p.size)
		if _, err := in.ReadAt(text, p.at); err != nil {
			return nil, fmt.Errorf("read the log again: %w", err)
		}
		if l := parseLine(text); l != nil {
			a.add(l)
		}
	}
	if l.strange > 0 {
		a.report.Notes = append(a.report.Notes, fmt.Sprintf("The log has %s that the witness did not write, or not to the end.", plural(l.strange, "line")))
	}
	return a.report, nil
}

// logLines are the lines of a log. An application's has millions that are of no
// run, of which only the place is kept.
type logLines struct {
	ofRuns  []*logLine
	others  []logPlace
	strange int // how many are not the witness's
}

type logPlace struct {
	time time.Time
	at   int64
	size int
}

// readLog reads lines of any length.
func readLog(in io.Reader) (lines logLines, err error) {
	r := bufio.NewReader(in)
	at := int64(0)
	for {
		text, err := r.ReadBytes('\n')
		if len(bytes.TrimSpace(text)) > 0 {
			switch l := parseLine(text); {
			case l == nil:
				lines.strange++
			case l.Run == "":
				lines.others = append(lines.others, logPlace{l.Time, at, len(text)})
			default:
				lines.ofRuns = append(lines.ofRuns, l)
			}
		}
		at += int64(len(text))
		switch {
		case errors.Is(err, io.EOF):
			return lines, nil
		case err != nil:
			return logLines{}, err
		}
	}
}

// parseLine is nil for a line that is not the witness's.
func parseLine(text []byte) *logLine {
	var l logLine
	err := json.Unmarshal(text, &l)
	// Another event may use one of the keys for another type of value.
	if other := (*json.UnmarshalTypeError)(nil); err != nil && !errors.As(err, &other) || l.Event == "" || l.Time.IsZero() {
		return nil
	}
	if l.Elsewhere != "" && l.Run == "" { // nothing told which one it was
		l.Run = "elsewhere-" + l.Started.UTC().Format(time.RFC3339)
	}
	if l.Event == "run.timeouts" {
		var all map[string]any
		_ = json.Unmarshal(text, &all) // it has just been read
		for _, key := range timeoutKeys {
			if v, ok := all[key+"_ms"].(float64); ok {
				l.timeouts = append(l.timeouts, reportTimeout{key, milliseconds(v).duration()})
			}
		}
	}
	return &l
}
