// Package fakedb is a database driver that does what it is told: for tests of
// what real drivers cannot be made to do, and for benchmarks that want a driver
// that costs nothing.
//
// Which optional interfaces of database/sql/driver it has is chosen by
// [Options]. Not each of the thousands of combinations has a type. There are:
// connections that lack everything, nothing, or one thing alone, and those with
// one or both fast paths, new or old; statements likewise; rows that lack
// everything, nothing or one thing alone. [New] panics at any other combination.
//
// The text of a statement is a script. Its first word says what happens when it
// is executed, be it directly or prepared:
//
//	FAIL text       an *Error
//	BADCONN [n]     driver.ErrBadConn, the first n times (always without n)
//	SKIP            driver.ErrSkip, unless it is prepared
//	WAIT            the error of the context, once that is done
//	PANIC text      a panic with the text
//	BREAK           it works; from now on the connection is not valid
//	AFFECTED n      it works; n rows are affected
//	NOID            it works; LastInsertId is an *Error
//	ROWS n [word]   a query has n rows; after them FAIL, BADCONN or PANIC
//	SETS n m ...    a query has several result sets, of n, m, ... rows
//	PREPARE word    one of the first five happens when it is prepared
//
// Any other text works, and a query has one row. A statement has as many
// placeholders as its text has question marks, or an unknown number if ANY is in
// it. [DB.Next] scripts calls that have no text.
//
// The driver records its calls, see [DB.Calls].
package fakedb
