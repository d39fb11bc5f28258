package audit

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
)

// An outage that is over is in the record: how much it kept out, since when, why.
func TestOutageIsRecorded(t *testing.T) {
	for _, k := range allKits {
		t.Run(k.name, func(t *testing.T) {
			b := newBench(t, k, Config{})
			c, err := k.connector(b.dsn)
			b.must(err)
			var down atomic.Bool
			s := b.open(func(ctx context.Context) (driver.Conn, error) {
				if down.Load() {
					return nil, errors.New("dial tcp: connection refused")
				}
				return c.Connect(ctx)
			}, Config{}, Deps{})
			note := func() { b.must(s.Note(t.Context(), KindForce, map[string]any{"version": "1"})) }
			down.Store(true)
			for range 3 {
				note()
			}
			down.Store(false)
			for s.Stats().Written == 0 { // a failure is not tried again for ten times as long as it took
				note()
			}
			spooled := s.Stats().Spooled
			note()
			var got []string
			for _, r := range b.rows() {
				if r.kind == KindDegraded {
					f := r.leaf["facts"].(map[string]any)
					got = append(got, fmt.Sprint(f["spooled"], " ", f["lost"], " ", f["because"], " ", f["since"] != nil))
				}
			}
			if want := fmt.Sprint(spooled, " 0 unreachable true"); len(got) != 1 || got[0] != want {
				t.Errorf("entries say %q, want %q once", got, want)
			}
		})
	}
}
