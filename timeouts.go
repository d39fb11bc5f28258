package sqlwitness

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// This file reads which timeouts are in force on the connection of a run: once
// per run, between two statements of the tool, outside any transaction, and by a
// statement that changes nothing. A migration without a lock timeout waits for
// its lock for as long as somebody else likes, and everybody behind it waits too.

// timeoutQuery is how a system is asked: rows of a name and a value.
type timeoutQuery struct {
	text string
	unit time.Duration // of a value without a unit
	lock string        // the timeout that bounds waiting for a table's lock
	none time.Duration // a value so long that it is no bound
}

var timeoutQueries = map[string]timeoutQuery{
	"postgresql": {
		text: "SELECT name, setting FROM pg_catalog.pg_settings WHERE name IN ('lock_timeout', 'statement_timeout', 'idle_in_transaction_session_timeout')",
		unit: time.Millisecond,
		lock: "lock_timeout",
		none: 24 * time.Hour,
	},
	"mysql": {
		text: "SHOW SESSION VARIABLES WHERE Variable_name IN ('lock_wait_timeout', 'innodb_lock_wait_timeout', 'max_statement_time', 'max_execution_time')",
		unit: time.Second,
		lock: "lock_wait_timeout",
		none: time.Hour, // MySQL's default is a year, MariaDB's a day
	},
	"sqlite": {
		text: "SELECT 'busy_timeout', timeout FROM pragma_busy_timeout",
		unit: time.Millisecond,
		lock: "busy_timeout",
		none: 24 * time.Hour,
	},
}

// readTimeouts asks for the timeouts and logs them. It is called before a
// statement of a run, and ends with that one's context: a limit of our own would,
// when the server is slow, break the connection that its tool still needs.
func (c *conn) readTimeouts(ctx context.Context) {
	c.askTimeouts = false
	q, ok := timeoutQueries[c.connector.db.System]
	if c.connector.db.System == "mariadb" {
		q, ok = timeoutQueries["mysql"]
	}
	if !ok {
		return
	}
	values, err := settings(ctx, c.parent, q.text)
	if err != nil || len(values) == 0 {
		return // not worth a word: a run is not less for it
	}
	bound := false
	list := make([]event.Timeout, 0, len(values))
	for _, v := range values {
		d := v.duration(q.unit)
		list = append(list, event.Timeout{Name: v.name, Value: d})
		bound = bound || v.name == q.lock && d > 0 && d < q.none
	}
	c.connector.w.log.Timeouts(c.connector.trace(ctx, c.id), c.connector.db, list, q.lock, bound)
}

type setting struct{ name, value string }

// duration reads a value in the unit given; a fraction of it may be there.
func (s setting) duration(unit time.Duration) time.Duration {
	f, err := strconv.ParseFloat(s.value, 64)
	if err != nil {
		return 0
	}
	if s.name == "max_execution_time" { // MySQL alone, in milliseconds
		unit = time.Millisecond
	}
	return time.Duration(f * float64(unit))
}

// settings runs a query of names and values on a driver's connection.
func settings(ctx context.Context, c driver.Conn, query string) ([]setting, error) {
	q, ok := c.(driver.QueryerContext)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	rows, err := q.QueryContext(ctx, query, nil)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	dest := make([]driver.Value, len(rows.Columns()))
	var list []setting
	for {
		switch err := rows.Next(dest); {
		case err == io.EOF: //nolint:errorlint // drivers return it so
			return list, nil
		case err != nil:
			return nil, err
		case len(dest) >= 2:
			list = append(list, setting{strings.ToLower(plain(dest[0])), plain(dest[1])})
		}
	}
}

func plain(v driver.Value) string {
	if b, ok := v.([]byte); ok {
		return string(b)
	}
	return fmt.Sprint(v)
}
