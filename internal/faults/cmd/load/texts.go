package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/internal/fakedb"
)

// manyTexts sends a text that is new each time, as programs do that write values
// into their SQL.
func (l *load) manyTexts(ctx context.Context) error {
	w, err := sqlwitness.New(sqlwitness.Config{LogOutput: io.Discard})
	if err != nil {
		return err
	}
	defer w.Close(ctx) //nolint:errcheck // nothing is queued
	db := sql.OpenDB(w.Wrap(fakedb.Static()))
	defer db.Close()
	db.SetMaxOpenConns(1)
	before, began := used(), time.Now()
	var half usage
	for n := range l.texts {
		if n == l.texts/2 {
			half = used()
		}
		id := strconv.Itoa(n)
		if _, err := db.ExecContext(ctx, "UPDATE orders SET total = "+id+" WHERE id = "+id+" AND note = 'order "+id+"'"); err != nil {
			return err
		}
	}
	took := time.Since(began)
	after := used()
	fmt.Printf("%d distinct texts: %.1f µs each; at the beginning: %v; half way: %v; at the end: %v\n",
		l.texts, took.Seconds()*1e6/float64(l.texts), before, half, after)
	return grown(half, after)
}
