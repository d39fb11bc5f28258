package audit

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// login is what the database server says of the store's own connection, which
// is logged in as the migration is: the DSN is the same.
type login struct {
	user   string // that authenticated
	role   string // whose privileges count; "" where it is the user
	client string // the address that the server sees; "" for a local socket
}

// loginOf reads the answer to dialect.whoami.
func loginOf(rows []string) login {
	at := func(i int) string {
		if i < len(rows) {
			return rows[i]
		}
		return ""
	}
	l := login{user: at(0), role: at(1), client: at(2)}
	if l.role == l.user {
		l.role = ""
	}
	return l
}

// program says what is running: the main module and the commit it was built from.
func (a actor) program(info *debug.BuildInfo) {
	if info == nil {
		return
	}
	if info.Main.Path != "" {
		a.set("program", strings.TrimSpace(info.Main.Path+" "+info.Main.Version))
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			a.set("vcs_revision", s.Value)
		case "vcs.time":
			a.set("vcs_time", s.Value)
		case "vcs.modified":
			if s.Value == "true" {
				a.set("vcs_modified", s.Value)
			}
		}
	}
}

// toolModules are where the tools live, without the suffix of a major version.
var toolModules = map[string]string{
	"golang-migrate": "github.com/golang-migrate/migrate",
	"goose":          "github.com/pressly/goose",
	"sql-migrate":    "github.com/rubenv/sql-migrate",
	"bun":            "github.com/uptrace/bun",
	"darwin":         "github.com/GuiaBolso/darwin",
	"adlio":          "github.com/adlio/schema",
	"river":          "github.com/riverqueue/river",
	"gormigrate":     "github.com/go-gormigrate/gormigrate",
	"xorm":           "xorm.io/xorm",
	"lopezator":      "github.com/lopezator/migrator",
	"maragu":         "maragu.dev/migrate",
	"pop":            "github.com/gobuffalo/pop",
	"dbmate":         "github.com/amacneil/dbmate",
	"remind101":      "github.com/remind101/migrate",
}

// toolVersion is the version of a tool that is linked into the program; "" where
// it is not, or not known.
func toolVersion(info *debug.BuildInfo, tool string) string {
	path, ok := toolModules[tool]
	if info == nil || !ok {
		return ""
	}
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if rest, found := strings.CutPrefix(m.Path, path); found && (rest == "" || majorVersion(rest)) {
			if m.Replace != nil {
				m = m.Replace
			}
			return m.Version
		}
	}
	return ""
}

// majorVersion reports whether s is "/v2" and the like.
func majorVersion(s string) bool {
	n, ok := strings.CutPrefix(s, "/v")
	_, err := strconv.Atoi(n)
	return ok && err == nil
}

// buildInfo is that of this program; nil where it has none.
func buildInfo() *debug.BuildInfo {
	info, _ := debug.ReadBuildInfo()
	return info
}

// process names this process beyond doubt to others that see the same process
// table: the boot, the table, and when it started. "" where there is no /proc.
func process() string {
	pid := os.Getpid()
	start := processStart(pid)
	if start == "" {
		return ""
	}
	return processTable() + "/" + start
}

// processTable names the machine's boot and the table of processes in it: a
// container has a table of its own.
func processTable() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	space, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(boot)) + "/" + strings.Trim(space, "pid:[]")
}

// processStart is when a process started, in ticks since the boot; "" where there
// is none of that number, or one that has ended and was not waited for.
func processStart(pid int) string {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	// The command, in parentheses, may itself hold spaces and parentheses.
	_, rest, ok := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " ")
	fields := strings.Fields(rest)
	const state, start = 0, 19
	if !ok || len(fields) <= start || fields[state] == "Z" || fields[state] == "X" {
		return ""
	}
	return fields[start]
}
