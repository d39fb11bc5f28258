package audit

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// This file is what the holders of the log's keys say beside its checkpoints: a
// signed note of its own, in the facts of an entry. Whoever may INSERT can add an
// entry, and only who has a key can make it count.

// The first line of a statement. The second is the origin of the log; none is a
// checkpoint, whose second line is a number.
const (
	headRotated   = "sqlwitness/key-rotated"   // then: the old public key, the new one
	headRecovered = "sqlwitness/log-recovered" // then: "size root" of each checkpoint that is given up
)

// makeStatement makes one.
func makeStatement(head, origin string, lines []string, signers ...note.Signer) (string, error) {
	text := head + "\n" + origin + "\n" + strings.Join(lines, "\n") + "\n"
	msg, err := note.Sign(&note.Note{Text: text}, signers...)
	return string(msg), err
}

var errNoStatement = errors.New("not a statement")

// readStatement takes one apart. Its signatures are for a keyring to check.
func readStatement(msg string) (head, origin string, lines []string, err error) {
	text, _, ok := strings.Cut(msg, "\n\n")
	parts := strings.Split(text, "\n")
	if !ok || len(parts) < 3 {
		return "", "", nil, errNoStatement
	}
	return parts[0], parts[1], parts[2:], nil
}

// statementOf is the statement in the leaf of an entry; "" where it has none.
func statementOf(leaf []byte) string {
	var l struct {
		Facts struct {
			Statement string `json:"statement"`
		} `json:"facts"`
	}
	_ = json.Unmarshal(leaf, &l) // what does not read says nothing
	return l.Facts.Statement
}

// statements reads the sealed entries that have one, in the order of the tree.
func (d *dialect) statements(ctx context.Context, c *sql.Conn, visit func(idx int64, leaf []byte)) error {
	rows, err := c.QueryContext(ctx, "SELECT s.idx, e.leaf FROM "+d.prefix+"seal s JOIN "+d.prefix+"entry e ON e.id = s.entry WHERE e.kind IN ('"+
		KindRotated+"', '"+KindGivenUp+"') ORDER BY s.idx")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var idx int64
		var leaf []byte
		if err := rows.Scan(&idx, &leaf); err != nil {
			return err
		}
		visit(idx, leaf)
	}
	return rows.Err()
}

// rotation is a key that took another's place.
type rotation struct {
	idx      int64  // of the entry that says so
	old, new string // names and hashes
	vouched  bool   // the old key has signed it
}

// stated takes in what an entry states, if a key has signed it that is trusted and
// whose place no other had taken by then. It may be told the same entry again, and
// reports whether it learnt a key.
func (c *checker) stated(idx int64, leaf []byte) (learnt bool) {
	if c.keys == nil {
		return false
	}
	msg := statementOf(leaf)
	head, origin, lines, err := readStatement(msg)
	if err != nil {
		return false
	}
	by := slices.DeleteFunc(c.keys.signers([]byte(msg)), func(name string) bool { return c.keys.retired(name, idx+1) != nil })
	if len(by) == 0 {
		return false
	}
	switch head {
	case headRotated:
		if len(lines) != 2 {
			return false
		}
		learnt = c.keys.learn(lines...)
		r := rotation{idx: idx, old: keyName(lines[0]), new: keyName(lines[1])}
		for _, name := range c.keys.signers([]byte(msg)) { // by the key that it has made known, too
			r.vouched = r.vouched || name == r.old
		}
		c.keys.rotated(r)
	case headRecovered:
		for _, l := range lines {
			if cp, err := parseCheckpoint(origin + "\n" + strings.Replace(l, " ", "\n", 1) + "\n"); err == nil {
				c.givenUp[cp] = append(slices.DeleteFunc(c.givenUp[cp], func(a answer) bool { return a.idx == idx }), answer{idx, by})
			}
		}
	}
	return learnt
}

// keyName is the name and the hash of a public key.
func keyName(public string) string {
	if parts := strings.SplitN(public, "+", 3); len(parts) == 3 {
		return parts[0] + "+" + parts[1]
	}
	return ""
}

func nameOf(name string, hash uint32) string { return fmt.Sprintf("%s+%08x", name, hash) }
