package fakedb

type tx struct{ conn *conn }

func (t *tx) Commit() error   { return t.conn.call(noContext, Call{Method: "Tx.Commit"}, Fault{}) }
func (t *tx) Rollback() error { return t.conn.call(noContext, Call{Method: "Tx.Rollback"}, Fault{}) }

type result struct {
	affected int
	noID     bool
}

func (r result) RowsAffected() (int64, error) { return int64(r.affected), nil }

func (r result) LastInsertId() (int64, error) {
	if r.noID {
		return 0, &Error{"there is no id"}
	}
	return 7, nil
}
