package probe

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/sqlwitness/sqlwitness/event"
)

// mysql is MySQL 8 and MariaDB. What there is to see depends on the server's
// configuration: with the performance schema, or MariaDB's plugin
// metadata_lock_info, the locks on tables are known. Without either, who waits is
// known by the state of its session, and for whom it waits is inferred as far as
// the texts of the statements tell.
//
// The server does not tell since when a session waits for a lock on a table: what
// stands for it is the age of its statement.
type mysql struct{}

func (mysql) session() string { return "SELECT CONNECTION_ID()" }

// settings are for MySQL or for MariaDB, some of them: one fails, the other
// holds. Times are told in the server's own zone.
func (mysql) settings() []string {
	return []string{
		"SET SESSION time_zone = 'SYSTEM', autocommit = 1, lock_wait_timeout = 1, innodb_lock_wait_timeout = 1",
		"SET SESSION TRANSACTION READ ONLY",
		"SET SESSION max_statement_time = 1",
		"SET SESSION max_execution_time = 1000",
	}
}

func (mysql) begin() string { return "" }
func (mysql) end() string   { return "" }

// facts are what decides what can be asked.
type facts struct {
	mariaDB bool
	schema  bool   // performance_schema is on
	plugin  bool   // metadata_lock_info is installed
	list    bool   // performance_schema.processlist is there, and filled
	user    string // 'name'@'host'
}

// before8022 matches the versions of MySQL without a performance_schema.processlist.
var before8022 = regexp.MustCompile(`^(5\.|8\.0\.(1?\d|2[01])\b)`)

func readFacts(ctx context.Context, c *sql.Conn) (facts, error) {
	var version, user string
	var f facts
	err := c.QueryRowContext(ctx, `SELECT VERSION(), CURRENT_USER(), @@performance_schema,
	(SELECT COUNT(*) FROM information_schema.PLUGINS WHERE PLUGIN_NAME = 'METADATA_LOCK_INFO' AND PLUGIN_STATUS = 'ACTIVE') > 0`).
		Scan(&version, &user, &f.schema, &f.plugin)
	f.mariaDB = strings.Contains(version, "MariaDB")
	f.list = f.schema && !f.mariaDB && !before8022.MatchString(version)
	name, host := user, "%"
	if at := strings.LastIndexByte(user, '@'); at >= 0 {
		name, host = user[:at], user[at+1:]
	}
	f.user = quoted(name) + "@" + quoted(host)
	return f, err
}

// quoted is a string literal; a quote or a backslash in a user's name is written
// so that it ends nothing.
func quoted(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `''`).Replace(s) + "'"
}

// waitingStates are the states of a session that waits for a lock, and the kind of
// lock.
var waitingStates = map[string]string{
	"Waiting for table metadata lock":            "metadata",
	"Waiting for table level lock":               "table",
	"User lock":                                  "named",
	"Waiting for global read lock":               "global",
	"Waiting for backup lock":                    "backup",
	"Waiting for schema metadata lock":           "metadata",
	"Waiting for commit lock":                    "commit",
	"Waiting for stored function metadata lock":  "metadata",
	"Waiting for stored procedure metadata lock": "metadata",
	"Waiting for trigger metadata lock":          "metadata",
}

// metadataState is that of a session that waits for a table.
const metadataState = "Waiting for table metadata lock"

func (m mysql) look(ctx context.Context, c *sql.Conn, asked []Asked) (*snapshot, error) {
	ids := sessionsOf(asked)
	f, err := readFacts(ctx, c)
	if err != nil {
		return nil, err
	}
	s := &snapshot{
		sessions: map[int64]*session{},
		waits:    map[int64]*wait{},
		held:     map[int64][]event.HeldLock{},
		progress: map[int64]*event.Progress{},
		rewrites: map[int64]bool{},
		advisory: map[int64]bool{},
	}
	list, err := readProcesses(ctx, c, f, ids)
	if err != nil {
		return nil, err
	}
	for _, p := range list {
		s.process(p)
	}
	// From here on each part may be denied for itself.
	if err := s.transactions(ctx, c, f); err != nil && !s.denied(err, event.Missing{
		What: "sessions of other users, transactions and who holds the lock of a row",
		Fix:  "GRANT PROCESS ON *.* TO " + f.user,
	}) {
		return nil, err
	}
	if err := s.tableLocks(ctx, c, f, list); err != nil && !s.denied(err, event.Missing{
		What: tableHolders,
		Fix:  "GRANT SELECT ON performance_schema.* TO " + f.user,
	}) {
		return nil, err
	}
	if err := s.namedLocks(ctx, c, asked); err != nil {
		return nil, err
	}
	s.helpers(list)
	if f.schema {
		if err := s.stages(ctx, c, ids); err != nil && !s.denied(err, event.Missing{}) {
			return nil, err
		}
	}
	return s, nil
}

// denied reports whether an error is one of privileges, and notes what it takes.
func (s *snapshot) denied(err error, lacking event.Missing) bool {
	if class, _ := event.Classify(err); class != event.ClassPermission {
		return false
	}
	if lacking.Fix != "" {
		s.missing = append(s.missing, lacking)
	}
	return true
}

// process is a row of the process list.
type process struct {
	id                                  int64
	user, host, db, command, state, sql string
	age                                 float64 // of the statement, or of the idleness
	stage, stages                       int64
	progress                            float64 // percent of the stage
}

// processList is where the sessions are read.
func (f facts) processList() string {
	if f.list {
		return "performance_schema.processlist" // the other one stops all sessions for a moment
	}
	return "information_schema.PROCESSLIST"
}

// readProcesses reads the sessions: ours first, then those that do something.
func readProcesses(ctx context.Context, c *sql.Conn, f facts, ids []int64) ([]process, error) {
	time, progress := "TIME", "0, 0, 0"
	if f.mariaDB {
		time, progress = "TIME_MS / 1000", "STAGE, MAX_STAGE, PROGRESS"
	}
	query := fmt.Sprintf(`SELECT ID, COALESCE(USER, ''), COALESCE(HOST, ''), COALESCE(DB, ''), COALESCE(COMMAND, ''), COALESCE(STATE, ''), COALESCE(LEFT(INFO, 4096), ''), COALESCE(%s, 0), %s
FROM %s WHERE ID <> CONNECTION_ID() ORDER BY ID IN (%s) DESC, COMMAND = 'Sleep', TIME DESC LIMIT %d`, time, progress, f.processList(), idList(ids), 3*maxSessions)
	var list []process
	err := each(ctx, c, query, func(rows *sql.Rows) error {
		var p process
		err := rows.Scan(&p.id, &p.user, &p.host, &p.db, &p.command, &p.state, &p.sql, &p.age, &p.stage, &p.stages, &p.progress)
		list = append(list, p)
		return err
	})
	return list, err
}

// process takes in a session, with what its state says of a wait and of progress.
func (s *snapshot) process(p process) {
	client := p.host
	if colon := strings.LastIndexByte(client, ':'); colon >= 0 {
		client = client[:colon] // the port
	}
	in := &session{Session: event.Session{PID: p.id, User: p.user, Client: client, State: "active", StateAge: seconds(&p.age), Query: p.sql}}
	if p.command == "Sleep" {
		in.State = "idle"
	}
	s.sessions[p.id] = in
	if kind := waitingStates[p.state]; kind != "" && p.command != "Sleep" {
		s.waits[p.id] = &wait{Wait: event.Wait{Kind: kind, For: in.StateAge}}
	}
	copying := p.state == "copy to tmp table"
	if p.stages > 0 || copying {
		s.progress[p.id] = &event.Progress{Command: firstWords(p.sql), Phase: p.state}
	}
	if p.stages > 0 && p.progress > 0 {
		s.progress[p.id].Unit, s.progress[p.id].Done, s.progress[p.id].Total = "percent", int64(p.progress), 100
	}
	s.rewrites[p.id] = copying
}

// verb matches the words that a statement begins with, after its comments.
var verb = regexp.MustCompile(`(?s)^(?:\s+|/\*.*?\*/|--[^\n]*\n|#[^\n]*\n)*([A-Za-z]+(?:\s+[A-Za-z]+)?)`)

// firstWords names a statement: "ALTER TABLE"; "" for one that begins with no word.
func firstWords(text string) string {
	m := verb.FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	return strings.ToUpper(strings.Join(strings.Fields(m[1]), " "))
}

// transactions takes in InnoDB's transactions and their waits for rows. InnoDB
// answers from what it has told before, until nobody has asked for 100 ms.
func (s *snapshot) transactions(ctx context.Context, c *sql.Conn, f facts) error {
	err := each(ctx, c, fmt.Sprintf(`SELECT trx_mysql_thread_id, TIMESTAMPDIFF(MICROSECOND, trx_started, NOW(6)) / 1e6
FROM information_schema.INNODB_TRX WHERE trx_mysql_thread_id <> 0 LIMIT %d`, 5*maxSessions), func(rows *sql.Rows) error {
		var id int64
		var age *float64
		if err := rows.Scan(&id, &age); err != nil {
			return err
		}
		if in := s.sessions[id]; in != nil {
			in.TxAge = seconds(age)
			if in.State == "idle" {
				in.State = "idle in transaction"
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	query := `SELECT r.trx_mysql_thread_id, b.trx_mysql_thread_id, COALESCE(l.lock_table, ''), COALESCE(l.lock_mode, ''), COALESCE(w.requested_lock_id, ''),
	TIMESTAMPDIFF(MICROSECOND, r.trx_wait_started, NOW(6)) / 1e6
FROM information_schema.INNODB_LOCK_WAITS w
	JOIN information_schema.INNODB_TRX r ON r.trx_id = w.requesting_trx_id
	JOIN information_schema.INNODB_TRX b ON b.trx_id = w.blocking_trx_id
	LEFT JOIN information_schema.INNODB_LOCKS l ON l.lock_id = w.requested_lock_id`
	if !f.mariaDB {
		if !f.schema {
			return nil
		}
		query = `SELECT rt.PROCESSLIST_ID, bt.PROCESSLIST_ID, CONCAT(l.OBJECT_SCHEMA, '.', l.OBJECT_NAME), l.LOCK_MODE, w.REQUESTING_ENGINE_LOCK_ID,
	TIMESTAMPDIFF(MICROSECOND, r.trx_wait_started, NOW(6)) / 1e6
FROM performance_schema.data_lock_waits w
	JOIN performance_schema.data_locks l ON l.ENGINE_LOCK_ID = w.REQUESTING_ENGINE_LOCK_ID
	JOIN performance_schema.threads rt ON rt.THREAD_ID = w.REQUESTING_THREAD_ID
	JOIN performance_schema.threads bt ON bt.THREAD_ID = w.BLOCKING_THREAD_ID
	LEFT JOIN information_schema.INNODB_TRX r ON r.trx_id = w.REQUESTING_ENGINE_TRANSACTION_ID`
	}
	return each(ctx, c, fmt.Sprintf("%s LIMIT %d", query, 5*maxSessions), func(rows *sql.Rows) error {
		var waiter, holder int64
		var table, mode, lock string
		var age *float64
		if err := rows.Scan(&waiter, &holder, &table, &mode, &lock, &age); err != nil {
			return err
		}
		w := s.waits[waiter]
		if w == nil || w.Kind != "row" {
			w = &wait{Wait: event.Wait{Kind: "row", Object: strings.ReplaceAll(table, "`", ""), Mode: mode, For: seconds(age)}, lock: lock}
			s.waits[waiter] = w
		}
		w.by = append(w.by, holder)
		return nil
	})
}

// stages takes in the progress of ALTER TABLE, where the server's configuration
// has it measured.
func (s *snapshot) stages(ctx context.Context, c *sql.Conn, ids []int64) error {
	return each(ctx, c, fmt.Sprintf(`SELECT t.PROCESSLIST_ID, e.EVENT_NAME, e.WORK_COMPLETED, e.WORK_ESTIMATED
FROM performance_schema.events_stages_current e JOIN performance_schema.threads t ON t.THREAD_ID = e.THREAD_ID
WHERE e.WORK_ESTIMATED > 0 AND t.PROCESSLIST_ID IN (%s)`, idList(ids)), func(rows *sql.Rows) error {
		var id, done, total int64
		var name string
		if err := rows.Scan(&id, &name, &done, &total); err != nil {
			return err
		}
		command := ""
		if in := s.sessions[id]; in != nil {
			command = firstWords(in.Query)
		}
		phase := name[strings.LastIndexByte(name, '/')+1:]
		s.progress[id] = &event.Progress{Command: command, Phase: phase, Unit: "work units", Done: done, Total: total}
		return nil
	})
}

// leftovers are none: the server has no half-built index and no unchecked
// constraint that its catalogs would show.
func (mysql) leftovers(context.Context, *sql.Conn) ([]leftover, error) { return nil, nil }

func (mysql) remains(ctx context.Context, c *sql.Conn, ids []int64) ([]remain, error) {
	f, err := readFacts(ctx, c)
	if err != nil {
		return nil, err
	}
	list, err := readProcesses(ctx, c, f, ids)
	if err != nil {
		return nil, err
	}
	locks, _, err := readLocks(ctx, c, f)
	if class, _ := event.Classify(err); err != nil && class != event.ClassPermission {
		return nil, err
	}
	mine := map[int64]bool{}
	for _, id := range ids {
		mine[id] = true
	}
	var found []remain
	for _, p := range list {
		if mine[p.id] && p.command != "Sleep" {
			age := p.age
			found = append(found, remain{kind: stillRunning, sql: fmt.Sprintf("KILL QUERY %d", p.id), age: seconds(&age),
				message: "the server still runs a statement of the run, though nobody waits for its answer any more"})
		}
	}
	for _, l := range locks {
		if mine[l.id] && l.named && l.granted {
			found = append(found, remain{kind: lockLeft, object: l.object, sql: fmt.Sprintf("KILL %d", l.id),
				message: fmt.Sprintf("the run has ended and a session of its still holds the lock named %s: the next run waits for it", l.object)})
		}
	}
	return found, nil
}

func idList(ids []int64) string {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = strconv.FormatInt(id, 10)
	}
	return strings.Join(list, ",")
}

func each(ctx context.Context, c *sql.Conn, query string, f func(*sql.Rows) error, args ...any) error {
	rows, err := c.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
