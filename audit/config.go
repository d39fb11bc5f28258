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
	// Actor is who runs the migration, as the application claims. May be "".
	Actor string
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
