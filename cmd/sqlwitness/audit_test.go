package main

import (
	"database/sql"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// The scripts have one command more, sql FILE STATEMENT, for what an
// administrator may do to a SQLite database.
func TestAuditScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/audit",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"sql": func(ts *testscript.TestScript, _ bool, args []string) {
				db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
				ts.Check(err)
				defer db.Close()
				for _, statement := range args[1:] {
					_, err = db.Exec(statement)
					ts.Check(err)
				}
			},
		},
	})
}
