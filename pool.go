package sqlwitness

import "database/sql"

// RegisterDB exposes in the metrics what db says of its pool of connections, at
// the time of each scrape, under name as the label "pool"; db may be any, watched
// or not. A db registered under the same name takes the place of the earlier one.
//
// The witness keeps db reachable until unregister is called, which removes its
// series and may be called again; that of a db which was replaced does nothing.
// A nil db panics here rather than in a scrape.
func (w *Witness) RegisterDB(name string, db *sql.DB) (unregister func()) {
	if db == nil {
		panic("sqlwitness: RegisterDB: db is nil (open it first)")
	}
	return w.metrics.Pool(name, db.Stats)
}
