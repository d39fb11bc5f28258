package eventlog

import (
	"io"
	"testing"

	"github.com/sqlwitness/sqlwitness/event"
)

// BenchmarkSlowStatement: what a slow statement pays for its line, and for one
// that is suppressed.
func BenchmarkSlowStatement(b *testing.B) {
	b.Run("line", func(b *testing.B) {
		l := New(Config{Output: io.Discard})
		defer l.Close(b.Context())
		s := sampleStatement()
		b.ReportAllocs()
		for b.Loop() {
			e := l.begin(&l.later, 1, "statement.slow", s.Trace, s.Database)
			statementKeys(e, s)
			resultKeys(e, s)
			e.Send()
		}
		b.ReportMetric(float64(l.Dropped())/float64(b.N), "dropped/op")
	})
	b.Run("suppressed", func(b *testing.B) {
		l := New(Config{Output: io.Discard})
		defer l.Close(b.Context())
		s := sampleStatement()
		b.ReportAllocs()
		for b.Loop() {
			l.Statement(s)
		}
	})
	b.Run("below-level", func(b *testing.B) {
		l := New(Config{Output: io.Discard})
		defer l.Close(b.Context())
		s := failedStatement()
		s.Trace = event.Trace{}
		b.ReportAllocs()
		for b.Loop() {
			l.Statement(s)
		}
	})
}
