package eventlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/sqlwitness/sqlwitness/event"
)

// The left sides are messages of PostgreSQL 15 (as lib/pq and pgx give them),
// MySQL 8, MariaDB 10.11, SQLite 3 and Go's network stack.
func TestMessages(t *testing.T) {
	v := newVocabulary()
	for _, c := range []struct{ message, class, code, want string }{
		{`pq: relation "users" already exists (42P07)`, "duplicate_object", "42P07", "duplicate_object 42P07: pq: relation ? already exists"},
		{`ERROR: relation "users" already exists (SQLSTATE 42P07)`, "duplicate_object", "42P07", "duplicate_object 42P07: ERROR: relation ? already exists"},
		{`pq: column "a" of relation "t" does not exist`, "missing_object", "42703", "missing_object 42703: pq: column ? does not exist"},
		{`pq: invalid input syntax for type integer: "4111-1111"`, "other", "22P02", "other 22P02: pq: invalid input syntax for type integer: ?"},
		{`pq: syntax error at or near "O'Brien"`, "syntax", "42601", "syntax 42601: pq: syntax error at or near ?"},
		{`pq: canceling statement due to lock timeout`, "lock_timeout", "55P03", "lock_timeout 55P03: pq: canceling statement due to lock timeout"},
		{`pq: deadlock detected`, "deadlock", "40P01", "deadlock 40P01: pq: deadlock detected"},
		{`pq: user alice@example.org owes 1200 EUR`, "other", "P0001", "other P0001: pq: user ?"},
		{`Error 1062 (23000): Duplicate entry 'alice@example.org' for key 'users.email'`, "constraint", "1062", "constraint 1062: Error ? Duplicate entry ?"},
		{`Error 1146 (42S02): Table 'shop.users' doesn't exist`, "missing_object", "1146", "missing_object 1146: Error ? Table ? does not exist"},
		{`Error 1091 (42000): Can't DROP 'ix'; check that column/key exists`, "missing_object", "1091", "missing_object 1091: Error ? Cannot DROP ? check that column/key exists"},
		{`Error 1064 (42000): You have an error in your SQL syntax; check the manual that corresponds to your MariaDB server version for the right syntax to use near ''s3cret' WHERE id = 5' at line 1`, "syntax", "1064",
			"syntax 1064: Error ? You have an error in your SQL syntax; check the manual that corresponds to your MariaDB server version for the right syntax to use near ? at line ?"},
		{`constraint failed: UNIQUE constraint failed: users.email (2067)`, "constraint", "2067", "constraint 2067: constraint failed: UNIQUE constraint failed: ?"},
		{`SQL logic error: near "s3cret": syntax error (1)`, "syntax", "1", "syntax 1: SQL logic error: near ? syntax error"},
		{`database is locked (5) (SQLITE_BUSY)`, "lock_timeout", "5", "lock_timeout 5: database is locked ?"},
		{`dial tcp: lookup db.internal.example.org on 10.0.0.2:53: no such host`, "other", "", "other: dial tcp: lookup ? on ? no such host"},
		{"cannot parse `postgres://app:s3cret@db/shop`: failed to parse", "other", "", "other: cannot parse ? failed to parse"},
		{`postgres://app:s3cret@db/shop refused`, "other", "", "other: ? refused"},
		{`Fehler: Relation »users« existiert nicht`, "missing_object", "42P01", "missing_object 42P01: ? Relation ?"},
		{`context deadline exceeded`, "cancelled", "", "cancelled: context deadline exceeded"},
		{`only one " quote and then a value`, "other", "", "other: only one ?"},
		{`"unfinished ` + strings.Repeat("x ", 600) + `" value`, "other", "", "other"},
		{"s3cret", "other", "", "other"},
		{"", "other", "", "other"},
	} {
		if got := v.message(errors.New(c.message), c.class, c.code); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.message, got, c.want)
		}
	}
	if got := v.message(errors.New("x"), "other", "s3cret"); got != "other ?" {
		t.Errorf("a code that is none: %s", got)
	}
	if got := v.cause(struct{ secret string }{"s3cret"}); strings.Contains(got, "s3cret") {
		t.Error(got)
	}
}

// FuzzMask: whatever stands around it, a value that is no word of a server never
// comes through, in quotes or bare.
func FuzzMask(f *testing.F) {
	for _, s := range []string{"value %s in column", `near '%s'' at line 1`, `'%s`, `"%s" of "`, "“%s”", "(%s)", ":%s", "can't %s", "%s\x00", "\xff%s"} {
		before, after, _ := strings.Cut(s, "%s")
		f.Add(before, after)
	}
	v := newVocabulary()
	f.Fuzz(func(t *testing.T, before, after string) {
		for _, canary := range []string{"kanarienvogel", "4111", "null kanarienvogel"} {
			got := v.mask(fmt.Sprintf("%s%s%s", before, canary, after))
			for _, bad := range []string{"kanarienvogel", "4111"} {
				// Words that the frame itself holds are the frame's.
				if strings.Contains(got, bad) && !strings.Contains(before+after, bad) {
					t.Fatalf("%q lets through %q", before+canary+after, got)
				}
			}
		}
	})
}

// An escape means what it stands for.
func TestEscapes(t *testing.T) {
	const name = "a\u009b31mb\u202ec\u2028d\U000e0001é\x7f→😀"
	line, err := json.Marshal(name)
	if err != nil {
		t.Fatal(err)
	}
	got := appendPrintable(nil, line)
	var back string
	if err := json.Unmarshal(got, &back); err != nil || back != name {
		t.Errorf("%q reads as %q: %v", got, back, err)
	}
	if want := `"a\u009b31mb\u202ec\u2028d\udb40\udc01é\u007f→😀"`; string(got) != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// FuzzServerError: whatever a server says, and calls its code and its objects by,
// it is one line of JSON, and no character of it steers a terminal.
func FuzzServerError(f *testing.F) {
	f.Add("pq: relation \"users\" already exists", "42P07", "public.users")
	f.Add("\x1b]0;title\x07\x1b[2J\r\n{\"event\":\"forged\"}", "\x00", "a\u2028b\u0085c\u202ed")
	f.Add("\xff\xfe'\x7f", "1\n2", "`\x9b31m`")
	f.Fuzz(func(t *testing.T, message, code, name string) {
		out := &output{}
		l := New(Config{Output: out, Level: "debug"})
		err := errors.New(message)
		l.Statement(&event.Statement{Err: err, ErrorClass: "other", SQLState: code, Tables: []string{name}, Trace: event.Trace{RunID: "r"}})
		l.Migration(&event.Migration{Outcome: event.Failed, Err: err, ErrorClass: "other", SQLState: code, Version: &name})
		l.Lock(&event.Lock{Stage: event.LockFailed, Err: err, Key: name})
		l.Panic("sink", err, nil)
		if err := l.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		lines := strings.SplitAfter(out.String(), "\n")
		if len(lines) != 5 || lines[4] != "" {
			t.Fatalf("%d lines of 4: %q", len(lines)-1, lines)
		}
		for _, line := range lines[:4] {
			if !json.Valid([]byte(line)) || !utf8.ValidString(line) {
				t.Errorf("no JSON: %q", line)
			}
			if i := strings.IndexFunc(strings.TrimSuffix(line, "\n"), func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
				t.Errorf("not to be printed, at %d: %q", i, line)
			}
		}
	})
}
