package audit

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/mod/sumdb/tlog"
)

// proofHeader is the first line of a C2SP tlog-proof.
const proofHeader = "c2sp.org/tlog-proof@v1"

// maxProof bounds a proof that is read: a tree of 2^62 leaves needs 62 hashes.
const maxProof = 1 << 20

// Prove writes a proof that an entry is in the log, in the form of C2SP
// tlog-proof, against the last checkpoint. Its extra data is the leaf of the
// tree, which names the entry and the SHA-256 of its text. Who has the log's
// public key can check it without the database, see [CheckProof].
func Prove(ctx context.Context, db *sql.DB, system, entry string) (string, error) {
	d := dialectOf(system)
	if d == nil {
		return "", errUnsupported
	}
	id, err := uuid.Parse(entry)
	if err != nil {
		return "", fmt.Errorf("audit: %q is no id of an entry: sqlwitness audit export lists them", entry)
	}
	c, err := db.Conn(ctx)
	if err != nil {
		return "", err
	}
	defer c.Close()
	var p proved
	if err := d.reading(ctx, c, func() (err error) { p, err = d.prove(ctx, c, id); return err }); err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nextra %s\nindex %d\n", proofHeader, base64.StdEncoding.EncodeToString([]byte(p.leaf)), p.idx)
	for _, h := range p.path {
		fmt.Fprintln(&b, h)
	}
	text := b.String() + "\n" + string(p.note)
	// What is handed out holds: the nodes may have been tampered with.
	if _, _, err := checkProof(text, nil); err != nil {
		return "", errors.New("audit: the stored tree does not lead to the checkpoint: run sqlwitness audit verify")
	}
	return text, nil
}

// proved is what a proof is made of.
type proved struct {
	idx  int64
	leaf string // of the tree
	path tlog.RecordProof
	note []byte // of the checkpoint
}

func (d *dialect) prove(ctx context.Context, c *sql.Conn, id uuid.UUID) (p proved, err error) {
	size, err := d.size(ctx, c)
	if err != nil {
		return p, noTables(err)
	}
	note, signed, err := d.noteUpTo(ctx, c, size)
	if err != nil {
		return p, err
	}
	idx, err := strs(ctx, c, "SELECT idx FROM "+d.prefix+"seal WHERE entry = "+d.lit.id(id))
	if err != nil {
		return p, err
	}
	if len(idx) == 0 {
		return p, fmt.Errorf("audit: entry %s is not in the log, or not sealed yet", id)
	}
	n, err := strconv.ParseInt(idx[0], 10, 64)
	if err != nil {
		return p, err
	}
	if n >= signed {
		return p, fmt.Errorf("audit: no checkpoint covers entry %s: a proof needs one that is signed, see SQLWITNESS_AUDIT_KEY", id)
	}
	leaves, err := strs(ctx, c, "SELECT leaf FROM "+d.prefix+"seal WHERE idx = "+idx[0])
	if err != nil {
		return p, err
	}
	path, err := tlog.ProveRecord(signed, n, tlog.HashReaderFunc(func(ix []int64) ([]tlog.Hash, error) { return d.nodes(ctx, c, ix) }))
	if err != nil {
		return p, err
	}
	return proved{n, leaves[0], path, note}, nil
}

// CheckProof checks a proof as Prove writes it, offline, with the public keys
// that are trusted. It returns the leaf of the tree that is proved, and the
// checkpoint that it is proved against.
func CheckProof(proof string, keys []string) (leaf string, at Checkpoint, err error) {
	ring, err := newKeyring(keys)
	if err != nil {
		return "", Checkpoint{}, err
	}
	if ring == nil {
		return "", Checkpoint{}, errors.New("audit: a proof is checked with a public key, and there is none")
	}
	return checkProof(proof, ring)
}

var errProof = errors.New("audit: this is no proof of sqlwitness (" + proofHeader + ")")

func checkProof(text string, keys *keyring) (leaf string, at Checkpoint, err error) {
	if len(text) > maxProof {
		return "", at, errProof
	}
	head, note, ok := strings.Cut(text, "\n\n")
	lines := strings.Split(head, "\n")
	if !ok || len(lines) < 3 || lines[0] != proofHeader {
		return "", at, errProof
	}
	extra, ok1 := strings.CutPrefix(lines[1], "extra ")
	index, ok2 := strings.CutPrefix(lines[2], "index ")
	data, err1 := base64.StdEncoding.DecodeString(extra)
	n, err2 := strconv.ParseInt(index, 10, 64)
	if !ok1 || !ok2 || err1 != nil || err2 != nil {
		return "", at, errProof
	}
	var path tlog.RecordProof
	for _, l := range lines[3:] {
		h, err := tlog.ParseHash(l)
		if err != nil {
			return "", at, errProof
		}
		path = append(path, h)
	}
	at, by, err := keys.open([]byte(note))
	switch {
	case err != nil:
		return "", at, errProof
	case keys != nil && len(by) == 0:
		return "", at, errors.New("audit: the proof's checkpoint is not signed by a key that was given")
	}
	if err := tlog.CheckRecord(path, at.Size, at.Root, n, tlog.RecordHash(data)); err != nil {
		return "", at, errors.New("audit: the proof does not lead from the entry to the checkpoint")
	}
	return string(data), at, nil
}
