package main

import (
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sqlwitness": main})
}

// The scripts run the command as a user does, each in a folder of its own and
// with an environment that holds nothing of ours.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script"})
}

func TestPostgreSQLScript(t *testing.T) {
	dsn := testdb.PostgreSQL(t)
	script(t, "postgres", map[string]string{"DSN": dsn, "PGX5": "pgx5" + strings.TrimPrefix(dsn, "postgres")})
}

func TestMySQLScript(t *testing.T) {
	dsn := testdb.MariaDB(t)
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	script(t, "mysql", map[string]string{"DSN": dsn, "URL": "mysql://" + cfg.User + "@" + cfg.Addr + "/" + cfg.DBName})
}

// script runs one that needs a server.
func script(t *testing.T, name string, variables map[string]string) {
	t.Helper()
	testscript.Run(t, testscript.Params{
		Files: []string{"testdata/server/" + name + ".txtar"},
		Setup: func(e *testscript.Env) error {
			for name, value := range variables {
				e.Setenv(name, value)
			}
			return nil
		},
	})
}
