package sqltext

import (
	"strings"
	"testing"
)

// FuzzAnalyze holds Analyze to what it promises for any input.
func FuzzAnalyze(f *testing.F) {
	for _, sql := range []string{
		"SELECT a, 'b' FROM t WHERE c = $1 -- x", "INSERT INTO t (a) VALUES (1), (2) ON CONFLICT DO NOTHING",
		"CREATE TRIGGER t AFTER INSERT ON x BEGIN SELECT 1; END", "$x$ a $x$ E'\\'' U&\"d\" [q] `b` \"c\"",
		"SELECT pg_advisory_lock(1, -2), get_lock('a', 0)", "/* a /* b */ c */ # d\n--e\n;;", "WITH a AS (SELECT 1) UPDATE t SET x = (1), y = ?",
		"EXEC sp_getapplock @Resource = 'x', @LockMode = 'Shared'", "DELETE FROM t WHERE (a = ANY($1)) AND ((b = 2))", "'", "\"", "$", "$1$", "1e+", "E'", "(((",
	} {
		for d := range uint8(5) {
			f.Add(sql, d)
		}
	}
	f.Fuzz(func(t *testing.T, sql string, d uint8) {
		dialect := Dialect(d % 5)
		got := Analyze(sql, dialect)
		last := 0
		for _, s := range got.Statements {
			if s.Offset < last || s.End < s.Offset || s.End > len(sql) {
				t.Fatalf("statement at %d to %d of %d", s.Offset, s.End, len(sql))
			}
			last = s.End
		}
		if got.Count < len(got.Statements) {
			t.Fatalf("%d statements, %d kept", got.Count, len(got.Statements))
		}
		if !got.Certain && (got.Redacted != "" || got.Summary != "") {
			t.Fatal("an uncertain text is shown")
		}
		if Analyze(sql, dialect).Fingerprint != got.Fingerprint {
			t.Fatal("the fingerprint is not stable")
		}
	})
}

// FuzzRedact plants a literal in a text and looks for it in what is shown.
func FuzzRedact(f *testing.F) {
	f.Add("SELECT a FROM t WHERE x = ", "sesame", " AND y = 1", uint8(1))
	f.Add("SELECT E'\\'', ", "it's", " -- '", uint8(1))
	f.Add("SELECT \"a\\\", ", "pass\\word", "'", uint8(2))
	f.Add("/* '", "*/ '", "' */", uint8(0))
	f.Add("SELECT x", "$q$", "$q$", uint8(1))
	f.Fuzz(func(t *testing.T, before, secret, after string, d uint8) {
		dialect := Dialect(d % 5)
		// Only a text whose beginning is plain puts the literal where it is
		// meant to be.
		lead := Analyze(before, dialect)
		if !lead.Certain || strings.ContainsAny(before, "'\"`$#[/-\\") || strings.HasSuffix(strings.TrimRight(before, " "), "&") {
			return
		}
		secret = "canary" + strings.Map(func(r rune) rune {
			if r < ' ' || r == '\'' || r == '\\' || r == 0xfffd {
				return -1
			}
			return r
		}, secret)
		got := Analyze(before+" '"+secret+"' "+after, dialect)
		if strings.Contains(got.Redacted, "canary") && !strings.Contains(before, "canary") && !strings.Contains(after, "canary") {
			t.Fatalf("shown: %q", got.Redacted)
		}
		if strings.Contains(got.Summary, "canary") && !strings.Contains(before, "canary") && !strings.Contains(after, "canary") {
			t.Fatalf("in the summary: %q", got.Summary)
		}
	})
}
