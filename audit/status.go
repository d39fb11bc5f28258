package audit

import (
	"context"
	"database/sql"
)

// Status says how much of a record there is. It is read in a few queries that
// check nothing.
type Status struct {
	Log      string // id; "" where nothing is sealed
	Size     int64  // entries that are sealed
	Unsealed int64  // entries that are not yet
	Signed   int64  // size of the last checkpoint
	Origin   string // of the last checkpoint; "" without one
	Last     string // the database's time of the last sealed entry
	LastKind string
	Guards   []GuardState // that are not as they should be
}

// StatusOf reads the status of the record in a database.
func StatusOf(ctx context.Context, db *sql.DB, system string) (*Status, error) {
	d := dialectOf(system)
	if d == nil {
		return nil, errUnsupported
	}
	c, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	s := &Status{}
	if err := d.reading(ctx, c, func() error { return s.read(ctx, d, c) }); err != nil {
		return nil, err
	}
	s.Guards, err = Guards(ctx, system, c)
	return s, err
}

func (s *Status) read(ctx context.Context, d *dialect, c *sql.Conn) (err error) {
	if s.Size, err = d.size(ctx, c); err != nil {
		return noTables(err)
	}
	if s.Unsealed, err = d.unsealed(ctx, c, ""); err != nil {
		return err
	}
	logs, err := d.logs(ctx, c)
	if err != nil {
		return err
	}
	if len(logs) > 0 {
		s.Log = logs[len(logs)-1].Log
	}
	note, _, err := d.noteUpTo(ctx, c, s.Size)
	if err != nil {
		return err
	}
	if cp, _, err := (*keyring)(nil).open(note); err == nil {
		s.Origin, s.Signed = cp.Origin, cp.Size
	}
	return d.records(ctx, c, s.Size-1, s.Size, func(r *record) error {
		s.Last, s.LastKind = r.facts.dbTime, r.kind
		return nil
	})
}

// unsealed counts the entries that have no place in the tree, of those that a
// condition on e, which ends in AND, leaves; "" for all.
func (d *dialect) unsealed(ctx context.Context, c *sql.Conn, where string) (int64, error) {
	return d.number(ctx, c, "SELECT COUNT(*) FROM "+d.prefix+"entry e WHERE "+where+"NOT EXISTS (SELECT 1 FROM "+d.prefix+"seal s WHERE s.entry = e.id)")
}
