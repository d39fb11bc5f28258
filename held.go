package sqlwitness

import (
	"context"
	"fmt"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/probe"
)

// This file is about a migration's lock that a connection of ours still has when
// nobody works under it any more: its tool gave up before the server granted the
// lock, or has put the connection back into the pool with the lock on it. Every
// other run waits for it, until the connection is closed.

// mindEvery is how often the holders of migrations' locks are looked at. Nothing is
// while none is held.
const mindEvery = 30 * time.Second

// mindHeld has the locks of migrations looked at that are held here, if any are.
func (c *connector) mindHeld() {
	o := c.observer
	if o == nil || !c.locks.some.Load() || len(c.heldForMigrations()) == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.mind == nil && !o.ended {
		o.mind = time.AfterFunc(mindEvery, c.lookAtHeld)
	}
}

// heldForMigrations are the session locks of migrations' that are held and not
// told of yet.
func (c *connector) heldForMigrations() (list []heldLock) {
	for _, h := range c.locks.bySession() {
		if c.tracker.Locks(h.conn, h.id.key) {
			list = append(list, h)
		}
	}
	return list
}

func (c *connector) lookAtHeld() {
	o := c.observer
	o.mu.Lock()
	o.mind = nil
	o.mu.Unlock()
	o.begin(func() {
		sessions := c.sessions()
		var asked []probe.Asked
		held := c.heldForMigrations()
		for _, h := range held {
			if id := sessions[h.conn]; id != 0 {
				asked = append(asked, probe.Asked{Session: id, Lock: h.id.key, Migration: true})
			}
		}
		if len(asked) == 0 {
			return // released, or on sessions that are not known
		}
		ctx, cancel := context.WithTimeout(context.Background(), pictureLimit)
		defer cancel()
		pictures, _ := o.view.Look(ctx, asked) // the probe tells of its own trouble
		for _, h := range held {
			if p := pictures[sessions[h.conn]]; p != nil && p.Zombie && c.locks.tellOnce(h) {
				c.found(c.zombie(h, p.Session))
			}
		}
		c.mindHeld()
	})
}

// takenSince reports whether a connection of ours has taken a lock after a moment,
// or is about to: a tool that runs twice takes it again at once, on the same session.
func (c *connector) takenSince(key string, since time.Time) bool {
	c.mu.Lock()
	for conn := range c.conns {
		if asked := conn.flight.lock.Load(); asked != nil && asked.Key == key {
			c.mu.Unlock()
			return true
		}
	}
	c.mu.Unlock()
	return c.locks.takenSince(key, since)
}

// sessions are the server's ids of the connections' sessions, 0 where not known.
func (c *connector) sessions() map[uint64]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	ids := make(map[uint64]int64, len(c.conns))
	for conn := range c.conns {
		ids[conn.id] = conn.session.id.Load()
	}
	return ids
}

func (c *connector) zombie(h heldLock, s event.Session) event.Finding {
	message := fmt.Sprintf("a connection of this program's pool (session %d) has held the migration lock %s since %s and has done nothing for %v: every other run waits for it",
		s.PID, h.id.key, h.since.UTC().Format(time.RFC3339), s.StateAge.Round(time.Second))
	if s.Query != "" {
		message += "; the last that it did: " + s.Query
	}
	return event.Finding{Trace: h.trace, Database: c.db, At: time.Now(), Kind: "zombie_lock", Object: h.id.key, Message: message,
		SQL: s.End(c.db, &event.Wait{Kind: h.id.kind, Object: h.id.key})}
}
