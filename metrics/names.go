package metrics

// Kind of a metric family, in the words of the Prometheus text format.
type Kind string

const (
	KindCounter   Kind = "counter"
	KindGauge     Kind = "gauge"
	KindHistogram Kind = "histogram"
)

// Family describes one metric family: the rows of docs/metrics.md.
type Family struct {
	Name   string
	Kind   Kind
	Labels []string // in the order in which they are written
	Help   string
}

// The names of the families.
const (
	operationDuration   = "db_client_operation_duration_seconds"
	migrationDuration   = "sqlwitness_migration_duration_seconds"
	migrationsTotal     = "sqlwitness_migrations_total"
	runsTotal           = "sqlwitness_runs_total"
	lockWait            = "sqlwitness_lock_wait_seconds"
	lockHold            = "sqlwitness_lock_hold_seconds"
	lockAttempts        = "sqlwitness_lock_attempts_total"
	lockAnomalies       = "sqlwitness_lock_anomalies_total"
	slowStatements      = "sqlwitness_slow_statements_total"
	cacheHits           = "sqlwitness_cache_hits_total"
	cacheMisses         = "sqlwitness_cache_misses_total"
	connectDuration     = "sqlwitness_connect_duration_seconds"
	connectionsOpen     = "sqlwitness_connections_open"
	transactionsTotal   = "sqlwitness_transactions_total"
	transactionDuration = "sqlwitness_transaction_duration_seconds"
	rowsRead            = "sqlwitness_rows_read_total"
	statementsInFlight  = "sqlwitness_statements_in_flight"
	oldestStatement     = "sqlwitness_oldest_statement_seconds"
	overhead            = "sqlwitness_overhead_seconds"
	errorsTotal         = "sqlwitness_errors_total"
	eventsDropped       = "sqlwitness_events_dropped_total"
	linesSuppressed     = "sqlwitness_log_lines_suppressed_total"
	retriesTotal        = "sqlwitness_retries_total"
	retryLost           = "sqlwitness_retry_lost_seconds_total"
	auditEntries        = "sqlwitness_audit_entries_total"
	auditFailures       = "sqlwitness_audit_failures_total"
	blockedSessions     = "sqlwitness_blocked_sessions"
	victimSeconds       = "sqlwitness_victim_seconds_total"
	findingsTotal       = "sqlwitness_findings_total"
	alertsTotal         = "sqlwitness_alerts_total"
	alertsDropped       = "sqlwitness_alerts_dropped_total"
	auditSealLag        = "sqlwitness_audit_seal_lag_seconds"
	auditAnchorLag      = "sqlwitness_audit_anchor_lag_seconds"
	coldStart           = "sqlwitness_cold_start_seconds"
	runWAL              = "sqlwitness_run_wal_bytes_total"
	databaseSize        = "sqlwitness_database_size_bytes"
	slowerMigrations    = "sqlwitness_slower_migrations_total"
	impactP99           = "sqlwitness_impact_p99_ratio"
	impactRate          = "sqlwitness_impact_rate_ratio"
	impactUnanswered    = "sqlwitness_impact_unanswered"
	poolConnections     = "sqlwitness_pool_connections"
	poolMaxOpen         = "sqlwitness_pool_max_open"
	poolWaits           = "sqlwitness_pool_wait_total"
	poolWaited          = "sqlwitness_pool_wait_seconds_total"
	poolClosed          = "sqlwitness_pool_closed_total"
	buildInfo           = "sqlwitness_build_info"
)

// Families lists every family that a [Set] can expose, in the order in which it
// exposes them. A family without series is left out of a scrape.
//
// A label whose value is empty is not written: to Prometheus both are the same.
func Families() []Family {
	return []Family{
		{operationDuration, KindHistogram, []string{"db_system_name", "db_namespace", "db_operation_name", "phase", "error_type"},
			"Duration of database calls as the caller waited for them, by operation; error_type is set on failed ones only."},
		{migrationDuration, KindHistogram, []string{"tool", "direction", "outcome"},
			"Duration of migrations that have ended, from first statement to mark."},
		{migrationsTotal, KindCounter, []string{"tool", "direction", "outcome", "error_class"},
			"Migrations that have ended; error_class is set on failed ones only."},
		{runsTotal, KindCounter, []string{"tool", "outcome"},
			"Runs of a migration tool that have ended: ok, failed, or noop where nothing was pending."},
		{lockWait, KindHistogram, []string{"kind", "outcome"},
			"Time from the first attempt to take a lock to its outcome; attempts that poll for one lock are one wait."},
		{lockHold, KindHistogram, []string{"kind"},
			"Time from the acquisition of a lock to its release, where both were seen."},
		{lockAttempts, KindCounter, []string{"kind", "outcome"},
			"Calls that tried to take a lock, by the outcome of the wait that they were part of."},
		{lockAnomalies, KindCounter, []string{"kind", "anomaly"},
			"Locks that did not behave: a release refused, a lock still held at close, an outcome that cannot be known."},
		{slowStatements, KindCounter, []string{"class"},
			"Statements over the slow threshold of their class."},
		{cacheHits, KindCounter, []string{"cache"},
			"Lookups answered by a cache: statement_class, prepared, connection."},
		{cacheMisses, KindCounter, []string{"cache"},
			"Lookups that a cache could not answer: statement_class, prepared, connection."},
		{connectDuration, KindHistogram, []string{"start", "error_type"},
			"Time to open a connection; start is cold until the connector has opened its first one, warm after; error_type is set on failed ones only."},
		{connectionsOpen, KindGauge, nil,
			"Connections that are open now, in use or idle in the pool."},
		{transactionsTotal, KindCounter, []string{"outcome"},
			"Transactions that have ended: committed, rolled_back, or failed where the commit or rollback was answered with an error."},
		{transactionDuration, KindHistogram, []string{"outcome"},
			"Time from the begin of a transaction to the end of its commit or rollback."},
		{rowsRead, KindCounter, nil,
			"Rows that callers have read from results."},
		{statementsInFlight, KindGauge, nil,
			"Statements that the database has not answered yet."},
		{oldestStatement, KindGauge, nil,
			"Age of the oldest statement that the database has not answered yet; 0 if there is none."},
		{overhead, KindHistogram, nil,
			"Time that sqlwitness itself added to a statement; a sample of the statements."},
		{errorsTotal, KindCounter, []string{"component"},
			"Failures inside sqlwitness, none of which reached a statement: panics contained, sinks that failed."},
		{eventsDropped, KindCounter, []string{"sink"},
			"Events that a sink dropped because its queue was full."},
		{linesSuppressed, KindCounter, nil,
			"Log lines that the rate limit left out: many alike had come before."},
		{retriesTotal, KindCounter, []string{"kind"},
			"What was done again: lock_poll, a lock asked for again; lock_timeout, deadlock, serialization, bad_conn, the same statement sent again after such an error; migration, a migration started again after it failed."},
		{retryLost, KindCounter, []string{"kind"},
			"Seconds lost by what was done again, from the start of the first attempt to that of the next."},
		{auditEntries, KindCounter, []string{"place"},
			"Audit entries by where they went: tx, in a transaction of the migration; own, through the audit's own connection; spool, the file; lost, nowhere."},
		{auditFailures, KindCounter, []string{"kind"},
			"What kept audit entries out of the database or was found wrong with the trail, each counted when it begins, by kind."},
		{blockedSessions, KindGauge, nil,
			"Sessions that wait, directly or through others, for a statement or transaction that is watched; replicas that wait for a migration lock are not among them."},
		{victimSeconds, KindCounter, nil,
			"Seconds that such sessions have waited, added up from one look at the server to the next."},
		{findingsTotal, KindCounter, []string{"kind"},
			"What runs left behind and what happened outside of any run, by kind."},
		{alertsTotal, KindCounter, []string{"rule", "severity", "state"},
			"Changes of the state of alerts: firing, resolved, suppressed, flapping."},
		{alertsDropped, KindCounter, []string{"channel", "reason"},
			"Messages about alerts that a channel did not get: queue_full, rejected, unreachable, closed."},
		{auditSealLag, KindGauge, nil,
			"Age of the oldest audit entry that has no place in the tree yet; 0 if all have one."},
		{auditAnchorLag, KindGauge, nil,
			"Age of the oldest checkpoint that some anchor has not taken yet; until then what it covers can be cut off unseen."},
		{coldStart, KindGauge, []string{"stage"},
			"What the time went to until the process's first run was over: connect, lock, check, apply, and total from the making of the witness."},
		{runWAL, KindCounter, []string{"db_system_name", "db_namespace"},
			"Bytes of write-ahead or redo log that the server has written while runs migrated, for all its sessions."},
		{databaseSize, KindGauge, []string{"db_system_name", "db_namespace"},
			"Size of the database's files after the last run that migrated."},
		{slowerMigrations, KindCounter, []string{"db_system_name", "db_namespace"},
			"Migrations that took at least a second and three times as long as earlier ones of the same version and statements in the audit trail."},
		{impactP99, KindGauge, []string{"db_system_name", "db_namespace"},
			"What the last run did to the application: 99th percentile of its calls during the run, by that before."},
		{impactRate, KindGauge, []string{"db_system_name", "db_namespace"},
			"What the last run did to the application: its calls per second during the run, by those of the minute before."},
		{impactUnanswered, KindGauge, []string{"db_system_name", "db_namespace"},
			"What the last run did to the application: the most of its calls that had been in flight for a second or longer at the same time."},
		{poolConnections, KindGauge, []string{"pool", "state"},
			"Connections of a registered pool: idle, or in_use by the application."},
		{poolMaxOpen, KindGauge, []string{"pool"},
			"Connections that a registered pool may have open; no series where there is no limit."},
		{poolWaits, KindCounter, []string{"pool"},
			"Times that a caller has waited for a connection because the pool was at its limit."},
		{poolWaited, KindCounter, []string{"pool"},
			"Seconds that callers have waited so, counted when the wait is over."},
		{poolClosed, KindCounter, []string{"pool", "reason"},
			"Connections that a pool has closed by its own limits: idle, too many of them; idle_time, idle for too long; lifetime, open for too long."},
		{buildInfo, KindGauge, []string{"version", "goversion"},
			"Always 1: the version of sqlwitness and of Go."},
	}
}
