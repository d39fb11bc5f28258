// Package alert turns what was observed into alerts that somebody should act
// on, and into as few others as can be.
//
//	event.Sink → bus → rules → state machine → inhibition → suppression → routes → one queue per channel
//
// An Engine is an event.Sink: its methods send once on a buffered channel and
// never block. All else happens on one goroutine of its own, which sleeps while
// nothing is pending, and on one goroutine per channel.
//
// What keeps a rule from alerting in vain is called a guard; each has a name in
// guard.go and scenarios in testdata that fail without it.
package alert
