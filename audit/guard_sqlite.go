package audit

import "strings"

// sqliteGuards make a table append-only. A trigger for INSERT too, since INSERT
// OR REPLACE deletes without firing the one for DELETE. Sections alone may be
// deleted.
func sqliteGuards(name, key string) []guard {
	table := "sqlwitness_" + name
	trigger := func(suffix, when string) guard {
		trigger := "main." + table + suffix
		return guard{table, table + suffix, "DROP TRIGGER IF EXISTS " + trigger + "; CREATE TRIGGER " + trigger + " BEFORE " + when +
			" BEGIN SELECT RAISE(ABORT, 'sqlwitness: the table is append-only'); END"}
	}
	list := []guard{
		trigger("_update", "UPDATE ON "+table),
		trigger("_insert", "INSERT ON "+table+" WHEN EXISTS (SELECT 1 FROM "+table+" WHERE "+key+")"),
	}
	if name != "payload" {
		list = append(list, trigger("_delete", "DELETE ON "+table))
	}
	return list
}

// sqliteGuardState gives a trigger as its text.
const sqliteGuardState = `SELECT name || '||' FROM main.sqlite_master WHERE type = 'table' AND name LIKE 'sqlwitness^_%' ESCAPE '^'
UNION ALL SELECT tbl_name || '|' || name || '|' || sql FROM main.sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'sqlwitness^_%' ESCAPE '^'`

// sqliteJudge knows that SQLite keeps the text from the trigger's name on.
func sqliteJudge(g guard, state string) string {
	_, text, _ := strings.Cut(g.sql, "CREATE TRIGGER main.")
	if state == "CREATE TRIGGER "+text {
		return ""
	}
	return guardAltered
}
