package audit

import (
	"encoding/hex"
	"strconv"
	"time"
)

var pgRecovery = recovery{
	id: func(column string) string { return column + "::pg_catalog.text" },
	containsIn: func(column, text string) string {
		return "position(pg_catalog.decode('" + hex.EncodeToString([]byte(text)) + "', 'hex') IN " + column + ") > 0"
	},
	leaf:  "pg_catalog.encode(e.leaf, 'hex')",
	body:  "pg_catalog.encode(p.body, 'hex')",
	known: func(s sessionOf) bool { return s.id != 0 || s.user != "" },
	busy:  pgBusy,
}

// pgBusy counts sessions. What is NULL is hidden from the role, and counts.
func pgBusy(s sessionOf) string {
	q := "SELECT pg_catalog.count(*)::pg_catalog.text FROM pg_catalog.pg_stat_activity WHERE pid <> pg_catalog.pg_backend_pid() AND (backend_start IS NULL OR backend_start <= '" +
		s.before.UTC().Format(time.RFC3339Nano) + "')"
	if s.id != 0 {
		return q + " AND pid = " + strconv.FormatInt(s.id, 10)
	}
	q += " AND datname = pg_catalog.current_database() AND usename::pg_catalog.text = pg_catalog.convert_from(pg_catalog.decode('" + hex.EncodeToString([]byte(s.user)) + "', 'hex'), 'UTF8')"
	if s.client != "" {
		q += " AND (client_addr IS NULL OR pg_catalog.host(client_addr) = pg_catalog.convert_from(pg_catalog.decode('" + hex.EncodeToString([]byte(s.client)) + "', 'hex'), 'UTF8'))"
	}
	if s.ended {
		q += " AND state IS DISTINCT FROM 'idle'"
	}
	return q
}
