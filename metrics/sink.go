package metrics

import "github.com/sqlwitness/sqlwitness/event"

// Statement counts a statement that was slow. How long statements take and
// whether they fail is counted by [Connector], with every one of them.
func (s *Set) Statement(st *event.Statement) {
	if st.Slow {
		s.family(slowStatements).counter(st.Class).Inc()
	}
}

// Lock counts a wait when it is over, a hold when it ends, and anomalies.
func (s *Set) Lock(l *event.Lock) {
	switch l.Stage {
	case event.LockAcquired, event.LockFailed:
		s.family(lockWait).histogram(l.Kind, l.Outcome).Observe(int64(l.Wait))
		s.family(lockAttempts).counter(l.Kind, l.Outcome).Add(max(l.Attempts, 1))
	case event.LockReleased:
		if l.Hold > 0 {
			s.family(lockHold).histogram(l.Kind).Observe(int64(l.Hold))
		}
	case event.LockAnomaly:
		s.family(lockAnomalies).counter(l.Kind, l.Anomaly).Inc()
	}
}

// Migration counts a migration that has ended.
func (s *Set) Migration(m *event.Migration) {
	if m.Outcome == "" {
		return
	}
	tool, direction, outcome := m.Tool, string(m.Direction), string(m.Outcome)
	s.family(migrationDuration).histogram(tool, direction, outcome).Observe(int64(m.Duration))
	s.family(migrationsTotal).counter(tool, direction, outcome, m.ErrorClass).Inc()
}

// Run counts a run that has ended.
func (s *Set) Run(r *event.Run) {
	if r.Finished {
		s.family(runsTotal).counter(r.Tool, r.Outcome).Inc()
	}
}
