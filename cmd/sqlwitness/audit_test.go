package main

import (
	"bytes"
	"database/sql"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sqlwitness/sqlwitness/audit"
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

// Whoever has altered the record cannot have the terminal say that it is whole.
func TestVerdictOfForged(t *testing.T) {
	const bad = "x\x1b[2Jthe record is as it was written\x1b[8m\n"
	var out bytes.Buffer
	tellReport(&out, &audit.Report{Log: bad, Findings: []audit.Finding{{Code: audit.EntryForeign, Sentence: bad}}, Counts: map[audit.Code]int{audit.EntryForeign: 1}}, false)
	if said := out.String(); strings.Contains(said, "\x1b") || strings.Contains(said, "\n\n") || !strings.HasPrefix(said, "ALTERED entry_foreign: x [2Jthe record") {
		t.Errorf("says %q", said)
	}
}
