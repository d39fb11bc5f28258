package fakedb

import (
	"database/sql/driver"
	"fmt"
)

// A method set is fixed when it is compiled, so there is a type for each
// combination of optional interfaces that New offers: each case embeds what the
// connection, statement or rows can do. Most combinations lack one interface
// alone, so half of what they embed has a name.

func (d *DB) connType(c *conn) driver.Conn {
	type (
		ping     = connPinger
		exec     = connExecer
		query    = connQueryer
		prepare  = connPreparer
		begin    = connBeginner
		reset    = connResetter
		valid    = connValidator
		check    = connChecker
		oldExec  = connLegacyExecer
		oldQuery = connLegacyQueryer

		calls struct {
			ping
			exec
			query
			prepare
		}
		session struct {
			begin
			reset
			valid
			check
		}
	)
	allCalls := calls{ping{c}, exec{c}, query{c}, prepare{c}}
	allSession := session{begin{c}, reset{c}, valid{c}, check{c}}
	switch d.opts.Conn {
	case 0:
		return c
	case ConnExec:
		return struct {
			*conn
			exec
		}{c, exec{c}}
	case ConnQuery:
		return struct {
			*conn
			query
		}{c, query{c}}
	case ConnExec | ConnQuery:
		return struct {
			*conn
			exec
			query
		}{c, exec{c}, query{c}}
	case ConnLegacyExec:
		return struct {
			*conn
			oldExec
		}{c, oldExec{c}}
	case ConnLegacyQuery:
		return struct {
			*conn
			oldQuery
		}{c, oldQuery{c}}
	case ConnLegacyExec | ConnLegacyQuery:
		return struct {
			*conn
			oldExec
			oldQuery
		}{c, oldExec{c}, oldQuery{c}}
	case ConnAll:
		return struct {
			*conn
			calls
			session
		}{c, allCalls, allSession}
	case ConnAll &^ ConnPing:
		return struct {
			*conn
			exec
			query
			prepare
			session
		}{c, exec{c}, query{c}, prepare{c}, allSession}
	case ConnAll &^ ConnExec:
		return struct {
			*conn
			ping
			query
			prepare
			session
		}{c, ping{c}, query{c}, prepare{c}, allSession}
	case ConnAll &^ ConnQuery:
		return struct {
			*conn
			ping
			exec
			prepare
			session
		}{c, ping{c}, exec{c}, prepare{c}, allSession}
	case ConnAll &^ ConnPrepare:
		return struct {
			*conn
			ping
			exec
			query
			session
		}{c, ping{c}, exec{c}, query{c}, allSession}
	case ConnAll &^ ConnBegin:
		return struct {
			*conn
			calls
			reset
			valid
			check
		}{c, allCalls, reset{c}, valid{c}, check{c}}
	case ConnAll &^ ConnReset:
		return struct {
			*conn
			calls
			begin
			valid
			check
		}{c, allCalls, begin{c}, valid{c}, check{c}}
	case ConnAll &^ ConnValid:
		return struct {
			*conn
			calls
			begin
			reset
			check
		}{c, allCalls, begin{c}, reset{c}, check{c}}
	case ConnAll &^ ConnCheck:
		return struct {
			*conn
			calls
			begin
			reset
			valid
		}{c, allCalls, begin{c}, reset{c}, valid{c}}
	case ConnAll &^ (ConnExec | ConnQuery):
		return struct {
			*conn
			ping
			prepare
			session
		}{c, ping{c}, prepare{c}, allSession}
	case ConnAll&^(ConnExec|ConnQuery) | ConnLegacyExec | ConnLegacyQuery:
		return struct {
			*conn
			ping
			prepare
			oldExec
			oldQuery
			session
		}{c, ping{c}, prepare{c}, oldExec{c}, oldQuery{c}, allSession}
	case ConnAll | ConnLegacyExec | ConnLegacyQuery:
		return struct {
			*conn
			calls
			session
			oldExec
			oldQuery
		}{c, allCalls, allSession, oldExec{c}, oldQuery{c}}
	}
	panic(fmt.Sprintf("fakedb: no connection type for %#b", d.opts.Conn))
}

func (d *DB) stmtType(s *stmt) driver.Stmt {
	type (
		exec    = stmtExecer
		query   = stmtQueryer
		check   = stmtChecker
		convert = stmtConverter
	)
	switch d.opts.Stmt {
	case 0:
		return s
	case StmtExec:
		return struct {
			*stmt
			exec
		}{s, exec{s}}
	case StmtQuery:
		return struct {
			*stmt
			query
		}{s, query{s}}
	case StmtCheck:
		return struct {
			*stmt
			check
		}{s, check{s}}
	case StmtConvert:
		return struct {
			*stmt
			convert
		}{s, convert{s}}
	case StmtExec | StmtQuery:
		return struct {
			*stmt
			exec
			query
		}{s, exec{s}, query{s}}
	case StmtExec | StmtCheck:
		return struct {
			*stmt
			exec
			check
		}{s, exec{s}, check{s}}
	case StmtQuery | StmtCheck:
		return struct {
			*stmt
			query
			check
		}{s, query{s}, check{s}}
	case StmtCheck | StmtConvert:
		return struct {
			*stmt
			check
			convert
		}{s, check{s}, convert{s}}
	case StmtAll:
		return struct {
			*stmt
			exec
			query
			check
		}{s, exec{s}, query{s}, check{s}}
	case StmtExec | StmtQuery | StmtConvert:
		return struct {
			*stmt
			exec
			query
			convert
		}{s, exec{s}, query{s}, convert{s}}
	case StmtAll | StmtConvert:
		return struct {
			*stmt
			exec
			query
			check
			convert
		}{s, exec{s}, query{s}, check{s}, convert{s}}
	}
	panic(fmt.Sprintf("fakedb: no statement type for %#b", d.opts.Stmt))
}

func (d *DB) rowsType(r *rows) driver.Rows {
	type (
		sets     = rowsSets
		typeName = rowsTypeName
		length   = rowsLength
		nullable = rowsNullable
		decimal  = rowsDecimal
		scanType = rowsScanType

		some struct {
			sets
			typeName
			length
		}
		more struct {
			nullable
			decimal
			scanType
		}
	)
	allSome := some{sets{r}, typeName{r}, length{r}}
	allMore := more{nullable{r}, decimal{r}, scanType{r}}
	switch d.opts.Rows {
	case 0:
		return r
	case RowsAll:
		return struct {
			*rows
			some
			more
		}{r, allSome, allMore}
	case RowsAll &^ RowsSets:
		return struct {
			*rows
			typeName
			length
			more
		}{r, typeName{r}, length{r}, allMore}
	case RowsAll &^ RowsTypeName:
		return struct {
			*rows
			sets
			length
			more
		}{r, sets{r}, length{r}, allMore}
	case RowsAll &^ RowsLength:
		return struct {
			*rows
			sets
			typeName
			more
		}{r, sets{r}, typeName{r}, allMore}
	case RowsAll &^ RowsNullable:
		return struct {
			*rows
			some
			decimal
			scanType
		}{r, allSome, decimal{r}, scanType{r}}
	case RowsAll &^ RowsDecimal:
		return struct {
			*rows
			some
			nullable
			scanType
		}{r, allSome, nullable{r}, scanType{r}}
	case RowsAll &^ RowsScanType:
		return struct {
			*rows
			some
			nullable
			decimal
		}{r, allSome, nullable{r}, decimal{r}}
	}
	if scanning := scanningRows(r, d.opts.Rows); scanning != nil {
		return scanning
	}
	panic(fmt.Sprintf("fakedb: no rows type for %#b", d.opts.Rows))
}
