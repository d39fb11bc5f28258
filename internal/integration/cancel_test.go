package integration

import (
	"database/sql"
	"database/sql/driver"
	"sync"
	"testing"
	"time"

	"modernc.org/sqlite"
)

// running is sent to by SQLite when it is in the statement that does not end,
// because nobody else can be asked. A function is registered for the whole
// process, so its channel is the process's too.
var running = sync.OnceValue(func() chan struct{} {
	c := make(chan struct{}, 1)
	sqlite.MustRegisterScalarFunction("sqlwitness_running", 0, func(*sqlite.FunctionContext, []driver.Value) (driver.Value, error) {
		select {
		case c <- struct{}{}:
		default:
		}
		return int64(1), nil
	})
	return c
})

// whenRunning calls do once a connection to the database is in the statement
// that does not end, or ended is closed. It is to be called before connections
// are opened.
func whenRunning(t *testing.T, target target, dsn string, ended <-chan struct{}, do func()) {
	t.Helper()
	if target.running == "" {
		c := running()
		select { // what an earlier test may have left
		case <-c:
		default:
		}
		go func() {
			select {
			case <-c:
				do()
			case <-ended:
			}
		}()
		return
	}
	db, err := sql.Open(target.driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer db.Close()
		again := time.NewTicker(10 * time.Millisecond)
		defer again.Stop()
		for {
			var n int
			if err := db.QueryRow(target.running).Scan(&n); err != nil {
				t.Error(err)
				do()
				return
			}
			if n > 0 {
				do()
				return
			}
			select {
			case <-again.C:
			case <-ended:
				return
			}
		}
	}()
}

// settle waits until no connection is in use: after a cancel, database/sql rolls
// back by itself, and the tool may be gone by then.
func settle(db *sql.DB) {
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for db.Stats().InUse > 0 {
		<-again.C
	}
}
