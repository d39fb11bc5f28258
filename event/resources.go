package event

import "time"

// Resources says what the server has used up while a run migrated. The server
// counts for all its sessions together: it is what happened during the run, not
// what the run alone did. It is sent once for a run that migrated, after its end,
// where the server was seen from a second connection.
//
// What the server does not count, or does not tell this role, is nil.
type Resources struct {
	Trace    // of the run
	Database Database
	Tool     string

	// Start is when the server was first asked, as the run's first migration
	// began, and Duration the time until it was asked again, after the run's end.
	// What happened before Start is not in any of the numbers.
	Start    time.Time
	Duration time.Duration

	SizeBefore, SizeAfter *int64 // bytes of the database's files

	WALBytes   *int64 // written to the write-ahead log, for the whole server; MySQL and MariaDB: the redo log
	BlocksHit  *int64 // asked for and found in the buffer cache; MySQL and MariaDB: for the whole server
	BlocksRead *int64 // asked for and not found there
	TempBytes  *int64 // written to temporary files
	Deadlocks  *int64 // MariaDB: for the whole server

	// ReplicationLag is by how much the slowest standby was behind at the end.
	ReplicationLag *time.Duration

	Missing []Missing // the privileges without which parts are blank
}

// HitRate is the share of the blocks asked for that were in the buffer cache. It
// is not known where none was asked for.
func (r *Resources) HitRate() (rate float64, known bool) {
	if r.BlocksHit == nil || r.BlocksRead == nil || *r.BlocksHit+*r.BlocksRead == 0 {
		return 0, false
	}
	return float64(*r.BlocksHit) / float64(*r.BlocksHit+*r.BlocksRead), true
}

// Growth is by how many bytes the database has grown; negative where it has
// shrunk. It is nil where the size is not known.
func (r *Resources) Growth() *int64 {
	if r.SizeBefore == nil || r.SizeAfter == nil {
		return nil
	}
	return new(*r.SizeAfter - *r.SizeBefore)
}
