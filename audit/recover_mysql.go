package audit

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

var mysqlRecovery = recovery{
	id:         func(column string) string { return "HEX(" + column + ")" },
	containsIn: func(column, text string) string { return "INSTR(" + column + ", " + hexQuoted([]byte(text)) + ") > 0" },
	leaf:       "HEX(e.leaf)",
	body:       "HEX(p.body)",
	// Without a number the account's sessions from that address are all there is to
	// go by, among them those of the process that looks: they sleep meanwhile.
	known: func(s sessionOf) bool { return s.id != 0 || s.user != "" && s.client != "" && s.ended },
	busy:  mysqlBusy,
	marked: func(table string, version int64, at time.Time) string {
		return fmt.Sprintf("SELECT COUNT(*) FROM %s WHERE version_id = %d AND is_applied AND UNIX_TIMESTAMP(tstamp) <= %d", table, version, at.Unix())
	},
}

// mysqlBusy counts sessions. The server starts its numbers anew when it does,
// and does not say when a session began: another session of the same number and
// account counts, until it ends.
func mysqlBusy(s sessionOf) string {
	q := "SELECT COUNT(*) FROM information_schema.processlist WHERE id <> CONNECTION_ID()"
	if user, _, ok := cutLast(s.user, '@'); ok {
		q += " AND user = " + hexQuoted([]byte(user))
	}
	if s.id != 0 {
		return q + " AND id = " + strconv.FormatInt(s.id, 10)
	}
	client := hexQuoted([]byte(s.client))
	return q + " AND (host = " + client + " OR host LIKE CONCAT(" + client + ", ':%')) AND command <> 'Sleep'"
}

func cutLast(s string, sep byte) (before, after string, ok bool) {
	if i := strings.LastIndexByte(s, sep); i >= 0 {
		return s[:i], s[i+1:], true
	}
	return s, "", false
}
