package tracereplay

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Play makes the calls of a trace in their order, on connections from what wrap
// makes of each instance's Connector. It fails where an answer is not the
// recorded one: between the caller and the recording nothing may be lost.
func (t *Trace) Play(ctx context.Context, wrap func(inst string, parent driver.Connector) driver.Connector) error {
	begun := time.Now()
	p := &player{ctx: ctx, trace: t, wrap: wrap, insts: map[string]driver.Connector{}, conns: map[int]*session{}}
	for i := range t.Lines {
		l := &t.Lines[i]
		if l.Kind == kindNote || l.Conn == 0 {
			continue
		}
		t.sleep(l.Start - time.Since(begun))
		if err := p.step(l); err != nil {
			return fmt.Errorf("seq %d, %s: %w", l.Seq, l.Kind, err)
		}
	}
	for _, s := range p.conns {
		s.closeRows()
	}
	return nil
}

type player struct {
	ctx   context.Context
	trace *Trace
	wrap  func(string, driver.Connector) driver.Connector
	insts map[string]driver.Connector
	conns map[int]*session
}

// session is an open connection, as database/sql would hold it.
type session struct {
	conn  driver.Conn
	tx    driver.Tx
	stmts []prepared
	rows  driver.Rows // of the last query: rows_next lines are its own
}

type prepared struct {
	sql  string
	stmt driver.Stmt
}

// closeRows closes the last query's rows. database/sql does so before any other
// call on the connection.
func (s *session) closeRows() {
	if s.rows != nil {
		_ = s.rows.Close()
		s.rows = nil
	}
}

func (p *player) step(l *Line) error {
	if l.Kind == kindConnect {
		return p.connect(l)
	}
	s := p.conns[l.Conn]
	if s == nil {
		return fmt.Errorf("connection %d is not open", l.Conn)
	}
	if l.Kind == kindRow {
		return p.row(s, l)
	}
	s.closeRows()
	err := p.call(s, l)
	if l.Kind == kindClose {
		delete(p.conns, l.Conn)
	}
	return as(l, err)
}

// as compares an answer with the recorded one.
func as(l *Line, err error) error {
	want := l.err()
	switch {
	case err == nil && want == nil:
		return nil
	case err == nil || want == nil, err.Error() != want.Error():
		return fmt.Errorf("answered %v, recorded is %v", err, want) //nolint:errorlint // either may be nil
	}
	for _, e := range []error{driver.ErrSkip, driver.ErrBadConn} {
		if (err == e) != (want == e) { //nolint:errorlint // database/sql compares them so
			return fmt.Errorf("answered %#v, recorded is %#v", err, want) //nolint:errorlint // as above
		}
	}
	return nil
}

func (p *player) connect(l *Line) error {
	c := p.insts[l.Inst]
	if c == nil {
		parent := p.trace.connector(l.Inst)
		parent.played = true
		c = p.wrap(l.Inst, parent)
		p.insts[l.Inst] = c
	}
	conn, err := c.Connect(context.WithValue(p.ctx, recorded{}, true))
	if err == nil {
		p.conns[l.Conn] = &session{conn: conn}
	}
	return as(l, err)
}

func (p *player) call(s *session, l *Line) error {
	switch l.Kind {
	case kindExec:
		_, err := s.conn.(driver.ExecerContext).ExecContext(p.ctx, l.SQL, parseArgs(l.Args))
		return err
	case kindQuery:
		rows, err := s.conn.(driver.QueryerContext).QueryContext(p.ctx, l.SQL, parseArgs(l.Args))
		s.rows = rows
		return err
	case kindPrepare:
		stmt, err := s.conn.(driver.ConnPrepareContext).PrepareContext(p.ctx, l.SQL)
		if err == nil {
			s.stmts = append(s.stmts, prepared{l.SQL, stmt})
		}
		return err
	case kindStmtExec, kindStmtQuery:
		return p.execute(s, l)
	case kindStmtClose:
		n := len(s.stmts)
		if n == 0 {
			return errors.New("no statement is prepared")
		}
		stmt := s.stmts[n-1].stmt
		s.stmts = s.stmts[:n-1]
		return stmt.Close()
	case kindBegin:
		tx, err := s.conn.(driver.ConnBeginTx).BeginTx(p.ctx, options(l.Opts))
		if err == nil {
			s.tx = tx
		}
		return err
	case kindCommit, kindRollback:
		if s.tx == nil {
			return errors.New("no transaction is open")
		}
		tx := s.tx
		s.tx = nil
		if l.Kind == kindCommit {
			return tx.Commit()
		}
		return tx.Rollback()
	case kindPing:
		return s.conn.(driver.Pinger).Ping(p.ctx)
	case kindReset:
		if v, ok := s.conn.(driver.Validator); ok {
			v.IsValid() // asked when the connection went back to the pool
		}
		return s.conn.(driver.SessionResetter).ResetSession(p.ctx)
	case kindClose:
		return s.conn.Close()
	}
	return fmt.Errorf("a call of an unknown kind, %q", l.Kind)
}

// execute runs the statement that was prepared last with the line's text.
func (p *player) execute(s *session, l *Line) error {
	for i := len(s.stmts) - 1; i >= 0; i-- {
		if l.SQL != "" && s.stmts[i].sql != l.SQL {
			continue
		}
		stmt := s.stmts[i].stmt
		if l.Kind == kindStmtExec {
			_, err := stmt.(driver.StmtExecContext).ExecContext(p.ctx, parseArgs(l.Args))
			return err
		}
		rows, err := stmt.(driver.StmtQueryContext).QueryContext(p.ctx, parseArgs(l.Args))
		s.rows = rows
		return err
	}
	return fmt.Errorf("%q is not prepared", l.SQL)
}

// row reads the next row of the connection's last query.
func (p *player) row(s *session, l *Line) error {
	if s.rows == nil {
		return errors.New("no rows are open")
	}
	dest := make([]driver.Value, max(len(s.rows.Columns()), len(l.Row)))
	err := s.rows.Next(dest)
	if errors.Is(err, io.EOF) && l.Row == nil && l.Err == "" {
		return nil
	}
	return as(l, err)
}

// options reads "iso=Serializable ro=false".
func options(s string) driver.TxOptions {
	var o driver.TxOptions
	for _, field := range strings.Fields(s) {
		key, value, _ := strings.Cut(field, "=")
		switch key {
		case "ro":
			o.ReadOnly = value == "true"
		case "iso":
			for level := sql.LevelDefault; level <= sql.LevelLinearizable; level++ {
				if strings.ReplaceAll(level.String(), " ", "") == value {
					o.Isolation = driver.IsolationLevel(level)
				}
			}
		}
	}
	return o
}
