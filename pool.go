package sqlwitness

import "database/sql"

// RegisterDB shows in the metrics, under name as the label "pool", and on the
// page what db says of its pool of connections: asked at each scrape, and for each
// message to a page. db may be any, watched or not. A db registered under the same name takes the place of the earlier one.
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
