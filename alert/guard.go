package alert

// guard is a reason not to alert. Each has a name, so that a test can take it
// away and see that a scenario fails without it.
type guard string

const (
	guardInsideRun       guard = "inside_run"        // what fails outside of any run is the application's own business
	guardRetryWins       guard = "retry_wins"        // a failed migration that is then applied has not failed
	guardAttemptNotTry   guard = "attempt_not_try"   // so has a lock, a deadlock or a timeout that was overcome
	guardRecheck         guard = "recheck"           // what a run leaves behind may be gone at a second look
	guardOperatorCancel  guard = "operator_cancel"   // whoever pressed Ctrl-C knows
	guardOvertaken       guard = "overtaken"         // news of an attempt before the one that went through
	guardBackendAlive    guard = "backend_alive"     // the server still works on it
	guardPeerMigrator    guard = "peer_migrator"     // replicas queue for the migration lock: that is what it is for
	guardOtherAppsOnly   guard = "other_apps_only"   // and are nobody's victims
	guardTwoSamples      guard = "two_samples"       // a paused machine looks slow once
	guardHolds           guard = "holds"             // a condition has to hold for its time
	guardHysteresis      guard = "hysteresis"        // a figure that dances around its threshold is one alert
	guardKeepFiring      guard = "keep_firing"       // so is a condition that is gone for a moment
	guardFlapping        guard = "flapping"          // and one that comes and goes all day
	guardCancelNoTimeout guard = "cancel_no_timeout" // PostgreSQL has one code for both
	guardWaitNoStall     guard = "wait_no_stall"     // what waits for a lock does not stall
	guardProgressMoves   guard = "progress_moves"    // slow is not stalled
	guardUsualDuration   guard = "usual_duration"    // nor is what always takes that long
	guardExpected        guard = "expected"          // nor what was announced to
	guardNotValid        guard = "not_valid"         // NOT VALID first and VALIDATE later is how it is done
	guardUnsupported     guard = "unsupported"       // a database that has no audit tables has no audit failure
	guardOnePerRun       guard = "one_per_run"       // twelve changed tables are one alert
	guardOnePerDatabase  guard = "one_per_database"  // and so is a probe that sees nothing
	guardNotToItself     guard = "not_to_itself"     // a broken channel is not told that it is broken
	guardInhibited       guard = "inhibited"         // a cause is told, its effects are not
	guardDatabaseAway    guard = "database_away"     // one database that is away is one alert
)

var guards = []guard{
	guardInsideRun, guardRetryWins, guardAttemptNotTry, guardRecheck, guardOperatorCancel, guardOvertaken, guardBackendAlive,
	guardPeerMigrator, guardOtherAppsOnly, guardTwoSamples, guardHolds, guardHysteresis, guardKeepFiring, guardFlapping,
	guardCancelNoTimeout, guardWaitNoStall, guardProgressMoves, guardUsualDuration, guardExpected, guardNotValid,
	guardUnsupported, guardOnePerRun, guardOnePerDatabase, guardNotToItself, guardInhibited, guardDatabaseAway,
}

// spares reports whether a guard that applies holds an alert back.
func (e *Engine) spares(g guard, applies bool) bool { return applies && e.without != g }
