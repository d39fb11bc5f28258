package audit

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
)

// A day of retention: a migration and a prune each hour, a legal hold, a shorter
// policy at noon. At each hour what is left is what the policies say, the record
// is whole, and the proof of an entry holds whose sections are gone.
func TestRetentionDay(t *testing.T) {
	const held, holdFrom, holdTo, shortenedAt = 9, 10, 18, 12
	policy := map[string]time.Duration{"actor": 12 * time.Hour, "sql": 3 * time.Hour}
	shorter := map[string]time.Duration{"actor": 4 * time.Hour, "sql": time.Hour}
	for _, k := range []kit{kitPQ, kitMySQL} { // whose clock a test can set
		t.Run(k.name, func(t *testing.T) {
			key, public := testKey(t, "shop")
			began := time.Now().Truncate(time.Second)
			c := &clock{}
			c.at.Store(began.UnixNano())
			b := newBenchWith(t, k, k.dsn(t), Config{Key: key, Actor: "alice", Ticket: "OPS-1"}, Deps{Now: c.now, NewID: c.newID})
			b.must(b.store.ready(t.Context()))
			gone, first, erased := map[string]bool{}, "", 0
			for hour := range 24 {
				now := began.Add(time.Duration(hour) * time.Hour)
				b.setClock(c, now)
				m := migration(fmt.Sprint(hour))
				m.MigrationID = idFrom(now).String()
				m.Body = ended(migration(""), "").Body
				b.must(b.store.Intent(t.Context(), m, false))
				if hour == 0 {
					first = b.leaves()[0]["id"].(string)
				}
				switch hour {
				case holdFrom:
					b.must(b.store.Hold(t.Context(), "case 7", b.attemptOf(fmt.Sprint(held)), "a lawyer asks"))
				case holdTo:
					b.must(b.store.Release(t.Context(), "case 7", "settled"))
				}
				o := PruneOptions{}
				switch hour {
				case 0:
					o.Policy = policy
				case shortenedAt:
					b.setClock(c, now.Add(time.Second))
					o.Policy = shorter
				}
				done, err := b.store.Prune(t.Context(), o)
				b.must(err)

				want, newly, kept := map[string][]string{}, 0, 0
				for made := range hour + 1 {
					for _, section := range []string{"actor", "sql"} {
						keep := policy[section]
						if made > shortenedAt {
							keep = shorter[section]
						}
						key := fmt.Sprint(made, section)
						due := time.Duration(hour-made)*time.Hour >= keep
						if due && made == held && hour >= holdFrom && hour < holdTo {
							due, kept = false, kept+1
						}
						if due && !gone[key] {
							gone[key], newly = true, newly+1
						}
						if !gone[key] {
							want[fmt.Sprint(made)] = append(want[fmt.Sprint(made)], section)
						}
					}
					want[fmt.Sprint(made)] = append(want[fmt.Sprint(made)], "why")
				}
				if got := b.there(); !reflect.DeepEqual(got, want) {
					t.Fatalf("hour %d: left are %v, want %v", hour, got, want)
				}
				went := done.Sections["actor"] + done.Sections["sql"]
				erased += went
				if went < newly || done.Held != kept { // the hold's and the policy's own entries age too
					t.Errorf("hour %d: it says %+v, want %d gone and %d held", hour, done, newly, kept)
				}
				b.covered(KindPrune)

				b.sealed()
				r := b.verify(VerifyConfig{Keys: []string{public}})
				if r.Altered() || r.Unsealed > 0 || r.Erased != int64(erased) {
					t.Fatalf("hour %d: %d sections are gone, and the report is %+v", hour, erased, r)
				}
				proof, err := Prove(t.Context(), b.db, k.system, first)
				b.must(err)
				if _, at, err := CheckProof(proof, []string{public}); err != nil || at.Size != r.Size {
					t.Errorf("hour %d: the proof leads to size %d of %d: %v", hour, at.Size, r.Size, err)
				}
			}
			b.expectTroubles()
		})
	}
}

// clock stands still until it is set. The sealer reads it on a goroutine of its own.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time { return time.Unix(0, c.at.Load()) }

// newID is an id of that time.
func (c *clock) newID() string {
	u, at := uuid.Must(uuid.NewV7()), idFrom(c.now())
	copy(u[:6], at[:6])
	return u.String()
}

// setClock sets the store's clock and the database's.
func (b *bench) setClock(c *clock, now time.Time) {
	b.t.Helper()
	c.at.Store(now.UnixNano())
	switch b.kit.system {
	case "postgresql":
		exec1(b.t, b.db, "ALTER TABLE sqlwitness.entry ALTER COLUMN db_time SET DEFAULT to_timestamp("+fmt.Sprint(now.Unix())+")")
	case "mariadb":
		b.must(b.store.own.do(context.Background(), func(ctx context.Context, c *sql.Conn) error {
			_, err := c.ExecContext(ctx, fmt.Sprintf("SET SESSION timestamp = %d", now.Unix()))
			return err
		}))
	}
}
