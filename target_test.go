package sqlwitness

import (
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/lib/pq"
	"modernc.org/sqlite"
)

func TestDatabaseOf(t *testing.T) {
	for _, c := range []struct{ system, dsn, want string }{
		{"postgresql", "postgres://u:secret@host:5432/orders?sslmode=disable", "orders"},
		{"postgresql", "postgres://u:p%2Fx@host/orders", "orders"},
		{"postgresql", "host=h user=u password=s3cret dbname=orders sslmode=disable", "orders"},
		{"postgresql", `password='it\'s dbname=no' dbname = 'my orders'`, "my orders"},
		{"postgresql", "host=h dbname=orders\npassword=s3cret", "orders"},
		{"postgresql", "user=u\r\n\tdbname\t=\torders\tpassword=s3cret\n", "orders"},
		{"postgresql", "postgres://u:12/s3cret@host/orders", ""},
		{"postgresql", "postgres://u:bad port:x/orders", ""},
		{"postgresql", "", ""},
		{"mysql", "user:pa/ss@tcp(127.0.0.1:3306)/orders?parseTime=true", "orders"},
		{"mysql", "user@unix(/run/mysqld.sock)/a%2Fb", "a/b"},
		{"mysql", "user:secret", ""},
		{"sqlite", "/var/lib/app/app.db?_pragma=busy_timeout(5000)", "app.db"},
		{"sqlite", "file:app.db?cache=shared", "app.db"},
		{"sqlite", ":memory:", ":memory:"},
		{"microsoft.sql_server", "sqlserver://sa:secret@host?database=orders", "orders"},
		{"other_sql", "anything/with/secret", ""},
	} {
		if got := databaseOf(c.system, c.dsn); got != c.want {
			t.Errorf("databaseOf(%s, %q) = %q, want %q", c.system, c.dsn, got, c.want)
		}
	}
}

func TestInMemory(t *testing.T) {
	for dsn, want := range map[string]bool{
		":memory:": true, "file::memory:?cache=shared": true, "file:x?mode=memory": true, "": true,
		"app.db": false, "file:app.db": false,
	} {
		if got := inMemory(dsn); got != want {
			t.Errorf("inMemory(%q) = %v", dsn, got)
		}
	}
}

func TestSystemOf(t *testing.T) {
	if got := systemOf("", &pq.Driver{}); got != "postgresql" {
		t.Errorf("lib/pq: %s", got)
	}
	if got := systemOf("", stdlib.GetDefaultDriver()); got != "postgresql" {
		t.Errorf("pgx: %s", got)
	}
	if got := systemOf("", &mysql.MySQLDriver{}); got != "mysql" {
		t.Errorf("mysql: %s", got)
	}
	if got := systemOf("", &sqlite.Driver{}); got != "sqlite" {
		t.Errorf("sqlite: %s", got)
	}
	if got := systemOf("mssql", nil); got != "microsoft.sql_server" {
		t.Errorf("by name: %s", got)
	}
	if got := systemOf("mine", nil); got != "other_sql" {
		t.Errorf("unknown: %s", got)
	}
}
