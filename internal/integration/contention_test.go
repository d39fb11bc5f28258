package integration

import (
	"slices"
	"testing"
	"time"

	"github.com/golang-migrate/migrate/v4"

	"github.com/sqlwitness/sqlwitness/event"
)

// TestTwoReplicas lets two instances of golang-migrate race. One waits for the
// lock of the other, and neither is seen to do what the other did.
func TestTwoReplicas(t *testing.T) {
	for _, target := range targets[:3] {
		t.Run(target.name, func(t *testing.T) {
			wait := "SELECT pg_sleep(0.5)"
			if target.name == "mariadb" {
				wait = "DO SLEEP(0.5)"
			}
			ms := append(slices.Clone(three), migration{4, "wait", []string{wait}, nil})
			up := migrateDriver(migrateInstance).act((*migrate.Migrate).Up)

			dsn := target.fresh(t)
			seen := []*recorder{{}, {}}
			errs := make(chan error, len(seen))
			for _, r := range seen {
				w := witness(t, r)
				db, err := w.Open(target.driver, dsn)
				if err != nil {
					t.Fatal(err)
				}
				go func() {
					defer db.Close()
					errs <- up(t.Context(), target, db, ms)
				}()
			}
			for range seen {
				if err := <-errs; err != nil {
					t.Error(err)
				}
			}
			var all []string
			var longest time.Duration
			for _, r := range seen {
				all = append(all, r.list()...)
				for _, l := range r.locks {
					if l.Stage == event.LockAcquired {
						longest = max(longest, l.Wait)
					}
				}
			}
			slices.Sort(all)
			want := []string{"golang-migrate 1 up applied around", "golang-migrate 2 up applied around",
				"golang-migrate 3 up applied around", "golang-migrate 4 up applied around"}
			if !slices.Equal(all, want) {
				t.Errorf("reported %q", all)
			}
			if longest < 400*time.Millisecond {
				t.Errorf("the longest wait for a lock was %v, with a migration of 500 ms in the way", longest)
			}
		})
	}
}
