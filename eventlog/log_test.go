package eventlog

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/rs/zerolog"

	"github.com/sqlwitness/sqlwitness/event"
)

func TestNothingFromOutsideForgesALine(t *testing.T) {
	const evil = "v1\n{\"event\":\"forged\"}\r\x1b[2K\x00\x7f\u2028\xff\"},{"
	version := evil
	lines := written(t, "debug", func(l *Log) {
		tr, db := event.Trace{CorrelationID: evil, RunID: evil, MigrationID: evil}, event.Database{System: evil, Name: evil}
		l.Migration(&event.Migration{Trace: tr, Database: db, Tool: evil, Version: &version, After: evil, Outcome: event.Failed, Verdict: evil,
			Err: &pgError{evil, evil}, SQLState: evil, Failing: &event.FailingStatement{Text: evil, Operation: evil}})
		l.Statement(&event.Statement{Trace: tr, Database: db, Tables: []string{evil}, Summary: evil, Text: evil, Slow: true})
		l.Lock(&event.Lock{Trace: tr, Database: db, Stage: event.LockAcquired, Key: evil})
		l.Run(&event.Run{Trace: tr, Database: db, Tool: evil, Finished: true, Slowest: &event.BodyStatement{Text: evil}})
		l.Suppression(tr, db, Suppression{Kind: evil, ID: evil, Reason: evil, Creator: evil, UntilVersion: evil})
	})
	if n := strings.Count(lines, "\n"); n != 5 {
		t.Errorf("%d lines of 5 events", n)
	}
	if i := strings.IndexFunc(lines, func(r rune) bool { return r != '\n' && r != 0x7f && unicode.IsControl(r) }); i >= 0 {
		t.Errorf("a control character as it came: %q", lines[i:min(i+20, len(lines))])
	}
	for _, line := range parsed(t, lines) {
		if line["event"] == "forged" {
			t.Error("a line was forged")
		}
	}
}

func TestLongTextsAreCutBetweenCharacters(t *testing.T) {
	s := sampleStatement()
	s.Text = strings.Repeat("é", 100_000)
	s.Tables = make([]string, 1000)
	line := parsed(t, written(t, "info", func(l *Log) { l.Statement(s) }))[0]
	text := line["text"].(string)
	if len(text) > maxText+len("…") || !strings.HasSuffix(text, "é…") || strings.ContainsRune(text, unicode.ReplacementChar) {
		t.Errorf("%d bytes, ends in %q", len(text), text[len(text)-8:])
	}
	if n := len(line["tables"].([]any)); n != maxTables {
		t.Errorf("%d tables", n)
	}
}

func TestLevels(t *testing.T) {
	outside := func(s *event.Statement) *event.Statement { s.Trace = event.Trace{}; return s }
	inRun := func(s *event.Statement) *event.Statement { s.MigrationID = ""; return s }
	lock := func(stage event.LockStage, outcome, run string, wait time.Duration) func(*Log) {
		return func(l *Log) {
			l.Lock(&event.Lock{Stage: stage, Outcome: outcome, Trace: event.Trace{RunID: run}, Wait: wait})
		}
	}
	for _, c := range []struct {
		name, want string
		emit       func(*Log)
	}{
		{"slow", "warn", func(l *Log) { l.Statement(sampleStatement()) }},
		{"running", "warn", func(l *Log) { l.Look(sampleLook()) }},
		{"failed in a migration", "error", func(l *Log) { l.Statement(failedStatement()) }},
		{"failed in a run", "info", func(l *Log) { l.Statement(inRun(failedStatement())) }},
		{"failed in the application", "debug", func(l *Log) { l.Statement(outside(failedStatement())) }},
		{"acquired", "debug", lock(event.LockAcquired, "acquired", "r", time.Second)},
		{"acquired late", "warn", lock(event.LockAcquired, "acquired", "r", 10*time.Second)},
		{"waiting in a run", "info", lock(event.LockWaiting, "", "r", 0)},
		{"waiting elsewhere", "debug", lock(event.LockWaiting, "", "", 0)},
		{"refused in a run", "warn", lock(event.LockFailed, "refused", "r", 0)},
		{"refused elsewhere", "debug", lock(event.LockFailed, "refused", "", 0)},
		{"timeout", "warn", lock(event.LockFailed, "timeout", "", 0)},
		{"released", "debug", lock(event.LockReleased, "released", "r", 0)},
		{"anomaly", "warn", lock(event.LockAnomaly, "", "", 0)},
		{"started", "info", func(l *Log) { l.Migration(sampleMigration("")) }},
		{"applied", "info", func(l *Log) { l.Migration(sampleMigration(event.Applied)) }},
		{"forced", "warn", func(l *Log) { l.Migration(sampleMigration(event.Forced)) }},
		{"migration failed", "error", func(l *Log) { l.Migration(failedMigration()) }},
		{"run", "info", func(l *Log) { l.Run(sampleRun("noop")) }},
		{"run failed", "error", func(l *Log) { l.Run(sampleRun("failed")) }},
		{"recovered", "warn", func(l *Log) { l.Recovered(sampleTrace, sampleDB, "unknown") }},
		{"checkpoint", "info", func(l *Log) { l.Checkpoint(sampleDB, "shop/1", 7, nil) }},
		{"known issue", "info", func(l *Log) { l.Suppression(sampleTrace, sampleDB, Suppression{}) }},
		{"configuration", "info", func(l *Log) { l.ConfigChanged(sampleDB, "b", "a", nil) }},
	} {
		order := []string{"debug", "info", "warn", "error", "off"}
		reached := false
		for _, configured := range order {
			lines := written(t, configured, c.emit)
			if wanted := !reached && configured != "off"; (lines != "") != wanted {
				t.Errorf("%s at level %s: %q", c.name, configured, lines)
			} else if wanted && parsed(t, lines)[0]["level"] != c.want {
				t.Errorf("%s: %s", c.name, lines)
			}
			reached = reached || configured == c.want
		}
	}
}

// zerolog's package variables belong to the application.
func TestTheApplicationsZerologSettingsHaveNoInfluence(t *testing.T) {
	want := written(t, "debug", samples)
	level, field, format, unit, precision := zerolog.GlobalLevel(), zerolog.LevelFieldName, zerolog.TimeFieldFormat, zerolog.DurationFieldUnit, zerolog.FloatingPointPrecision
	defer func() {
		zerolog.SetGlobalLevel(level)
		zerolog.LevelFieldName, zerolog.TimeFieldFormat, zerolog.DurationFieldUnit, zerolog.FloatingPointPrecision = field, format, unit, precision
	}()
	zerolog.SetGlobalLevel(zerolog.FatalLevel)
	zerolog.LevelFieldName, zerolog.TimeFieldFormat, zerolog.DurationFieldUnit, zerolog.FloatingPointPrecision = "severity", zerolog.TimeFormatUnix, time.Hour, 1
	if got := written(t, "debug", samples); got != want {
		t.Errorf("the lines have changed:\n%s", got)
	}
}

func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out output
		l := New(Config{Output: &out})
		slow := func(fingerprint string, times int) (suppressed []any) {
			before := len(out.String())
			for range times {
				l.Statement(&event.Statement{Slow: true, Fingerprint: fingerprint})
			}
			synctest.Wait()
			for _, line := range parsed(t, out.String()[before:]) {
				suppressed = append(suppressed, line["suppressed"])
			}
			return suppressed
		}
		expect := func(what string, got []any, want ...any) {
			t.Helper()
			if len(got) != len(want) {
				t.Fatalf("%s: %v, want %v", what, got, want)
			}
			for i := range got {
				if got[i] != want[i] {
					t.Fatalf("%s: %v, want %v", what, got, want)
				}
			}
		}
		expect("a burst", slow("a", 5), nil, nil, nil, nil, nil)
		expect("beyond it", slow("a", 99))
		expect("one in 100", slow("a", 1), 99.0)
		expect("and again", slow("a", 250), 99.0, 99.0)
		expect("another fingerprint", slow("b", 6), nil, nil, nil, nil, nil)
		time.Sleep(59 * time.Second)
		expect("before the minute is over", slow("a", 10))
		time.Sleep(time.Second)
		expect("the next minute", slow("a", 7), 60.0, nil, nil, nil, nil)
		for range 20 {
			l.Statement(failedStatement()) // of a migration
		}
		synctest.Wait()
		if n := strings.Count(out.String(), `"statement.failed"`); n != 20 {
			t.Errorf("%d of a migration's 20 failed statements", n)
		}
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestRateLimitIsBounded(t *testing.T) {
	l := newLimiter()
	now := sampleTime
	passed := 0
	for i := range 10 * limitKeys {
		if ok, _ := l.allow(now, limitKey{"e", string(rune('a' + i))}); ok {
			passed++
		}
	}
	// All beyond the bound share one budget.
	if want := limitKeys + limitBurst + (9*limitKeys-limitBurst)/limitEvery; len(l.keys) != limitKeys || passed != want {
		t.Errorf("%d keys, %d of %d passed", len(l.keys), passed, want)
	}
	now = now.Add(limitWindow)
	if ok, _ := l.allow(now, limitKey{"e", "fresh"}); !ok || len(l.keys) != 1 {
		t.Errorf("a minute later there are %d keys", len(l.keys))
	}
}

func TestSlowThresholds(t *testing.T) {
	var zero Slow
	for class, want := range map[string]time.Duration{
		"read": 200 * time.Millisecond, "write": 500 * time.Millisecond, "ddl": 5 * time.Second, "lock": 10 * time.Second,
		"tx": time.Second, "session": time.Second, "other": time.Second, "": time.Second,
	} {
		if got := zero.Threshold(class); got != want {
			t.Errorf("%q: %v", class, got)
		}
	}
	s := Slow{Read: time.Minute, Write: -1, Other: time.Hour}
	if s.Threshold("read") != time.Minute || s.Threshold("write") != 0 || s.Threshold("tx") != time.Hour || s.Threshold("ddl") != 5*time.Second {
		t.Errorf("%v", s)
	}
}
