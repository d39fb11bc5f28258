package drivertest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Dialect is what the SQL of a kind of database is like: one of [PQ],
// [PostgreSQL], [MySQL] and [SQLite].
type Dialect struct {
	placeholder string // of the first argument
	second      string
	columns     string // of a table: id, n, x, ok, s, b, at
	wait        string // a query that takes longer than anyone waits
	list        string // a query with a list for its argument
	name        string // a query for the database's name, if errors say it
	copies      bool   // a COPY statement can be prepared; others would wait for its data
}

// PQ is for PostgreSQL by lib/pq, which has COPY.
func PQ() Dialect {
	d := PostgreSQL()
	d.copies = true
	return d
}

// PostgreSQL is for PostgreSQL by pgx, or by another driver without lib/pq's COPY.
func PostgreSQL() Dialect {
	return Dialect{
		placeholder: "$1", second: "$2",
		columns: "id int PRIMARY KEY, n bigint, x double precision, ok boolean, s varchar(20), b bytea, at timestamptz",
		wait:    "SELECT pg_sleep(60)",
		list:    "SELECT $1::text[]",
		name:    "SELECT current_database()",
	}
}

// MySQL is for go-sql-driver/mysql on MySQL and MariaDB.
func MySQL() Dialect {
	return Dialect{
		placeholder: "?", second: "?",
		columns: "id int PRIMARY KEY, n bigint, x double, ok boolean, s varchar(20), b blob, at datetime(6)",
		wait:    "SELECT SLEEP(60)",
		list:    "SELECT ?",
		name:    "SELECT DATABASE()",
	}
}

// SQLite is for modernc.org/sqlite.
func SQLite() Dialect {
	return Dialect{
		placeholder: "?", second: "?",
		columns: "id int PRIMARY KEY, n bigint, x double, ok boolean, s varchar(20), b blob, at datetime",
		wait:    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
		list:    "SELECT ?",
	}
}

// RunSQL plays each case on two databases of one kind, one by the bare driver
// and one by the wrapped, and compares what the caller got. Open is called once;
// its databases must be empty, and different if the cases are not to see each
// other's tables. The cases leave their tables behind. RunSQL closes both pools.
// Unwrap is that of Wrapper; it may be nil.
//
// A wrapper's author runs it with each driver that the wrapper is meant for; a
// driver's author with each wrapper that is meant to work with the driver.
func RunSQL(t *testing.T, d Dialect, open func(testing.TB) (bare, wrapped *sql.DB), unwrap func(any) any) {
	t.Helper()
	b, w := open(t)
	t.Cleanup(func() { _ = b.Close() })
	t.Cleanup(func() { _ = w.Close() })
	bareName, wrappedName := databaseName(t, d, b), databaseName(t, d, w)
	for _, c := range sqlCases(d) {
		t.Run(c.Name, func(t *testing.T) {
			if c.unwraps && unwrap == nil {
				t.Skip("the wrapper has no Unwrap")
			}
			want := nameless(bareName, performSQL(c, b, bare))
			got := nameless(wrappedName, performSQL(c, w, Wrapper{Unwrap: unwrap}))
			if diff := firstDifference("the caller", want, got); diff != "" {
				t.Errorf("rule: %s\n%s", c.Rule, diff)
			}
		})
	}
}

// databaseName is the one thing that differs between two empty databases: what
// matches it in an error is not compared.
func databaseName(t *testing.T, d Dialect, db *sql.DB) *regexp.Regexp {
	t.Helper()
	if d.name == "" {
		return nil
	}
	var name string
	if err := db.QueryRowContext(t.Context(), d.name).Scan(&name); err != nil {
		t.Fatalf("asking for the database's name (%s): %v", d.name, err)
	}
	return regexp.MustCompile(`\b` + regexp.QuoteMeta(name) + `\b`)
}

func nameless(name *regexp.Regexp, outcomes []string) []string {
	if name == nil {
		return outcomes
	}
	for i, o := range outcomes {
		outcomes[i] = name.ReplaceAllString(o, "DATABASE")
	}
	return outcomes
}

func performSQL(c Case, db *sql.DB, w Wrapper) []string {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	p := &play{ctx: ctx, db: db, about: types | resultSets, w: w}
	c.play(p)
	return p.outcomes
}

func sqlCases(d Dialect) []Case {
	insert := func(table string, columns string, n int) string {
		marks := make([]string, n)
		for i := range marks {
			if marks[i] = d.placeholder; d.placeholder != d.second {
				marks[i] = fmt.Sprintf("$%d", i+1)
			}
		}
		return fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", table, columns, strings.Join(marks, ", "))
	}
	at := time.Date(2026, 2, 3, 4, 5, 6, 789000000, time.UTC)
	return []Case{
		{
			Name: "values",
			Rule: "values go in and come out as they do through the bare driver, and columns have the same types",
			play: func(p *play) {
				p.exec(p.db, "CREATE TABLE v ("+d.columns+")")
				in := insert("v", "id, n, x, ok, s, b, at", 7)
				p.exec(p.db, in, 1, int64(1)<<40, 2.5, true, "naïve", []byte{0, 255}, at)
				p.exec(p.db, in, 2, nil, nil, nil, nil, nil, nil)
				p.query(p.db, "SELECT * FROM v ORDER BY id")
				p.query(p.db, "SELECT id, s FROM v WHERE id = "+d.placeholder, 1)
				p.query(p.db, "SELECT * FROM v WHERE id = 0")
				p.do("prepared", func() (any, error) {
					stmt, err := p.db.PrepareContext(p.ctx, in)
					if err != nil {
						return nil, err
					}
					for id := 3; id < 6; id++ {
						res, err := stmt.ExecContext(p.ctx, id, id, 0.5, false, "x", []byte("y"), at)
						p.do("exec prepared", func() (any, error) { return p.result(res), err })
					}
					return nil, stmt.Close()
				})
				p.prepared(p.db, "SELECT n, at FROM v WHERE id > "+d.placeholder+" ORDER BY id", 2)
				p.exec(p.db, "UPDATE v SET n = n + 1")
				p.exec(p.db, "DELETE FROM v WHERE id > 3")
			},
		},
		{
			Name: "errors",
			Rule: "errors are of the driver's own types, with its own codes",
			play: func(p *play) {
				p.exec(p.db, "CREATE TABLE e ("+d.columns+")")
				in := insert("e", "id", 1)
				p.exec(p.db, in, 1)
				p.exec(p.db, in, 1)
				p.prepared(p.db, in, 1)
				p.every(p.db, "SELEC 1")
				p.every(p.db, "SELECT * FROM no_such_table")
				p.every(p.db, "")
				p.exec(p.db, in)
				p.exec(p.db, in, 1, 2)
				p.exec(p.db, in, struct{}{})
			},
		},
		{
			Name: "transactions",
			Rule: "transactions commit, roll back and fail as they do through the bare driver",
			play: func(p *play) {
				p.exec(p.db, "CREATE TABLE t ("+d.columns+")")
				in := insert("t", "id", 1)
				p.begin(p.ctx, p.db, nil, func(tx *sql.Tx) {
					p.exec(tx, in, 1)
					p.exec(tx, "CREATE TABLE t2 (id int)")
					p.commit(tx)
					p.commit(tx)
				})
				p.begin(p.ctx, p.db, nil, func(tx *sql.Tx) {
					p.exec(tx, in, 2)
					p.rollback(tx)
				})
				p.begin(p.ctx, p.db, nil, func(tx *sql.Tx) {
					p.exec(tx, in, 3)
					p.exec(tx, in, 3)
					p.exec(tx, in, 4)
					p.commit(tx)
				})
				for _, opts := range []sql.TxOptions{{ReadOnly: true}, {Isolation: sql.LevelSerializable}, {Isolation: sql.LevelLinearizable}} {
					p.begin(p.ctx, p.db, &opts, func(tx *sql.Tx) {
						p.exec(tx, in, 5)
						p.rollback(tx)
					})
				}
				p.conn(func(c *sql.Conn) {
					for _, s := range []string{"BEGIN", "INSERT INTO t (id) VALUES (6)", "COMMIT"} {
						p.exec(c, s)
					}
				})
				p.query(p.db, "SELECT id FROM t ORDER BY id")
			},
		},
		{
			Name: "result sets",
			Rule: "several statements in one text give the results that they give through the bare driver",
			play: func(p *play) {
				p.query(p.db, "SELECT 1 AS a; SELECT 2 AS b, 3 AS c")
				p.exec(p.db, "CREATE TABLE r (id int); INSERT INTO r VALUES (1); INSERT INTO r VALUES (2)")
				p.query(p.db, "SELECT count(*) FROM r")
			},
		},
		{
			Name: "driver's own arguments",
			Rule: "what only the driver takes for an argument it gets, prepared or not",
			play: func(p *play) {
				p.query(p.db, d.list, []string{"a", "b"})
				p.prepared(p.db, d.list, []string{"a", "b"})
				p.query(p.db, "SELECT "+d.placeholder, sql.Named("a", 1))
			},
		},
		{
			Name: "copy",
			Rule: "a driver's own statement forms work (lib/pq copies rows by COPY … FROM STDIN, prepared)",
			play: func(p *play) {
				if !d.copies {
					return
				}
				p.exec(p.db, "CREATE TABLE c (id int, s varchar(20))")
				for _, last := range []any{3, "no number"} {
					p.begin(p.ctx, p.db, nil, func(tx *sql.Tx) {
						p.do("copy", func() (any, error) {
							stmt, err := tx.PrepareContext(p.ctx, "COPY c (id, s) FROM STDIN")
							if err != nil {
								return nil, err
							}
							for _, args := range [][]any{{1, "a"}, {2, nil}, {last, "c"}} {
								res, err := stmt.ExecContext(p.ctx, args...)
								p.do("row", func() (any, error) { return res == nil, err })
							}
							return nil, stmt.Close()
						})
						p.commit(tx)
					})
				}
				p.query(p.db, "SELECT * FROM c ORDER BY id")
			},
		},
		{
			Name: "rows side by side",
			Rule: "rows that are open beside others behave as through the bare driver",
			play: func(p *play) {
				p.begin(p.ctx, p.db, nil, func(tx *sql.Tx) {
					p.do("two queries", func() (any, error) {
						a, err := tx.QueryContext(p.ctx, "SELECT 1 UNION SELECT 2")
						if err != nil {
							return nil, err
						}
						a.Next()
						b, err := tx.QueryContext(p.ctx, "SELECT 3 UNION SELECT 4")
						if err == nil {
							p.do("the second", func() (any, error) { return p.read(b), nil })
						}
						p.do("the first", func() (any, error) { return p.read(a), nil })
						return nil, err
					})
					p.rollback(tx)
				})
				p.query(p.db, "SELECT 5")
			},
		},
		{
			Name: "cancelled",
			Rule: "a statement ends when its context does, and the next one works",
			play: func(p *play) {
				ctx, cancel := context.WithTimeout(p.ctx, 50*time.Millisecond)
				defer cancel()
				_, err := p.db.ExecContext(ctx, d.wait)
				p.do("cancelled", func() (any, error) { return interrupted(err), nil })
				p.query(p.db, "SELECT 1")
				done, cancel := context.WithCancel(p.ctx)
				cancel()
				p.do("cancelled before", func() (any, error) {
					_, err := p.db.ExecContext(done, "SELECT 1")
					return nil, err
				})
			},
		},
		{
			Name:    "the parent's connection",
			Rule:    "behind what sql.Conn.Raw shows, Unwrap finds the driver's own connection",
			unwraps: true,
			play: func(p *play) {
				p.conn(func(c *sql.Conn) {
					p.do("raw", func() (any, error) {
						return nil, c.Raw(func(raw any) error {
							p.do("type", func() (any, error) { return fmt.Sprintf("%T", p.w.Unwrap(raw)), nil })
							return nil
						})
					})
				})
				p.do("ping", func() (any, error) { return nil, p.db.PingContext(p.ctx) })
			},
		},
	}
}

// interrupted says that a statement ended for its context. Drivers say so in
// the server's words or in the context's, whichever comes first.
func interrupted(err error) bool {
	state, ok := err.(interface{ SQLState() string })
	return errors.Is(err, context.DeadlineExceeded) || ok && state.SQLState() == "57014" ||
		err != nil && strings.Contains(err.Error(), "interrupted")
}
