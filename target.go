package sqlwitness

import (
	"database/sql/driver"
	"net/url"
	"path"
	"reflect"
	"strings"
)

// systemOf names the database system (OpenTelemetry db.system.name) that a
// driver speaks to, by the driver's package or, failing that, by its name.
func systemOf(name string, d driver.Driver) string {
	if w, ok := d.(*wrappedDriver); ok {
		return systemOf(w.name, w.parent)
	}
	t := reflect.TypeOf(d)
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t != nil {
		for _, k := range []struct{ pkg, system string }{
			{"github.com/lib/pq", "postgresql"},
			{"github.com/jackc/pgx", "postgresql"},
			{"github.com/go-sql-driver/mysql", "mysql"},
			{"modernc.org/sqlite", "sqlite"},
			{"github.com/mattn/go-sqlite3", "sqlite"},
			{"github.com/ncruces/go-sqlite3", "sqlite"},
			{"github.com/microsoft/go-mssqldb", "microsoft.sql_server"},
			{"github.com/denisenkom/go-mssqldb", "microsoft.sql_server"},
			{"github.com/sijms/go-ora", "oracle.db"},
			{"github.com/godror/godror", "oracle.db"},
			{"github.com/ClickHouse/clickhouse-go", "clickhouse"},
		} {
			if t.PkgPath() == k.pkg || strings.HasPrefix(t.PkgPath(), k.pkg+"/") {
				return k.system
			}
		}
	}
	switch strings.TrimPrefix(name, Prefix) {
	case "postgres", "pgx", "pgx/v5", "cloudsql-postgres":
		return "postgresql"
	case "mysql":
		return "mysql"
	case "sqlite", "sqlite3":
		return "sqlite"
	case "sqlserver", "mssql":
		return "microsoft.sql_server"
	}
	return "other_sql"
}

// databaseOf takes the database's name, and nothing else, out of a DSN; "" where
// it is not plain. For SQLite it is the file's base name.
func databaseOf(system, dsn string) string {
	switch system {
	case "postgresql":
		if strings.Contains(dsn, "://") {
			u, err := url.Parse(dsn)
			if err != nil {
				return ""
			}
			name := strings.TrimPrefix(u.Path, "/")
			if strings.ContainsAny(name, "/@") {
				return "" // what follows a slash in a password that should have been escaped
			}
			return name
		}
		for _, key := range []string{"dbname", "database"} {
			if v, ok := keyword(dsn, key); ok {
				return v
			}
		}
	case "mysql":
		// user:password@protocol(address)/name?options; only the last slash counts
		// (go-sql-driver/mysql, dsn.go).
		if i := strings.LastIndexByte(dsn, '/'); i >= 0 {
			name, _, _ := strings.Cut(dsn[i+1:], "?")
			if name, err := url.PathUnescape(name); err == nil {
				return name
			}
		}
	case "sqlite":
		name, _, _ := strings.Cut(strings.TrimPrefix(dsn, "file:"), "?")
		if name == "" || name == ":memory:" {
			return name
		}
		return path.Base(name)
	case "microsoft.sql_server":
		if u, err := url.Parse(dsn); err == nil {
			return u.Query().Get("database")
		}
	}
	return ""
}

// libpqSpace is what ends an unquoted value of a libpq connection string.
const libpqSpace = " \t\n\r\v\f"

// keyword finds key='value' in a libpq connection string.
func keyword(dsn, key string) (string, bool) {
	for rest := dsn; rest != ""; {
		k, after, ok := strings.Cut(rest, "=")
		if !ok {
			return "", false
		}
		after = strings.TrimLeft(after, libpqSpace)
		var value strings.Builder
		i, quoted := 0, strings.HasPrefix(after, "'")
		if quoted {
			i = 1
		}
		for ; i < len(after); i++ {
			ch := after[i]
			if ch == '\\' && i+1 < len(after) {
				i++
				value.WriteByte(after[i])
				continue
			}
			if quoted && ch == '\'' || !quoted && strings.IndexByte(libpqSpace, ch) >= 0 {
				i++
				break
			}
			value.WriteByte(ch)
		}
		if strings.TrimSpace(k) == key {
			return value.String(), true
		}
		rest = after[i:]
	}
	return "", false
}

// inMemory reports whether a SQLite DSN names a database that lives in one
// connection, or one process, alone: no second connection sees its tables.
func inMemory(dsn string) bool {
	return strings.Contains(dsn, ":memory:") || strings.Contains(dsn, "mode=memory") || dsn == ""
}
