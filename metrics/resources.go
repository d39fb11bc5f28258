package metrics

import "github.com/sqlwitness/sqlwitness/event"

// Resources counts what a server has used up while a run migrated.
func (s *Set) Resources(r *event.Resources) {
	namespace := s.namespace(r.Database)
	if r.WALBytes != nil {
		s.family(runWAL).counter(r.Database.System, namespace).AddInt64(*r.WALBytes)
	}
	if r.SizeAfter != nil {
		size := float64(*r.SizeAfter)
		s.family(databaseSize).callback(func() float64 { return size }, r.Database.System, namespace)
	}
}

// Trend counts the migrations that were slower than before.
func (s *Set) Trend(t *event.Trend) {
	s.family(slowerMigrations).counter(t.Database.System, s.namespace(t.Database)).Add(len(t.Slower))
}

// namespace is the name of a database as a label may show it.
func (s *Set) namespace(db event.Database) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.namespaces.pass(db.Name)
}
