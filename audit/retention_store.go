package audit

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// maxDeleted bounds the sections that one entry says were deleted: their ids are
// in its leaf.
const maxDeleted = 1000

// PruneOptions say what Prune deletes.
type PruneOptions struct {
	// Policy, where it is not nil, is put in force first. Where it is shorter than
	// the one before, that holds for entries made from then on.
	Policy Policy
	// DryRun counts and changes nothing.
	DryRun bool
	// Archive says where a copy is, for the record: an address without a secret.
	Archive string
	Reason  string
	Ticket  string
}

// Deleted is what Prune or Erase has deleted.
type Deleted struct {
	Sections map[string]int // how many of each
	Held     int            // kept for a legal hold that would have gone
	Entries  []string       // ids of the entries that say so
	Policy   Policy         // in force; nil if none ever was
}

// Prune deletes the sections whose time is over. What it deletes, it records in
// the same transaction; a process that dies leaves whole batches deleted and
// recorded. It takes a role that may delete from the table of sections. Prune
// does not stop for an error of the spool: without the record nothing is deleted.
func (s *Store) Prune(ctx context.Context, o PruneOptions) (Deleted, error) {
	if err := o.Policy.check(); err != nil {
		return Deleted{}, err
	}
	if plainURL(o.Archive) != o.Archive {
		return Deleted{}, errors.New("audit: the archive is no plain URL: it looks like s3://bucket/path, without user, query and fragment")
	}
	var done Deleted
	err := s.administer(ctx, func(ctx context.Context, c *sql.Conn) error {
		policies, err := s.policies(ctx, c)
		if err != nil {
			return err
		}
		if o.Policy != nil && (len(policies) == 0 || policies[len(policies)-1].policy.String() != o.Policy.String()) {
			if !o.DryRun {
				if err := s.setPolicy(ctx, c, policies, o); err != nil {
					return err
				}
			}
			policies = append(policies, inForce{o.Policy, s.deps.Now()})
		}
		if len(policies) == 0 {
			return errors.New("audit: no policy was ever set: give one, as in sql=90d,actor=400d")
		}
		current := policies[len(policies)-1].policy
		due, held, err := s.due(ctx, c, policies)
		if err != nil {
			return err
		}
		sum := sha256.Sum256([]byte(current.String()))
		facts := object{"policy": current.String(), "policy_sha256": hex.EncodeToString(sum[:])}
		facts.text("archive", o.Archive)
		done, err = s.delete(ctx, c, KindPrune, facts, noted{reason: o.Reason, ticket: o.Ticket}, due, o.DryRun)
		done.Policy, done.Held = current, held
		return err
	})
	return done, err
}

// EraseOptions say what Erase deletes: of all that is given, what all of it names.
type EraseOptions struct {
	Entry   string // id; "" for every entry
	Attempt string // id; "" for every attempt
	Person  string // exact value of a field; "" for everybody
	Section string // actor, sql, error, why or inbox; "" for all, and with Person for actor and inbox
	DryRun  bool
	Reason  string // required: it is the record's only trace of why
	Ticket  string
}

// Erase deletes sections whatever their age, one person's for example, and
// records that it did, without the person's name. A legal hold forbids it.
func (s *Store) Erase(ctx context.Context, o EraseOptions) (Deleted, error) {
	if o.Entry == "" && o.Attempt == "" && o.Person == "" {
		return Deleted{}, errors.New("audit: name an entry, an attempt or a person to erase")
	}
	if o.Reason == "" {
		return Deleted{}, errors.New("audit: an erasure takes a reason")
	}
	if o.Person != "" && strings.Contains(o.Reason, o.Person) {
		return Deleted{}, errors.New("audit: the reason names the person that is to be erased")
	}
	if o.Section != "" && !slices.Contains(retained[:], o.Section) {
		return Deleted{}, fmt.Errorf("audit: there is no section %q: they are %s", o.Section, strings.Join(retained[:], ", "))
	}
	var done Deleted
	err := s.administer(ctx, func(ctx context.Context, c *sql.Conn) error {
		list, err := s.erasable(ctx, c, o)
		if err != nil {
			return err
		}
		held, err := s.holds(ctx, c)
		if err != nil {
			return err
		}
		for _, d := range list {
			if name := heldBy(held, d.attempt); name != "" {
				return fmt.Errorf("%w: %q covers attempt %s; release it first", errHold, name, d.attempt)
			}
		}
		gone := make([]doomed, len(list))
		for i, d := range list {
			gone[i] = d.doomed
		}
		done, err = s.delete(ctx, c, KindErase, object{}, noted{reason: o.Reason, ticket: o.Ticket}, gone, o.DryRun)
		return err
	})
	return done, err
}

// Hold keeps the sections of one attempt, or of all of them where that is "",
// from being deleted until it is released. The name is the record's, of a case
// for example, and must not be in use.
func (s *Store) Hold(ctx context.Context, name, attempt, reason string) error {
	if name == "" || len(name) > maxField || reason == "" {
		return errors.New("audit: a legal hold takes a name and a reason")
	}
	if attempt != "" {
		id, err := uuid.Parse(attempt)
		if err != nil {
			return fmt.Errorf("audit: %q is no id of an attempt", attempt)
		}
		attempt = id.String()
	}
	return s.administer(ctx, func(ctx context.Context, c *sql.Conn) error {
		held, err := s.holds(ctx, c)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(held, func(h hold) bool { return h.name == name }) {
			return fmt.Errorf("audit: there is a legal hold %q already", name)
		}
		facts := object{"name": name}
		facts.text("attempt", attempt)
		return s.noteOn(ctx, c, KindHold, facts, noted{reason: reason})
	})
}

// Release ends a legal hold.
func (s *Store) Release(ctx context.Context, name, reason string) error {
	if reason == "" {
		return errors.New("audit: the end of a legal hold takes a reason")
	}
	return s.administer(ctx, func(ctx context.Context, c *sql.Conn) error {
		held, err := s.holds(ctx, c)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(held, func(h hold) bool { return h.name == name }) {
			return fmt.Errorf("audit: there is no legal hold %q", name)
		}
		return s.noteOn(ctx, c, KindRelease, object{"name": name}, noted{reason: reason})
	})
}

// administer lends f the own connection. It is not bounded as the writes are: it
// is nobody's migration that waits.
func (s *Store) administer(ctx context.Context, f func(context.Context, *sql.Conn) error) error {
	if s.dialect == nil {
		return errUnsupported
	}
	if err := s.own.do(ctx, s.prepare); err != nil {
		return err
	}
	if err := s.own.do(ctx, f); err != nil {
		return err
	}
	s.sealer.soon(ctx)
	return nil
}

func (s *Store) noteOn(ctx context.Context, c *sql.Conn, kind string, facts object, n noted) error {
	n.login = s.loggedIn()
	e, err := s.scribe.note(kind, facts, n)
	if err != nil {
		return err
	}
	return s.put(ctx, c, e)
}

// setPolicy records a policy, and whether it is a shorter one.
func (s *Store) setPolicy(ctx context.Context, c *sql.Conn, before []inForce, o PruneOptions) error {
	facts := object{"policy": o.Policy.String(), "shortened": false}
	if len(before) > 0 {
		last := before[len(before)-1].policy
		facts["before"], facts["shortened"] = last.String(), o.Policy.shorter(last)
	}
	return s.noteOn(ctx, c, KindPolicy, facts, noted{reason: o.Reason, ticket: o.Ticket})
}

// notes are the facts of all the entries of some kinds, in the order of their ids.
func (s *Store) notes(ctx context.Context, c *sql.Conn, visit func(kind string, at time.Time, facts map[string]any), kinds ...string) error {
	return s.notesBy(ctx, c, "e.id", visit, kinds...)
}

// lastNote is the facts of the last entry of some kinds; nil if there is none.
func (s *Store) lastNote(ctx context.Context, c *sql.Conn, kinds ...string) (last map[string]any, err error) {
	err = s.notesBy(ctx, c, "e.id DESC LIMIT 1", func(_ string, _ time.Time, facts map[string]any) { last = facts }, kinds...)
	return last, err
}

func (s *Store) notesBy(ctx context.Context, c *sql.Conn, order string, visit func(kind string, at time.Time, facts map[string]any), kinds ...string) error {
	d := s.dialect
	return d.reading(ctx, c, func() error {
		rows, err := c.QueryContext(ctx, "SELECT e.kind, "+d.dbTime+", "+d.recovery.leaf+" FROM "+d.prefix+"entry e WHERE e.kind IN ('"+
			strings.Join(kinds, "', '")+"') ORDER BY "+order)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var kind, at, leaf string
			if err := rows.Scan(&kind, &at, &leaf); err != nil {
				return err
			}
			var l struct {
				Facts map[string]any `json:"facts"`
			}
			text, err := hex.DecodeString(leaf)
			when, timeErr := time.Parse(time.RFC3339Nano, at)
			if err != nil || timeErr != nil || json.Unmarshal(text, &l) != nil {
				continue // verification's business
			}
			visit(kind, when, l.Facts)
		}
		return rows.Err()
	})
}

func (s *Store) policies(ctx context.Context, c *sql.Conn) (list []inForce, err error) {
	err = s.notes(ctx, c, func(_ string, at time.Time, facts map[string]any) {
		text, _ := facts["policy"].(string)
		if p, err := ParsePolicy(text); err == nil {
			list = append(list, inForce{p, at})
		}
	}, KindPolicy)
	return list, err
}

func (s *Store) holds(ctx context.Context, c *sql.Conn) (list []hold, err error) {
	err = s.notes(ctx, c, func(kind string, _ time.Time, facts map[string]any) {
		name, _ := facts["name"].(string)
		attempt, _ := facts["attempt"].(string)
		list = slices.DeleteFunc(list, func(h hold) bool { return h.name == name })
		if kind == KindHold {
			list = append(list, hold{name, attempt})
		}
	}, KindHold, KindRelease)
	return list, err
}

func heldBy(holds []hold, attempt string) string {
	for _, h := range holds {
		if h.attempt == "" || h.attempt == attempt {
			return h.name
		}
	}
	return ""
}

// kept is a section that is there.
type kept struct {
	doomed
	attempt string
	at      time.Time
	body    string // in hexadecimal; "" unless asked for
}

// sections reads which sections there are, and with a condition on e and p only
// some of them.
func (s *Store) sections(ctx context.Context, c *sql.Conn, body bool, where string) (list []kept, err error) {
	d, column := s.dialect, "''"
	if body {
		column = d.recovery.body
	}
	err = d.reading(ctx, c, func() error {
		rows, err := c.QueryContext(ctx, "SELECT "+d.recovery.id("e.id")+", "+d.recovery.id("e.attempt")+", p.section, "+d.dbTime+", "+column+
			" FROM "+d.prefix+"payload p JOIN "+d.prefix+"entry e ON e.id = p.entry WHERE p.section IN ('"+strings.Join(retained[:], "', '")+"')"+where+" ORDER BY e.id, p.section")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var k kept
			var at string
			if err := rows.Scan(&k.entry, &k.attempt, &k.section, &at, &k.body); err != nil {
				return err
			}
			k.entry, k.attempt = strings.ReplaceAll(uuidText(k.entry), "-", ""), uuidText(k.attempt)
			if k.at, err = time.Parse(time.RFC3339Nano, at); err == nil && k.entry != "" {
				list = append(list, k)
			}
		}
		return rows.Err()
	})
	return list, err
}

// due are the sections whose time is over, and how many of them are held.
func (s *Store) due(ctx context.Context, c *sql.Conn, policies []inForce) (list []doomed, held int, err error) {
	holds, err := s.holds(ctx, c)
	if err != nil {
		return nil, 0, err
	}
	// An entry is younger than its id says by no more than a clock is wrong.
	shortest := time.Duration(-1)
	for _, p := range policies {
		for _, d := range p.policy {
			if shortest < 0 || d < shortest {
				shortest = d
			}
		}
	}
	if shortest < 0 {
		return nil, 0, nil
	}
	now := s.deps.Now()
	there, err := s.sections(ctx, c, false, " AND e.id < "+s.dialect.lit.id(earliest(now.Add(day-shortest))))
	if err != nil {
		return nil, 0, err
	}
	for _, k := range there {
		d, ok := keep(policies, k.section, k.at)
		if !ok || now.Sub(k.at) < d {
			continue
		}
		if heldBy(holds, k.attempt) != "" {
			held++
			continue
		}
		list = append(list, k.doomed)
	}
	return list, held, nil
}

// erasable are the sections that options name.
func (s *Store) erasable(ctx context.Context, c *sql.Conn, o EraseOptions) ([]kept, error) {
	where := ""
	for column, id := range map[string]string{"e.id": o.Entry, "e.attempt": o.Attempt} {
		if id == "" {
			continue
		}
		u, err := uuid.Parse(id)
		if err != nil {
			return nil, fmt.Errorf("audit: %q is no id: it looks like 01932b3c-7a00-7000-8000-000000000001", id)
		}
		where += " AND " + column + " = " + s.dialect.lit.id(u)
	}
	switch {
	case o.Section != "":
		where += " AND p.section = '" + o.Section + "'"
	case o.Person != "":
		where += " AND p.section IN ('" + sectionActor + "', '" + sectionInbox + "')"
	}
	list, err := s.sections(ctx, c, o.Person != "", where)
	if err != nil || o.Person == "" {
		return list, err
	}
	return slices.DeleteFunc(list, func(k kept) bool { return !names(k.body, o.Person) }), nil
}

// names reports whether a value in a section is the person's name.
func names(body, person string) bool {
	text, err := hex.DecodeString(body)
	if err != nil {
		return false
	}
	var section any
	return json.Unmarshal(text, &section) == nil && within(section, person)
}

func within(v any, person string) bool {
	switch v := v.(type) {
	case string:
		return v == person
	case []any:
		return slices.ContainsFunc(v, func(e any) bool { return within(e, person) })
	case map[string]any:
		for _, e := range v {
			if within(e, person) {
				return true
			}
		}
	}
	return false
}

// delete deletes sections and records it, a batch in a transaction.
func (s *Store) delete(ctx context.Context, c *sql.Conn, kind string, facts object, n noted, list []doomed, dry bool) (Deleted, error) {
	done := Deleted{Sections: map[string]int{}}
	d := s.dialect
	n.login = s.loggedIn()
	for batch := range slices.Chunk(list, maxDeleted) {
		if !dry {
			facts["deleted"], facts["count"] = deletion(batch), len(batch)
			e, err := s.scribe.note(kind, facts, n)
			if err != nil {
				return done, err
			}
			statements := slices.Concat(d.rows([]*entry{e}), deletes(d, batch))
			if err := d.run(ctx, c, d.whole(statements)...); err != nil {
				return done, err
			}
			s.counted(e)
			done.Entries = append(done.Entries, e.id.String())
		}
		for _, x := range batch {
			done.Sections[x.section]++
		}
	}
	return done, nil
}

// deletes are the statements that delete sections, one for each kind.
func deletes(d *dialect, list []doomed) []string {
	by := map[string][]string{}
	for _, x := range list {
		by[x.section] = append(by[x.section], d.lit.id(uuid.MustParse(x.entry)))
	}
	var texts []string
	for name, ids := range by {
		texts = append(texts, "DELETE FROM "+d.prefix+"payload WHERE section = '"+name+"' AND entry IN ("+strings.Join(ids, ", ")+")")
	}
	return texts
}
