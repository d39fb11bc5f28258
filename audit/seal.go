package audit

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/mod/sumdb/note"

	"github.com/sqlwitness/sqlwitness/audit/anchor"
	"github.com/sqlwitness/sqlwitness/event"
)

const (
	// sealDelay lets the entry of the next migration go first through the one
	// connection, and seals what comes close together at once.
	sealDelay = 20 * time.Millisecond
	sealBatch = 256 // entries
	sealTries = 6   // passes against others that seal at the same time and get nowhere either, and then rounds of them
	// sealPause is how long a pass waits for the others at most, the first time: of
	// many that seal at once one gets through, and seals what the rest have written.
	sealPause = 10 * time.Millisecond
	maxPauses = 16 // which the pause grows to
	// A pass looks at what this store has written since the last one, so that it
	// costs the same however long the trail is. What others have left unsealed is
	// looked for by the first pass, and then once in othersEvery, from othersBack
	// before the last time on: an entry may be older than its commit by as much.
	othersEvery = time.Minute
	othersBack  = time.Hour
)

// sealer gives entries their places in the tree. Each step is one write: an
// entry that is committed is read, and rows for it in seal and node are inserted
// together. No lock is held from one round trip to the next. Two that seal at
// once write the same index, and its primary key lets one of them through.
//
// On a database with one writer it works within the call that wrote the entry,
// since another writer at any other time would fail the tool's own; elsewhere in
// the background, with no goroutine while there is nothing to seal.
type sealer struct {
	store  *Store
	signer note.Signer // nil: no checkpoints
	queues []*anchor.Queue

	mu      sync.Mutex
	waits   unsealedPart  // what no pass has looked at
	looked  unsealedPart  // what the pass under way looks at, or the last one if it has failed
	running chan struct{} // closed when the goroutine has ended; nil without one
	hurry   chan struct{} // closed by close
	closed  sync.Once

	// pass is held by the one that seals; what follows is under it.
	pass   sync.Mutex
	head   *head             // as it was left; nil where it is to be read
	others time.Time         // when those of others were last looked for
	log    string            // id of the log, once it is known
	facts  map[string]string // of the database; asked for until the log is known
	parent string            // that of the log which the tables were copied from
	kept   int64             // size of the last checkpoint in the tables
	signed int64             // size of the last checkpoint of this process
	// retired: another key has taken the signer's place. What is sealed is not signed.
	retired bool
	// stranger: another key signs this log, and none has said that this one is to.
	stranger bool
}

// errTampered: the tables contradict what was signed.
var errTampered = errors.New("the audit tables contradict a checkpoint")

// errOvertaken: another process has sealed since the tree was read.
var errOvertaken = errors.New("another process seals")

func newSealer(store *Store, signer note.Signer) *sealer {
	s := &sealer{store: store, signer: signer, hurry: make(chan struct{})}
	for _, a := range store.cfg.Anchors {
		s.queues = append(s.queues, anchor.NewQueue(a, store.deps.Now))
	}
	return s
}

// unsealedPart is where what this store has written and not sealed begins.
type unsealedPart struct {
	since time.Time // when it was written; zero for nothing
	first uuid.UUID // the least of the entries' ids and of their attempts'; zero for none
}

// and is both parts.
func (u unsealedPart) and(v unsealedPart) unsealedPart {
	if u.since.IsZero() || !v.since.IsZero() && v.since.Before(u.since) {
		u.since = v.since
	}
	u.first = least(u.first, v.first)
	return u
}

// least is the least id that is one; zero for none.
func least(ids ...uuid.UUID) (first uuid.UUID) {
	for _, id := range ids {
		if first == uuid.Nil || id != uuid.Nil && bytes.Compare(id[:], first[:]) < 0 {
			first = id
		}
	}
	return first
}

// wrote notes entries that are committed, by where they begin.
func (s *sealer) wrote(first uuid.UUID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waits.first = least(s.waits.first, first)
}

// soon sees to it that what wrote was told of is sealed.
func (s *sealer) soon(ctx context.Context) {
	s.mu.Lock()
	if s.waits.since.IsZero() {
		s.waits.since = s.store.deps.Now()
	}
	inline := s.store.dialect.oneWriter
	if !inline && s.running == nil {
		s.running = make(chan struct{})
		go s.run(s.running)
	}
	s.mu.Unlock()
	if inline {
		s.tell(s.attempt(ctx))
	}
}

// run seals until all is sealed, or it has failed too often: then the entries
// are left to the next migration, of this process or of another.
func (s *sealer) run(done chan struct{}) {
	defer close(done)
	delay := sealDelay
	for tries := sealTries; ; {
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-s.hurry:
			timer.Stop()
		}
		err := s.attempt(context.Background())
		if err == nil {
			delay, tries = sealDelay, sealTries
		} else {
			delay, tries = delay*4+rand.N(delay), tries-1
			if tries == 0 || s.closing() || !s.overtaken(err) {
				s.tell(err)
			}
		}
		s.mu.Lock()
		if s.waits.and(s.looked).since.IsZero() || tries == 0 || s.closing() {
			s.running = nil
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
	}
}

func (s *sealer) closing() bool {
	select {
	case <-s.hurry:
		return true
	default:
		return false
	}
}

// close seals what is left and hands over what is queued, until ctx is done.
func (s *sealer) close(ctx context.Context) error {
	s.closed.Do(func() { close(s.hurry) })
	s.mu.Lock()
	running := s.running
	s.mu.Unlock()
	if running != nil {
		select {
		case <-running:
		case <-ctx.Done():
		}
	}
	var errs []error
	for _, q := range s.queues {
		errs = append(errs, q.Close(ctx))
	}
	return errors.Join(errs...)
}

// lag is the age of the oldest entry of this store that is not sealed.
func (s *sealer) lag() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	oldest := s.waits.and(s.looked).since
	if oldest.IsZero() {
		return 0
	}
	return max(s.store.deps.Now().Sub(oldest), 1)
}

func (s *sealer) anchorLag() (lag time.Duration) {
	for _, q := range s.queues {
		lag = max(lag, q.Stats().Lag)
	}
	return lag
}

// attempt seals all there is, in one pass unless others seal at the same time. It
// has the connection for a pass, and not in between: the next intent may want it.
func (s *sealer) attempt(ctx context.Context) error {
	s.pass.Lock()
	defer s.pass.Unlock()
	s.mu.Lock()
	s.looked, s.waits = s.looked.and(s.waits), unsealedPart{}
	first := s.looked.first
	s.mu.Unlock()
	ctx, cancel := s.store.bounded(ctx)
	defer cancel()
	size := int64(-1)
	for passes, lost := 1, 1; ; passes, lost = passes+1, lost+1 {
		err := s.store.own.do(ctx, func(ctx context.Context, c *sql.Conn) error { return s.seal(ctx, c, first) })
		if err == nil {
			break
		}
		if s.head != nil && s.head.size > size { // whoever was first, it goes on
			lost, size = 1, s.head.size
		}
		s.head = nil
		if !s.overtaken(err) || lost > sealTries || !pause(ctx, rand.N(time.Duration(min(passes, maxPauses))*sealPause)) {
			return err
		}
	}
	s.store.over(TroubleSeal)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looked = unsealedPart{}
	return nil
}

// pause is false where the context ends before it.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *sealer) tell(err error) {
	// Tables that have been dropped are made again by the next entry.
	if class, _ := event.Classify(err); err != nil && class != event.ClassMissingObject {
		s.store.tell(s.store.sealTrouble(err))
	}
}

// overtaken reports whether another process seals, which is no trouble.
func (s *sealer) overtaken(err error) bool {
	return errors.Is(err, errOvertaken) || s.store.dialect.overtaken(err)
}

// seal is a pass: batches until nothing is left, then a checkpoint. first is where
// this store's entries begin; zero for none.
func (s *sealer) seal(ctx context.Context, c *sql.Conn, first uuid.UUID) error {
	now := s.store.deps.Now()
	others := now.Sub(s.others) >= othersEvery
	if first == uuid.Nil && !others {
		return nil
	}
	d, r := s.store.dialect, s.reach(first, others)
	if s.log == "" { // not while reading: what a role may not ask would end that
		s.facts = d.facts(ctx, c)
	}
	for {
		var list []unsealed
		err := d.reading(ctx, c, func() (err error) {
			if err = s.find(ctx, c); err == nil {
				list, err = d.open(ctx, c, r, sealBatch)
			}
			return err
		})
		if err != nil {
			return err
		}
		if len(list) == 0 {
			if others {
				s.others = now
			}
			return s.checkpoint(ctx, c)
		}
		if err := s.batch(ctx, c, list); err != nil {
			return err
		}
	}
}

// reach is which entries a pass looks at. An outcome never goes before its intent,
// of whatever process: both are younger than their attempt's id, so that those of
// attempts from an id on are looked at together.
func (s *sealer) reach(first uuid.UUID, others bool) reach {
	switch {
	case s.others.IsZero():
		return reach{}
	case others:
		return reach{from: least(first, idFrom(s.others.Add(-othersBack)))}
	}
	return reach{from: first, attempts: true}
}

// find sees to it that head is the tree as the tables have it.
func (s *sealer) find(ctx context.Context, c *sql.Conn) error {
	d := s.store.dialect
	size, err := d.size(ctx, c)
	if err != nil || s.head != nil && s.head.size == size {
		return err
	}
	if size > 0 && size < s.signed {
		return errTampered
	}
	h := &head{}
	if size > 0 {
		if h.tree, err = d.edge(ctx, c, size); err != nil {
			return err
		}
		if h.log, err = s.logID(ctx, c); err != nil {
			return err
		}
	}
	if err := s.agree(ctx, c, h); err != nil {
		return err
	}
	s.head = h
	return nil
}

// logID is the log that the tables are; "" for one that has to be opened first,
// since the tables are a copy of it.
func (s *sealer) logID(ctx context.Context, c *sql.Conn) (string, error) {
	if s.log != "" {
		return s.log, nil
	}
	o, err := s.store.dialect.opened(ctx, c)
	if err != nil {
		return "", err
	}
	s.parent = o.Log
	if o.elsewhere(s.facts) {
		return "", nil
	}
	s.learn(o.Log)
	return o.Log, nil
}

func (s *sealer) learn(log string) {
	s.log = log
	s.store.scribe.log.Store(&log)
}

// agree compares the tree with the last checkpoint: nothing is added to a tree
// that has been cut, or whose stored nodes are not those that were signed.
func (s *sealer) agree(ctx context.Context, c *sql.Conn, h *head) error {
	if s.signer == nil || h.log == "" {
		return nil
	}
	d := s.store.dialect
	msg, err := d.lastCheckpoint(ctx, c, originOf(s.signer.Name(), h.log))
	if err == nil && msg == nil { // a log goes on under one name
		msg, err = d.lastOfLog(ctx, c, h.log)
	}
	if err != nil || msg == nil {
		return err
	}
	cp, _, err := (*keyring)(nil).open(msg)
	if err == nil {
		if err := s.replaced(ctx, c, msg); err != nil {
			return err
		}
	}
	if err == nil && cp.Size > h.size {
		// What is signed is in the tables first: they have grown, or were cut.
		if now, err := d.size(ctx, c); err != nil || now >= cp.Size {
			return cmp.Or(err, errOvertaken)
		}
	}
	if err != nil || cp.Size > h.size || cp.Size == h.size && cp.Root != h.root() {
		return errTampered
	}
	s.kept = cp.Size
	return nil
}

// batch seals entries.
func (s *sealer) batch(ctx context.Context, c *sql.Conn, list []unsealed) error {
	next := &head{tree: tree{size: s.head.size, edge: slices.Clone(s.head.edge)}, log: s.head.log}
	if next.log == "" {
		first, err := s.openLog(ctx, c, next)
		if err != nil {
			return err
		}
		list = append([]unsealed{first}, slices.DeleteFunc(list, func(u unsealed) bool { return u.id == first.id })...)
	}
	d := s.store.dialect
	if err := d.run(ctx, c, d.extend(next, list)...); err != nil {
		return err
	}
	for _, u := range list {
		s.follow(u.leaf)
	}
	s.learn(next.log)
	s.head = next
	return nil
}

// openLog writes the entry that opens a log. One that is not sealed right away,
// because another process was first, opens nothing.
func (s *sealer) openLog(ctx context.Context, c *sql.Conn, h *head) (unsealed, error) {
	d := s.store.dialect
	e, err := s.store.scribe.opening(s.facts, &head{tree: h.tree, log: s.parent})
	if err != nil {
		return unsealed{}, err
	}
	if err := d.store(ctx, c, []*entry{e}); err != nil {
		return unsealed{}, err
	}
	var list []unsealed
	err = d.reading(ctx, c, func() (err error) {
		list, err = d.open(ctx, c, reach{from: e.id}, 1)
		return err
	})
	if err != nil {
		return unsealed{}, err
	}
	if len(list) == 0 || list[0].id != e.id {
		return unsealed{}, errOvertaken
	}
	h.log = e.id.String()
	return list[0], nil
}

// checkpoint signs the head and hands it to the anchors, if that has not been
// done. It is in the tables first, so that no anchor knows more than they do.
func (s *sealer) checkpoint(ctx context.Context, c *sql.Conn) error {
	if s.signer == nil || s.head.log == "" || s.head.size == s.kept {
		return nil
	}
	switch {
	case s.retired:
		return errRetired
	case s.stranger:
		return errStranger
	}
	cp := Checkpoint{Origin: originOf(s.signer.Name(), s.head.log), Size: s.head.size, Root: s.head.root()}
	msg, err := cp.sign(s.signer)
	if err != nil {
		return err
	}
	d := s.store.dialect
	if err := d.run(ctx, c, d.keepCheckpoint(cp, msg)); err != nil {
		if class, _ := event.Classify(err); class != event.ClassConstraint { // another has made the same
			return err
		}
	}
	s.kept, s.signed = cp.Size, cp.Size
	for _, q := range s.queues {
		q.Add(msg)
	}
	s.store.deps.Checkpoint(cp, msg)
	return nil
}

// idFrom is the smallest id that is made at a time.
func idFrom(t time.Time) uuid.UUID {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(t.UnixMilli())<<16)
	return id
}
