package audit

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	"github.com/google/uuid"
)

// BenchmarkRecover is the search for open migrations in a trail of 20,000 entries,
// a month of a busy database.
func BenchmarkRecover(b *testing.B) {
	for _, k := range []kit{kitPGX, kitMySQL, kitSQLite} {
		b.Run(k.name, func(b *testing.B) {
			bench := newBench(b, k, Config{})
			bench.must(bench.store.ready(b.Context()))
			for range 20 {
				var entries []*entry
				for i := range 1000 {
					e := &entry{id: uuid.Must(uuid.NewV7()), kind: kindIntent, stage: stageStart, leaf: []byte(`{"c":{}}`)}
					e.attempt = e.id
					if i%2 == 1 {
						e.kind, e.stage, e.attempt = kindOutcome, stageAfter, entries[i-1].attempt
					}
					entries = append(entries, e)
				}
				for _, text := range bench.store.dialect.rows(entries) {
					if _, err := bench.db.Exec(text); err != nil {
						b.Fatal(fmt.Errorf("insert: %w", err))
					}
				}
			}
			bench.must(bench.store.own.do(b.Context(), func(ctx context.Context, c *sql.Conn) error {
				for b.Loop() {
					if list, err := bench.store.openAttempts(ctx, c); err != nil || len(list) > 0 {
						return fmt.Errorf("%d open, %w", len(list), err)
					}
				}
				return nil
			}))
		})
	}
}
