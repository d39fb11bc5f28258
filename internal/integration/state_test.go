package integration

import (
	"database/sql"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// names of databases and times are what may differ between two databases.
var (
	databaseNames = regexp.MustCompile(`(?:sqlwitness|test)_[a-z0-9_]+`)
	lockKeys      = regexp.MustCompile(`\d{6,}`)
)

func message(err error) string {
	if err == nil {
		return "none"
	}
	return fmt.Sprintf("%T %q", err, lockKeys.ReplaceAllString(databaseNames.ReplaceAllString(err.Error(), "DB"), "N"))
}

// cancelled is the part of a cancelled step's error that is the same each time.
// What follows it depends on whether database/sql or the tool is the first to
// roll back.
func cancelled(err error) string {
	if err == nil {
		return "none"
	}
	text, _, _ := strings.Cut(err.Error(), ";")
	// A further line is what the tool's own rollback was answered with: that
	// database/sql had been first, or what the driver says. Which is a race of
	// theirs, with the witness and without.
	text, _, _ = strings.Cut(text, "\n")
	return text
}

// versions are the columns of tools' tables that are the same in every run.
var versions = map[string]string{
	"goose_db_version":  "version_id, is_applied",
	"goose_lock":        "locked",
	"schema_migrations": "version, dirty",
	"gorp_migrations":   "id",
	"migrations":        "id",
	"bun_migrations":    "name, group_id",
	"darwin_migrations": "version, description",
	"river_migration":   "version",
	"schema_migration":  "version",
}

// state lists what is in the database: its tables, how many rows they have, and
// what the tool has noted.
func state(t *testing.T, target target, dsn string) string {
	t.Helper()
	db, err := sql.Open(target.driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tables := "SELECT table_name FROM information_schema.tables WHERE table_schema = CURRENT_SCHEMA() ORDER BY 1"
	switch target.driver {
	case "mysql":
		tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY 1"
	case "sqlite":
		tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlwitness%' AND name NOT LIKE 'sqlite_%' ORDER BY 1"
	}
	var b strings.Builder
	for _, name := range query(t, db, tables) {
		fmt.Fprintf(&b, "%s(%s", name, query(t, db, "SELECT count(*) FROM "+name)[0])
		if columns := versions[name]; columns != "" {
			fmt.Fprintf(&b, ": %q", query(t, db, "SELECT "+columns+" FROM "+name+" ORDER BY 1"))
		}
		b.WriteString(") ")
	}
	return b.String()
}

// exec does something to a database outside of any witness.
func exec(t *testing.T, target target, dsn, statement string) {
	t.Helper()
	db, err := sql.Open(target.driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

func query(t *testing.T, db *sql.DB, q string) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), q)
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		var line []string
		for _, v := range values {
			line = append(line, v.String)
		}
		lines = append(lines, strings.Join(line, ","))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}
