package sqlwitness

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/ngrok/sqlmw"

	"github.com/sqlwitness/sqlwitness/alert"
	"github.com/sqlwitness/sqlwitness/audit"
	"github.com/sqlwitness/sqlwitness/audit/anchor"
	"github.com/sqlwitness/sqlwitness/dashboard"
	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/eventlog"
	"github.com/sqlwitness/sqlwitness/migrator"
	"github.com/sqlwitness/sqlwitness/sqltext"
)

// Config of a Witness. The zero value is useful: metrics are kept, log lines go
// to stderr as JSON, and migrations are audited in the database that they
// migrate, as far as its role may.
type Config struct {
	// Alert says what is an alert and who is told. The zero value has every rule
	// and tells the log alone.
	Alert alert.Config

	// Audit says how migrations are recorded. Defaults to audit.BestEffort.
	Audit audit.Config

	// Dashboard says who may look at the page. The zero value serves clients on the
	// same machine.
	Dashboard dashboard.Config

	// Database overrides the database's name in events and metrics. Defaults to
	// the one in the DSN.
	Database string

	// Disabled is the kill switch: connections are the parent's own, and nothing
	// is seen, logged, measured or written.
	Disabled bool

	// FlushOnFailure holds the answer that ends a failed migration until its alerts
	// and the metrics have been handed over, for 2 s at most, and gives no retry time
	// to make the alert unnecessary. It is for jobs that exit on the first error,
	// by log.Fatal or os.Exit, which run nothing after it. Defaults to false: what is
	// queued then, and an alert that waits for a retry, ends with the process.
	FlushOnFailure bool

	// FlushOnSignal closes the witness at SIGINT and SIGTERM, so that a run that is
	// cut off has its last lines and its audit entry, and then sends the signal
	// again. It is for programs that do not catch these signals themselves: one
	// that does calls Close, and would see the signal twice. Defaults to false.
	FlushOnSignal bool

	// Interceptors run between the witness and the parent, the first one
	// innermost. They see every call, and the witness times them with it.
	Interceptors []sqlmw.Interceptor

	// Listen is an address to serve Handler on, for programs that have no HTTP
	// server of their own: "127.0.0.1:9464". Where another process has it, that is told
	// as a trouble and the witness works on without. Defaults to "", not to listen.
	Listen string

	// LogLevel is "debug", "info", "warn", "error" or "off". Defaults to "info".
	LogLevel string

	// LogOutput is where the JSON lines go. Defaults to os.Stderr. It is written
	// to by one goroutine at a time and may block: lines then queue, and are
	// dropped and counted when the queue is full.
	LogOutput io.Writer

	// NoProbe keeps the witness from looking at the server through a connection of
	// its own while a migration runs: blockers, queues and progress then stay
	// unknown. Defaults to false.
	NoProbe bool

	// PushURL is where the metrics are sent at the end of each run and at Close, for
	// jobs that are gone before a scrape: VictoriaMetrics'
	// /api/v1/import/prometheus or a Pushgateway's /metrics/job/NAME. It never
	// shows in a log or an error. Defaults to "", nowhere.
	PushURL string

	// Sinks get every event besides the log and the metrics.
	Sinks []event.Sink

	// Slow holds the thresholds of the slow-statement log. Zero fields have
	// their defaults, see eventlog.Slow.
	Slow eventlog.Slow

	// Migrations are the migrations' own files. They name the version of a
	// migration that failed before its tool had told it: many tools do so with the
	// mark that follows the body. Read once, by New; nil means that such a version
	// stays unknown. In the default witness: SQLWITNESS_MIGRATIONS, a folder.
	Migrations fs.FS

	// SQLComment appends the caller's correlation id and W3C traceparent to the
	// texts that are sent without arguments, in the form of sqlcommenter, so that
	// they show in the server's log and activity views. Defaults to false.
	SQLComment bool

	// System overrides the database system (OpenTelemetry db.system.name).
	// Defaults to what the parent driver's package tells.
	System string

	// Textfile is a file, ending in .prom, that is replaced with the metrics at the
	// end of each run and at Close, for node_exporter's textfile collector. Defaults
	// to "", none.
	Textfile string

	// TextCache bounds how many distinct SQL texts each connector remembers.
	// Defaults to 4096; at least 16.
	TextCache int

	unknown []string // variables of the environment that nobody reads, by name
}

const (
	defaultTextCache = 4096
	minTextCache     = 16
)

// complete checks a configuration and fills in its defaults.
func (c Config) complete() (Config, error) {
	if c.LogOutput == nil {
		c.LogOutput = os.Stderr
	}
	if c.LogLevel == "" {
		c.LogLevel = "info"
	}
	if !slices.Contains(levels, c.LogLevel) {
		return c, &Error{Op: "configuration: LogLevel", Err: fmt.Errorf("%q is no level", c.LogLevel), Hint: "use " + strings.Join(levels, ", ")}
	}
	if c.Listen != "" {
		if _, err := net.ResolveTCPAddr("tcp", c.Listen); err != nil {
			return c, &Error{Op: "configuration: Listen", Err: err, Hint: `use an address such as "127.0.0.1:9464"`}
		}
	}
	switch {
	case c.TextCache == 0:
		c.TextCache = defaultTextCache
	case c.TextCache < minTextCache:
		return c, &Error{Op: "configuration: TextCache", Err: fmt.Errorf("%d is out of range", c.TextCache),
			Hint: fmt.Sprintf("use at least %d, or 0 for %d", minTextCache, defaultTextCache)}
	}
	if _, err := audit.Open(c.Audit, event.Database{}, func(context.Context) (driver.Conn, error) { return nil, driver.ErrBadConn }, audit.Deps{}); err != nil {
		return c, &Error{Op: "configuration: Audit", Err: err}
	}
	if c.Migrations != nil {
		if _, err := migrator.ReadFiles(c.Migrations, sqltext.Generic); err != nil {
			return c, &Error{Op: "configuration: Migrations", Err: err}
		}
	}
	if c.Textfile != "" && filepath.Ext(c.Textfile) != ".prom" {
		return c, &Error{Op: "configuration: Textfile", Err: fmt.Errorf("%q does not end in .prom", c.Textfile), Hint: "node_exporter reads no other files"}
	}
	if u, err := url.Parse(c.PushURL); c.PushURL != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return c, &Error{Op: "configuration: PushURL", Err: errors.New("it is no http or https URL"), Hint: `use one such as "http://pushgateway:9091/metrics/job/migrate"`}
	}
	for i, in := range c.Interceptors {
		if in == nil {
			return c, &Error{Op: "configuration: Interceptors", Err: fmt.Errorf("number %d is nil", i)}
		}
	}
	for i, s := range c.Sinks {
		if s == nil {
			return c, &Error{Op: "configuration: Sinks", Err: fmt.Errorf("number %d is nil", i)}
		}
	}
	return c, nil
}

var levels = []string{"debug", "info", "warn", "error", "off"}

// file is the form of the YAML file that SQLWITNESS_CONFIG names.
type file struct {
	Disabled       bool   `yaml:"disabled"`
	SQLComment     bool   `yaml:"sql_comment"`
	FlushOnFailure bool   `yaml:"flush_on_failure"`
	FlushOnSignal  bool   `yaml:"flush_on_signal"`
	Listen         string `yaml:"listen"`
	Database       string `yaml:"database"`
	Migrations     string `yaml:"migrations"`
	Log            struct {
		Level  string `yaml:"level"`
		Output string `yaml:"output"`
	} `yaml:"log"`
	Slow struct {
		Read  time.Duration `yaml:"read"`
		Write time.Duration `yaml:"write"`
		DDL   time.Duration `yaml:"ddl"`
		Lock  time.Duration `yaml:"lock"`
		Other time.Duration `yaml:"other"`
	} `yaml:"slow"`
	Audit struct {
		Mode          string `yaml:"mode"`
		Spool         string `yaml:"spool"`
		Actor         string `yaml:"actor"`
		Approver      string `yaml:"approver"`
		Ticket        string `yaml:"ticket"`
		Reason        string `yaml:"reason"`
		Key           string `yaml:"key"`
		AnchorFile    string `yaml:"anchor_file"`
		AnchorWebhook string `yaml:"anchor_webhook"`
	} `yaml:"audit"`
	Dashboard struct {
		Hosts  []string `yaml:"hosts"`
		Token  string   `yaml:"token"`
		Public bool     `yaml:"public"`
	} `yaml:"dashboard"`
	Alert     alert.Config `yaml:"alerts"`
	NoProbe   bool         `yaml:"no_probe"`
	PushURL   string       `yaml:"push_url"`
	Textfile  string       `yaml:"textfile"`
	TextCache int          `yaml:"text_cache"`
}

// ConfigFromEnvironment reads the configuration of the default witness: the
// YAML file that SQLWITNESS_CONFIG names, if it is set, and over it the
// variables
//
//	SQLWITNESS_DISABLED      true turns everything off
//	SQLWITNESS_LISTEN        address to serve the page and the metrics on, such as 127.0.0.1:9464
//	SQLWITNESS_DATABASE      the database's name in events and metrics
//	SQLWITNESS_MIGRATIONS    folder of the migrations' files, to name one that failed
//	SQLWITNESS_LOG_LEVEL     debug, info, warn, error or off
//	SQLWITNESS_LOG_OUTPUT    stderr, stdout or the path of a file to append to
//	SQLWITNESS_PUSH_URL, SQLWITNESS_TEXTFILE
//	                         where the metrics go at the end of each run
//	SQLWITNESS_SLOW_READ     threshold of the slow log, such as 200ms; -1s turns it off;
//	                         also _WRITE, _DDL, _LOCK and _OTHER
//	SQLWITNESS_AUDIT         best-effort, strict or off
//	SQLWITNESS_AUDIT_SPOOL   file for entries that the database did not take
//	SQLWITNESS_AUDIT_KEY     key that signs the audit log's checkpoints, or its file
//	SQLWITNESS_AUDIT_ANCHOR_FILE, SQLWITNESS_AUDIT_ANCHOR_WEBHOOK
//	                         where the checkpoints are kept outside the database
//	SQLWITNESS_DASHBOARD_TOKEN
//	                         bearer token that the page asks for
//	SQLWITNESS_ACTOR, SQLWITNESS_APPROVER, SQLWITNESS_TICKET, SQLWITNESS_REASON
//	                         who migrates and why, as claimed in the audit trail
//	SQLWITNESS_FLUSH_ON_FAILURE
//	                         true hands over the alerts of a failed migration before its answer: for jobs
//	SQLWITNESS_FLUSH_ON_SIGNAL
//	                         true writes out what is queued at SIGINT and SIGTERM
//	SQLWITNESS_NO_PROBE      true keeps it from looking at the server by a connection of its own
//	SQLWITNESS_SQL_COMMENT   true appends the caller's ids to the texts sent to the server
//	SQLWITNESS_TEXT_CACHE    distinct SQL texts to remember
//
// An unknown key in the file is an error, as is a value that does not hold: the
// error names the variable, or the line and column. A variable that is unknown is
// told of by New, as a trouble. docs/configuration.md has the file's keys.
func ConfigFromEnvironment() (Config, error) {
	var known []string
	cfg, err := configFrom(func(name string) string {
		known = append(known, name)
		return os.Getenv(name)
	})
	cfg.unknown = unknownVariables(os.Environ(), known)
	return cfg, err
}

// unknownVariables are the names of variables that look like ours and are not.
func unknownVariables(environ, known []string) (unknown []string) {
	for _, v := range environ {
		name, _, _ := strings.Cut(v, "=")
		rest, ours := strings.CutPrefix(name, "SQLWITNESS_")
		// The command's and the tests', and what Kubernetes makes for a service of our name.
		switch {
		case !ours || slices.Contains(known, name) || rest == "DSN" || strings.HasPrefix(rest, "TEST_"),
			strings.HasPrefix(rest, "SERVICE_"), rest == "PORT", strings.HasPrefix(rest, "PORT_"):
		default:
			unknown = append(unknown, name)
		}
	}
	return unknown
}

func configFrom(getenv func(string) string) (Config, error) {
	var f file
	if path := getenv("SQLWITNESS_CONFIG"); path != "" {
		text, err := os.ReadFile(path)
		if err != nil {
			return Config{}, &Error{Op: "read SQLWITNESS_CONFIG", Err: err}
		}
		if err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&f); err != nil && !errors.Is(err, io.EOF) {
			return Config{}, &Error{Op: "read " + path, Err: errors.New(withoutAlias(strings.TrimSpace(yaml.FormatError(err, false, false))))}
		}
	}
	e := environment{getenv: getenv}
	e.boolean("SQLWITNESS_DISABLED", &f.Disabled)
	e.boolean("SQLWITNESS_SQL_COMMENT", &f.SQLComment)
	e.boolean("SQLWITNESS_NO_PROBE", &f.NoProbe)
	e.boolean("SQLWITNESS_FLUSH_ON_FAILURE", &f.FlushOnFailure)
	e.boolean("SQLWITNESS_FLUSH_ON_SIGNAL", &f.FlushOnSignal)
	e.text("SQLWITNESS_LISTEN", &f.Listen)
	e.text("SQLWITNESS_DATABASE", &f.Database)
	e.text("SQLWITNESS_MIGRATIONS", &f.Migrations)
	e.text("SQLWITNESS_PUSH_URL", &f.PushURL)
	e.text("SQLWITNESS_TEXTFILE", &f.Textfile)
	e.text("SQLWITNESS_LOG_LEVEL", &f.Log.Level)
	e.text("SQLWITNESS_LOG_OUTPUT", &f.Log.Output)
	e.duration("SQLWITNESS_SLOW_READ", &f.Slow.Read)
	e.duration("SQLWITNESS_SLOW_WRITE", &f.Slow.Write)
	e.duration("SQLWITNESS_SLOW_DDL", &f.Slow.DDL)
	e.duration("SQLWITNESS_SLOW_LOCK", &f.Slow.Lock)
	e.duration("SQLWITNESS_SLOW_OTHER", &f.Slow.Other)
	e.text("SQLWITNESS_AUDIT", &f.Audit.Mode)
	e.text("SQLWITNESS_AUDIT_SPOOL", &f.Audit.Spool)
	e.text("SQLWITNESS_AUDIT_KEY", &f.Audit.Key)
	e.text("SQLWITNESS_AUDIT_ANCHOR_FILE", &f.Audit.AnchorFile)
	e.text("SQLWITNESS_AUDIT_ANCHOR_WEBHOOK", &f.Audit.AnchorWebhook)
	e.text("SQLWITNESS_DASHBOARD_TOKEN", &f.Dashboard.Token)
	e.text("SQLWITNESS_ACTOR", &f.Audit.Actor)
	e.text("SQLWITNESS_APPROVER", &f.Audit.Approver)
	e.text("SQLWITNESS_TICKET", &f.Audit.Ticket)
	e.text("SQLWITNESS_REASON", &f.Audit.Reason)
	e.integer("SQLWITNESS_TEXT_CACHE", &f.TextCache)
	if e.err != nil {
		return Config{}, e.err
	}
	return f.config()
}

// withoutAlias takes out of an error the one value that the YAML library shows of
// what may be a secret: a password that begins with * reads as an alias.
func withoutAlias(message string) string {
	const alias = "could not find alias"
	if before, _, ok := strings.Cut(message, alias); ok {
		return before + alias + ": a value that begins with * has to be quoted"
	}
	return message
}

func (f file) config() (Config, error) {
	cfg := Config{
		Alert:          f.Alert,
		Audit:          audit.Config{Spool: f.Audit.Spool, Actor: f.Audit.Actor, Approver: f.Audit.Approver, Ticket: f.Audit.Ticket, Reason: f.Audit.Reason},
		Dashboard:      dashboard.Config{Hosts: f.Dashboard.Hosts, Token: f.Dashboard.Token, Public: f.Dashboard.Public},
		Database:       f.Database,
		Disabled:       f.Disabled,
		FlushOnFailure: f.FlushOnFailure,
		FlushOnSignal:  f.FlushOnSignal,
		Listen:         f.Listen,
		LogLevel:       f.Log.Level,
		NoProbe:        f.NoProbe,
		PushURL:        f.PushURL,
		SQLComment:     f.SQLComment,
		Slow:           eventlog.Slow{Read: f.Slow.Read, Write: f.Slow.Write, DDL: f.Slow.DDL, Lock: f.Slow.Lock, Other: f.Slow.Other},
		TextCache:      f.TextCache,
		Textfile:       f.Textfile,
	}
	cfg.Audit.Key = audit.Key(f.Audit.Key)
	if f.Audit.AnchorFile != "" {
		cfg.Audit.Anchors = append(cfg.Audit.Anchors, anchor.NewFile(f.Audit.AnchorFile))
	}
	if f.Audit.AnchorWebhook != "" {
		hook, err := anchor.NewWebhook(f.Audit.AnchorWebhook, nil, nil)
		if err != nil {
			return cfg, &Error{Op: "configuration: audit anchor webhook", Err: err}
		}
		cfg.Audit.Anchors = append(cfg.Audit.Anchors, hook)
	}
	if f.Migrations != "" {
		if _, err := os.ReadDir(f.Migrations); err != nil {
			return cfg, &Error{Op: "configuration: migrations", Err: err, Hint: "name the folder of the migrations' files"}
		}
		cfg.Migrations = os.DirFS(f.Migrations)
	}
	if f.Audit.Mode != "" {
		if err := cfg.Audit.Mode.UnmarshalText([]byte(f.Audit.Mode)); err != nil {
			return cfg, &Error{Op: "configuration: audit mode", Err: err}
		}
	}
	switch f.Log.Output {
	case "", "stderr":
	case "stdout":
		cfg.LogOutput = os.Stdout
	default:
		out, err := os.OpenFile(f.Log.Output, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return cfg, &Error{Op: "configuration: log output", Err: err, Hint: "use stderr, stdout or a file that can be written"}
		}
		cfg.LogOutput = out
	}
	return cfg, nil
}

// environment reads variables into a file's fields and keeps the first error.
type environment struct {
	getenv func(string) string
	err    error
}

func (e *environment) text(name string, to *string) {
	if v := e.getenv(name); v != "" {
		*to = v
	}
}

func (e *environment) boolean(name string, to *bool) {
	e.parse(name, "true or false", func(v string) (err error) { *to, err = strconv.ParseBool(v); return err })
}

func (e *environment) integer(name string, to *int) {
	e.parse(name, "a number", func(v string) (err error) { *to, err = strconv.Atoi(v); return err })
}

func (e *environment) duration(name string, to *time.Duration) {
	e.parse(name, "a duration such as 200ms or 5s", func(v string) (err error) { *to, err = time.ParseDuration(v); return err })
}

func (e *environment) parse(name, want string, set func(string) error) {
	v := e.getenv(name)
	if v == "" {
		return
	}
	if set(v) != nil && e.err == nil {
		e.err = &Error{Op: "configuration: " + name, Err: fmt.Errorf("%q is not %s", v, want)}
	}
}
