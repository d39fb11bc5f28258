package probe

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// snapshot is what a server says at one moment of the sessions that wait and of
// those that they wait for, in terms that the systems share. From it the pictures
// are drawn, without another word from the server.
type snapshot struct {
	sessions map[int64]*session
	waits    map[int64]*wait // by who waits
	held     map[int64][]event.HeldLock
	progress map[int64]*event.Progress
	rewrites map[int64]bool
	advisory map[int64]bool // holds an advisory or named lock
	missing  []event.Missing
	signal   event.Missing // what it takes to end a session that is foreign

	behind map[int64][]int64 // the waits turned round
	deps   Deps
	known  func(int64) bool
}

// session is a session as the server has it. What has no number of its own (a
// prepared transaction) has a negative one here, and 0 in a picture.
type session struct {
	event.Session
	foreign bool // our role may not cancel or end it
	hidden  bool // our role may not see its state
	helped  bool // another session of the same program works, maybe under its lock
}

// wait is what one session waits for.
type wait struct {
	event.Wait
	lock    string // the same for all that wait for the same lock
	by      []int64
	unasked bool // there were too many to ask by whom it is held up
}

// prepare completes a snapshot that has been read.
func (s *snapshot) prepare(deps Deps, known func(int64) bool) {
	s.deps, s.known = deps, known
	s.behind = map[int64][]int64{}
	for id, w := range s.waits {
		slices.Sort(w.by)
		w.by = slices.DeleteFunc(slices.Compact(w.by), func(by int64) bool { return by == id })
		for _, by := range w.by {
			s.behind[by] = append(s.behind[by], id)
		}
	}
	for _, ids := range s.behind {
		slices.Sort(ids)
	}
}

// picture is the snapshot as one of our sessions is concerned, nil where the
// server does not have that session.
func (s *snapshot) picture(a Asked) *event.Picture {
	id := a.Session
	if s.sessions[id] == nil {
		return nil
	}
	p := &event.Picture{
		Session:  s.session(id, 0),
		Held:     strongest(s.held[id]),
		Progress: s.progress[id],
		Rewrite:  s.rewrites[id],
		Zombie:   s.zombie(a),
		Cycle:    s.cycle(id),
	}
	above := s.walk(id, func(id int64) []int64 {
		if w := s.waits[id]; w != nil {
			return w.by
		}
		return nil
	})
	for _, st := range above {
		if len(p.Blockers) < maxSessions {
			p.Blockers = append(p.Blockers, s.session(st.id, st.depth))
		}
	}
	below := s.walk(id, func(id int64) []int64 { return s.behind[id] })
	locks := map[string]bool{}
	if w := s.waits[id]; w != nil && w.lock != "" {
		locks[w.lock] = true
	}
	for _, st := range below {
		w := s.waits[st.id]
		if w.lock != "" {
			locks[w.lock] = true
		}
		s.count(p, w, st.depth)
		if len(p.Victims) < maxSessions {
			p.Victims = append(p.Victims, s.session(st.id, st.depth))
		}
	}
	// Of those that were too many to ask, the ones in a queue in which we are too.
	for _, w := range s.waits {
		if w.unasked && locks[w.lock] {
			s.count(p, w, 0)
		}
	}
	p.Missing = s.lacking(id, above, below)
	return p
}

func (s *snapshot) count(p *event.Picture, w *wait, depth int) {
	p.Queue++
	p.QueueTime += w.For
	if depth == 1 {
		p.QueueDirect++
	}
	if w.migratorLock() {
		p.QueueMigrator++
	}
}

// step is a session on the way up or down.
type step struct {
	id    int64
	depth int
}

// walk visits what can be reached from a session, nearest first, each once.
func (s *snapshot) walk(from int64, next func(int64) []int64) []step {
	seen := map[int64]bool{from: true}
	queue := []step{{from, 0}}
	for i := 0; i < len(queue); i++ {
		for _, id := range next(queue[i].id) {
			if !seen[id] {
				seen[id] = true
				queue = append(queue, step{id, queue[i].depth + 1})
			}
		}
	}
	return queue[1:]
}

// session is a session for a picture. One that ended while the server was asked
// is a number alone.
func (s *snapshot) session(id int64, depth int) event.Session {
	out := event.Session{PID: max(id, 0)}
	if in := s.sessions[id]; in != nil {
		out = in.Session
	}
	out.Depth = depth
	if out.Query != "" {
		out.Query = s.deps.Redact(out.Query)
	}
	if w := s.waits[id]; w != nil {
		waits := w.Wait
		out.Wait = &waits
		for _, by := range w.by {
			out.BlockedBy = append(out.BlockedBy, max(by, 0))
		}
	}
	return out
}

// patience is how long a session may hold a migration's lock with nothing going
// on before that is strange: between two of its statements a tool does not think
// for longer.
const patience = 5 * time.Second

// zombie reports whether the advisory lock that the session waits for or, where
// it waits for none, holds itself is held by one that does nothing under it: its
// client is gone or hangs, or has put the connection back into a pool with the
// lock on it. The lock has to be a migration's. A leader that was elected by a
// lock does nothing either, and is well.
func (s *snapshot) zombie(a Asked) bool {
	w := s.waits[a.Session]
	if w == nil {
		return a.Migration && s.advisory[a.Session] && s.deserted(a.Session)
	}
	return w.migratorLock() && slices.ContainsFunc(w.by, func(holder int64) bool {
		h := s.sessions[holder]
		return h != nil && (a.Migration || s.migrates(h)) && s.deserted(holder)
	})
}

// deserted reports whether nothing goes on in a session, nor in another of the
// same program. Where its state is hidden, that is not known.
func (s *snapshot) deserted(id int64) bool {
	h := s.sessions[id]
	return s.waits[id] == nil && strings.HasPrefix(h.State, "idle") && h.StateAge >= patience && !h.helped
}

func (s *snapshot) migrates(h *session) bool {
	return h.Query != "" && s.deps.Migrates != nil && s.deps.Migrates(h.Query)
}

func (w *wait) migratorLock() bool { return w.Kind == "advisory" || w.Kind == "named" }

// cycle reports whether the session waits for the transaction of a session that
// waits for an advisory lock of ours, or is itself the one that waits for the
// lock. CREATE INDEX CONCURRENTLY does, and neither ever ends: where the lock is
// held by another session than the one that builds, the server does not see a
// deadlock.
func (s *snapshot) cycle(id int64) bool {
	w := s.waits[id]
	switch {
	case w == nil:
		return false
	case w.Kind == "advisory":
		return slices.ContainsFunc(w.by, func(holder int64) bool {
			h := s.waits[holder]
			return h != nil && h.Kind == "virtualxid" && slices.Contains(h.by, id)
		})
	case w.Kind != "virtualxid":
		return false
	}
	return slices.ContainsFunc(w.by, func(by int64) bool {
		other := s.waits[by]
		return other != nil && other.Kind == "advisory" &&
			slices.ContainsFunc(other.by, func(holder int64) bool { return holder == id || s.known(holder) })
	})
}

// lacking are the privileges that this picture wants for.
func (s *snapshot) lacking(id int64, above, below []step) []event.Missing {
	missing := slices.Clone(s.missing)
	foreign := slices.ContainsFunc(above, func(st step) bool {
		b := s.sessions[st.id]
		return b != nil && b.foreign
	})
	hidden := slices.ContainsFunc(slices.Concat([]step{{id, 0}}, above, below), func(st step) bool {
		b := s.sessions[st.id]
		return b != nil && b.hidden
	})
	w := s.waits[id]
	unheld := w != nil && (w.Kind == "metadata" || w.Kind == "named") && len(w.by) == 0
	missing = slices.DeleteFunc(missing, func(m event.Missing) bool {
		return m.What == hiddenSessions && !hidden || m.What == tableHolders && !unheld
	})
	if foreign && s.signal.Fix != "" {
		missing = append(missing, s.signal)
	}
	return missing
}

// What is missing in some pictures only: in those with hidden sessions, and in
// those of a session that waits for nobody that can be seen.
const (
	hiddenSessions = "the state, the times and the query of other roles' sessions"
	tableHolders   = "who holds the lock of a table or a lock by name"
)

// strongest keeps one lock per relation, granted before awaited where both are as
// strong, and the strongest relation first.
func strongest(locks []event.HeldLock) []event.HeldLock {
	best := map[string]event.HeldLock{}
	for _, l := range locks {
		if b, ok := best[l.Object]; !ok || stronger(l, b) < 0 {
			best[l.Object] = l
		}
	}
	var list []event.HeldLock
	for _, l := range best {
		list = append(list, l)
	}
	slices.SortFunc(list, func(a, b event.HeldLock) int {
		return cmp.Or(stronger(a, b), cmp.Compare(a.Object, b.Object))
	})
	if len(list) > maxSessions {
		list = list[:maxSessions]
	}
	return list
}

func stronger(a, b event.HeldLock) int {
	if c := cmp.Compare(strength[b.Mode], strength[a.Mode]); c != 0 {
		return c
	}
	switch {
	case a.Granted == b.Granted:
		return 0
	case a.Granted:
		return -1
	}
	return 1
}

// What a lock keeps others from.
const (
	stopsAll    = "reads and writes"
	stopsWrites = "writes"
	stopsSchema = "schema changes"
)

// strength of a lock's mode, both systems'; those that are not listed stop
// nobody that counts.
var strength = map[string]int{
	"AccessExclusiveLock": 8, "ExclusiveLock": 7, "ShareRowExclusiveLock": 6, "ShareLock": 5,
	"ShareUpdateExclusiveLock": 4, "RowExclusiveLock": 3, "RowShareLock": 2, "AccessShareLock": 1,

	"EXCLUSIVE": 8, "SHARED_NO_READ_WRITE": 7, "SHARED_NO_WRITE": 6, "SHARED_READ_ONLY": 5,
	"SHARED_UPGRADABLE": 4, "SHARED_WRITE": 3, "SHARED_WRITE_LOW_PRIO": 3, "SHARED_READ": 2,
}

func stops(mode string) string {
	switch n := strength[mode]; {
	case n == 8, mode == "SHARED_NO_READ_WRITE":
		return stopsAll
	case n >= 5:
		return stopsWrites
	case n == 4:
		return stopsSchema
	}
	return ""
}
