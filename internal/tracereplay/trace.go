// Package tracereplay plays recorded driver calls again: what a migration tool
// once sent through database/sql, and what the database answered.
//
// A trace is a file of JSON lines, one for each driver call in the order in
// which the calls returned. Connector answers calls as recorded; Play makes them.
package tracereplay

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// Line is one driver call. Args and Row are values as ParseValue reads them.
type Line struct {
	Seq          int      `json:"seq"`
	Inst         string   `json:"inst,omitempty"` // the instance of the tool: A or B
	Conn         int      `json:"conn,omitempty"`
	Kind         string   `json:"kind"`
	SQL          string   `json:"sql,omitempty"`
	Args         []string `json:"args,omitempty"`
	Opts         string   `json:"opts,omitempty"` // of begin: "iso=Serializable ro=false"
	RowsAffected *int64   `json:"rows_affected,omitempty"`
	Cols         []string `json:"cols,omitempty"`
	Row          []string `json:"row,omitempty"`
	Err          string   `json:"err,omitempty"`
	ErrType      string   `json:"err_type,omitempty"`
	SQLState     string   `json:"sqlstate,omitempty"`

	Start time.Duration `json:"t_ns,omitempty"`   // since the recording began
	Took  time.Duration `json:"dur_ns,omitempty"` // the call
}

// Kinds of Line.
const (
	kindConnect   = "connect"
	kindPing      = "ping"
	kindPrepare   = "prepare"
	kindExec      = "exec"
	kindQuery     = "query"
	kindStmtExec  = "stmt_exec"
	kindStmtQuery = "stmt_query"
	kindStmtClose = "stmt_close"
	kindBegin     = "begin"
	kindCommit    = "commit"
	kindRollback  = "rollback"
	kindRow       = "rows_next"
	kindReset     = "reset"
	kindClose     = "close"
	kindNote      = "mark" // the recorder's, no call
)

// Trace is a recording.
type Trace struct {
	Lines []Line

	// Sleep makes a replay take the time that the recording took: it is told how
	// long to wait before a call, and how long the call takes. Nil is no time at
	// all.
	Sleep func(time.Duration)
}

func (t *Trace) sleep(d time.Duration) {
	if t.Sleep != nil && d > 0 {
		t.Sleep(d)
	}
}

// Open reads a trace file.
func Open(path string) (*Trace, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

// Read reads a trace.
func Read(r io.Reader) (*Trace, error) {
	t := &Trace{}
	in := bufio.NewReader(r)
	for {
		text, err := in.ReadString('\n')
		if strings.TrimSpace(text) != "" {
			var l Line
			if err := json.Unmarshal([]byte(text), &l); err != nil {
				return nil, fmt.Errorf("after seq %d: %w", t.last(), err)
			}
			t.Lines = append(t.Lines, l)
		}
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func (t *Trace) last() int {
	if len(t.Lines) == 0 {
		return 0
	}
	return t.Lines[len(t.Lines)-1].Seq
}

// Want is a migration that is to be recognised in a trace.
type Want struct {
	Tool      string  `json:"tool"`
	Direction string  `json:"direction"`
	Version   *string `json:"version"` // nil where it never reaches the driver
	Outcome   string  `json:"outcome"`
}

func (w Want) String() string {
	version := "-"
	if w.Version != nil {
		version = *w.Version
	}
	return fmt.Sprintf("%s %s %s %s", w.Tool, w.Direction, version, w.Outcome)
}

// OpenWant reads what is to be recognised in the trace at path, from the file
// beside it whose name ends in .want.json. It returns fs.ErrNotExist where
// nothing is said.
func OpenWant(path string) ([]Want, error) {
	b, err := os.ReadFile(strings.TrimSuffix(path, ".jsonl") + ".want.json")
	if err != nil {
		return nil, err
	}
	var want []Want
	if err := json.Unmarshal(b, &want); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return want, nil
}

// Find returns the traces under dir, sorted, as paths below it.
func Find(dir string) ([]string, error) {
	var found []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, ".jsonl") {
			found = append(found, path)
		}
		return err
	})
	return found, err
}

// System is the OpenTelemetry db.system.name of a trace, by the folder that it
// lies in: pq, pgx, mysql or sqlite; "" if it is none of them.
func System(path string) string {
	for _, part := range strings.FieldsFunc(path, func(r rune) bool { return r == '/' || r == os.PathSeparator }) {
		switch part {
		case "pq", "pgx", "postgres", "postgresql":
			return "postgresql"
		case "mysql":
			return "mysql"
		case "mariadb":
			return "mariadb"
		case "sqlite", "sqlite3":
			return "sqlite"
		}
	}
	return ""
}
