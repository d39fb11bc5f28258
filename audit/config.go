package audit

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/sqlwitness/sqlwitness/audit/anchor"
	"github.com/sqlwitness/sqlwitness/event"
)

// Config of a Store. The zero value is useful.
type Config struct {
	// Mode is BestEffort unless set.
	Mode Mode
	// Spool is the file that takes the entries which the database does not
	// take. Defaults to sqlwitness/sqlwitness-audit.jsonl in os.UserCacheDir,
	// or where there is none, a directory of the user's own in os.TempDir.
	// Several processes may share it.
	Spool string
	// Timeout bounds one write through the store's own connection, connecting
	// included. Defaults to 2 s.
	Timeout time.Duration
	// Key signs checkpoints of the sealed log. Defaults to what the environment
	// variable SQLWITNESS_AUDIT_KEY holds, in the same form. Without one the
	// entries are sealed, and no checkpoint is made: whoever can change the
	// database can then rewrite the record without a trace.
	Key Key
	// Anchors keep the checkpoints outside the database. They need a Key.
	Anchors []anchor.Anchor
	// Actor is who runs the migration, as the application claims. May be "".
	Actor string
	// Approver is who has approved it, as the application claims. May be "".
	Approver string
	// Ticket and Reason say why. They go to a section of the entry that can be
	// erased later. May be "".
	Ticket, Reason string
}

// Deps is what a Store is given by its surroundings. The zero value is useful.
type Deps struct {
	Now    func() time.Time    // defaults to time.Now
	Rand   io.Reader           // salts; defaults to crypto/rand
	NewID  func() string       // UUIDv7; defaults to google/uuid's
	Getenv func(string) string // CI and container variables; defaults to os.Getenv
	// Report is told what goes wrong. It is called on the goroutine of the
	// statement, by several at once, and must not block. May be nil.
	Report func(Trouble)
	// Recovered is told how a migration ended whose process did not live to say so.
	// It is called as Report is. May be nil.
	Recovered func(Recovery)
	// Finding is told what was done past the migrations: a guard that is off, a
	// schema or a version table that was changed between two runs. It is called as
	// Report is. May be nil.
	Finding func(event.Finding)
	// Configured is told when this process runs with another configuration than the
	// last one, once that is recorded. It is called as Report is. May be nil.
	Configured func(Reconfiguration)
	// Session is the database server's number of the session behind a connection
	// (event.Migration.ConnID), which an intent notes so that a later process can
	// tell whether it still lives; 0 where it is not known. It must answer from
	// memory. May be nil.
	Session func(conn uint64) int64
	// Checkpoint is told every checkpoint that this process makes: a log line
	// with the note is an anchor. It must not block. May be nil.
	Checkpoint func(c Checkpoint, note []byte)
	// Library is the version of sqlwitness that is noted in each entry.
	// Defaults to what the build info of the program says.
	Library string
	// InMemory says that the database is a SQLite one without a file, which no
	// second connection sees. The store finds that out for itself where this
	// is not set, at the cost of a connection.
	InMemory bool
}

const (
	defaultTimeout = 2 * time.Second
	spoolName      = "sqlwitness-audit.jsonl"
	modulePath     = "github.com/sqlwitness/sqlwitness"
)

func (c Config) complete() (Config, error) {
	if int(c.Mode) >= len(modeNames) {
		return c, fmt.Errorf("audit: unknown mode %d", c.Mode)
	}
	if c.Timeout < 0 {
		return c, errors.New("audit: the timeout is negative")
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Spool == "" {
		c.Spool = defaultSpool()
	}
	return c, nil
}

func defaultSpool() string {
	if dir, err := os.UserCacheDir(); err == nil {
		return filepath.Join(dir, "sqlwitness", spoolName)
	}
	// A shared directory needs a name per user: the first to make it owns it.
	return filepath.Join(os.TempDir(), "sqlwitness-"+strconv.Itoa(os.Getuid()), spoolName)
}

func (d Deps) complete() Deps {
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Rand == nil {
		d.Rand = rand.Reader
	}
	if d.NewID == nil {
		d.NewID = func() string { return uuid.Must(uuid.NewV7()).String() }
	}
	if d.Getenv == nil {
		d.Getenv = os.Getenv
	}
	if d.Report == nil {
		d.Report = func(Trouble) {}
	}
	if d.Recovered == nil {
		d.Recovered = func(Recovery) {}
	}
	if d.Finding == nil {
		d.Finding = func(event.Finding) {}
	}
	if d.Configured == nil {
		d.Configured = func(Reconfiguration) {}
	}
	if d.Session == nil {
		d.Session = func(uint64) int64 { return 0 }
	}
	if d.Checkpoint == nil {
		d.Checkpoint = func(Checkpoint, []byte) {}
	}
	if d.Library == "" {
		d.Library = libraryVersion()
	}
	return d
}

func libraryVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	if info.Main.Path == modulePath {
		return info.Main.Version
	}
	for _, m := range info.Deps {
		if m.Path == modulePath {
			return m.Version
		}
	}
	return ""
}
