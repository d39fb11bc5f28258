package sqltext_test

import (
	"fmt"

	"github.com/sqlwitness/sqlwitness/sqltext"
)

// What one text says: what it does, to which tables, and how it may be shown.
func ExampleAnalyze() {
	t := sqltext.Analyze("UPDATE accounts SET tier = 'gold' WHERE id = 42", sqltext.PostgreSQL)
	fmt.Println(t.Statements[0].Operation, t.Statements[0].Tables)
	fmt.Println(t.Redacted)

	lock := sqltext.Analyze("SELECT pg_try_advisory_lock(5887940537704921958)", sqltext.PostgreSQL).Statements[0].Locks[0]
	fmt.Println(lock.Function, lock.Args[0].Literal)
	// Output:
	// UPDATE [accounts]
	// UPDATE accounts SET tier = ? WHERE id = ?
	// pg_try_advisory_lock 5887940537704921958
}
