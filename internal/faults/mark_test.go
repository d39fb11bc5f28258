package faults

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/ngrok/sqlmw"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/audit"
	"github.com/sqlwitness/sqlwitness/event"
)

// deaf loses the answer to the mark of the second migration, as a connection that
// breaks behind it does.
type deaf struct {
	sqlmw.NullInterceptor
	second bool
}

func (d *deaf) heard(query string, err error) error {
	d.second = d.second || strings.Contains(query, "TABLE orders")
	if err == nil && d.second && strings.Contains(query, "INSERT INTO goose_db_version") {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (d *deaf) ConnExecContext(ctx context.Context, c driver.ExecerContext, query string, args []driver.NamedValue) (driver.Result, error) {
	res, err := c.ExecContext(ctx, query, args)
	return res, d.heard(query, err)
}

func (d *deaf) StmtExecContext(ctx context.Context, s driver.StmtExecContext, query string, args []driver.NamedValue) (driver.Result, error) {
	res, err := s.ExecContext(ctx, args)
	return res, d.heard(query, err)
}

// TestMarkLost: where the mark has committed by itself and its answer is lost,
// nobody says that the migration failed, and the next process reads in goose's table
// that it did not; where it was rolled back, somebody says that it failed.
func TestMarkLost(t *testing.T) {
	for _, tg := range append(slices.Clone(servers), sqlite) {
		t.Run(tg.name, func(t *testing.T) {
			want := event.Failed
			if tg.system == "mysql" {
				want = event.Interrupted
			}
			dsn, spool := tg.fresh(t), t.TempDir()+"/spool.jsonl"
			s := &seen{}
			w, _ := witness(t, sqlwitness.Config{Audit: audit.Config{Spool: spool}, Interceptors: []sqlmw.Interceptor{&deaf{}}}, s)
			db, err := w.Open(tg.driver, dsn)
			must(t, err)
			if err := tg.migrate(t.Context(), db, migrations); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("goose says %v", err)
			}
			must(t, db.Close())
			must(t, w.Close(t.Context()))
			if n := len(s.outcomes); n == 0 || s.outcomes[n-1] != want {
				t.Errorf("outcomes are %q, want the last %s", s.outcomes, want)
			}
			if tg.others != "" {
				tg.quiet(t, dsn)
			}
			must(t, tg.finish(t, dsn, spool))
			tg.truth(t, dsn, spool)
			var resolved []string
			for _, l := range tg.leaves(t, tg.plain(t, dsn), tg.nameOf(dsn)) {
				if l.Kind == audit.KindRecovered {
					resolved = append(resolved, l.Facts.Resolution)
				}
			}
			if want := tg.system == "mysql"; want != slices.Equal(resolved, []string{string(audit.Committed)}) {
				t.Errorf("resolved %q", resolved)
			}
		})
	}
}
