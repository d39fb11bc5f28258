package sqlwitness

import (
	"context"
	"database/sql/driver"
)

// tx forwards a transaction. Its Commit is where a migration's audit row joins
// the migration's own transaction.
type tx struct {
	conn   *conn
	parent driver.Tx
	ctx    context.Context // of BeginTx, for its correlation id alone
	start  int64
	over   bool // a second Commit or Rollback is the parent's to answer
}

// begun notes what BeginTx has brought.
func (c *conn) begun(ctx context.Context, opts driver.TxOptions, start int64, parent driver.Tx, err error) (driver.Tx, error) {
	c.txBegan(ctx, start, err)
	if err != nil {
		return parent, err
	}
	t := &c.tx
	if t.parent != nil && !t.over { // a driver that nests transactions; database/sql never does
		t = new(tx)
	}
	*t = tx{conn: c, parent: parent, ctx: ctx, start: start}
	c.inTx, c.readOnly, c.txCalls = true, opts.ReadOnly, c.calls
	return t, nil
}

func (t *tx) unwrap() any { return t.parent }

func (t *tx) Commit() error {
	c, parent := t.conn, t.parent
	if t.over {
		return parent.Commit()
	}
	pending, err := c.beforeCommit(t.ctx)
	if err != nil { // see audit.Store.Commit
		_ = parent.Rollback()
		c.rolledBack(t, err, c.now())
		return err
	}
	start := c.now()
	err = parent.Commit()
	c.committed(t, pending, err, start)
	return err
}

func (t *tx) Rollback() error {
	c, parent := t.conn, t.parent
	if t.over {
		return parent.Rollback()
	}
	start := c.now()
	err := parent.Rollback()
	c.rolledBack(t, err, start)
	return err
}
