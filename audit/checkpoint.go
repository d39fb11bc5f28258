package audit

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint is the head of the tree at a size: the text that is signed. Its
// form is C2SP tlog-checkpoint.
type Checkpoint struct {
	Origin string // <key name>/<log id>
	Size   int64
	Root   tlog.Hash
}

func (c Checkpoint) String() string {
	return c.Origin + "\n" + strconv.FormatInt(c.Size, 10) + "\n" + c.Root.String() + "\n"
}

// logID is the part of the origin that names the log.
func (c Checkpoint) logID() string { return c.Origin[strings.LastIndexByte(c.Origin, '/')+1:] }

func originOf(keyName, logID string) string { return keyName + "/" + logID }

var errNoCheckpoint = errors.New("not a checkpoint")

// parseCheckpoint reads the text of a note. Extension lines are left alone.
func parseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.SplitN(text, "\n", 4)
	if len(lines) < 4 || lines[0] == "" {
		return Checkpoint{}, errNoCheckpoint
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || lines[1] != strconv.FormatInt(size, 10) {
		return Checkpoint{}, errNoCheckpoint
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil || root.String() != lines[2] {
		return Checkpoint{}, errNoCheckpoint
	}
	return Checkpoint{Origin: lines[0], Size: size, Root: root}, nil
}

// sign makes the note of a checkpoint.
func (c Checkpoint) sign(s note.Signer) ([]byte, error) {
	return note.Sign(&note.Note{Text: c.String()}, s)
}

// keyring is the public keys that a verification trusts: those it was given, and
// those that they vouch for. nil is without any.
type keyring struct {
	keys      []note.Verifier
	given     []string   // names of the keys that it was given
	rotations []rotation // in the order of the tree
}

// newKeyring reads public keys as NewKey makes them; nil for none.
func newKeyring(keys []string) (*keyring, error) {
	k := &keyring{}
	for i, text := range keys {
		v, err := note.NewVerifier(strings.TrimSpace(text))
		if err != nil {
			// The text is not shown: it could be the private half.
			return nil, fmt.Errorf("audit: key %d of %d is no public key: it looks like name+0123abcd+base64, as sqlwitness audit keygen printed it", i+1, len(keys))
		}
		k.add(v)
		k.given = append(k.given, nameOf(v.Name(), v.KeyHash()))
	}
	if len(k.keys) == 0 {
		return nil, nil
	}
	return k, nil
}

func (k *keyring) add(v note.Verifier) bool {
	if slices.ContainsFunc(k.keys, func(x note.Verifier) bool { return x.Name() == v.Name() && x.KeyHash() == v.KeyHash() }) {
		return false
	}
	k.keys = append(k.keys, v)
	return true
}

// learn adds keys and reports whether one is new.
func (k *keyring) learn(keys ...string) (learnt bool) {
	for _, text := range keys {
		if v, err := note.NewVerifier(text); err == nil {
			learnt = k.add(v) || learnt
		}
	}
	return learnt
}

// rotated notes a rotation, once.
func (k *keyring) rotated(r rotation) {
	k.rotations = slices.DeleteFunc(k.rotations, func(x rotation) bool { return x.idx == r.idx })
	k.rotations = append(k.rotations, r)
	slices.SortFunc(k.rotations, func(a, b rotation) int { return cmp.Compare(a.idx, b.idx) })
}

// retired is the rotation that took a key's place before a size was reached; nil
// while it may sign. The checkpoint that covers the rotation and no more may be
// the old key's last one.
func (k *keyring) retired(name string, size int64) *rotation {
	for i, r := range k.rotations {
		if r.old == name && size > r.idx+1 {
			return &k.rotations[i]
		}
	}
	return nil
}

// follows reports whether one of these keys is one of the others or has taken the
// place of one, directly or after more. The word of a key that is trusted for what
// it signed once is not enough for that: the replaced key has to have given it, or
// verification was given the new one.
func (k *keyring) follows(keys, others []string) bool {
	line := slices.Clone(others)
	for _, r := range k.rotations {
		if slices.Contains(line, r.old) && (r.vouched || slices.Contains(k.given, r.new)) {
			line = append(line, r.new)
		}
	}
	return slices.ContainsFunc(keys, func(name string) bool { return slices.Contains(line, name) })
}

func (k *keyring) verifiers() note.Verifiers {
	if k == nil {
		return note.VerifierList()
	}
	return note.VerifierList(k.keys...)
}

// signers are the names of the trusted keys that have signed a note.
func (k *keyring) signers(msg []byte) []string {
	n, err := note.Open(msg, k.verifiers())
	if err != nil {
		return nil
	}
	return namesOf(n)
}

func namesOf(n *note.Note) (names []string) {
	for _, s := range n.Sigs {
		names = append(names, nameOf(s.Name, s.Hash))
	}
	return names
}

// open reads a checkpoint. by are the names of the trusted keys that have signed
// it; a note that none has is read all the same.
func (k *keyring) open(msg []byte) (c Checkpoint, by []string, err error) {
	n, err := note.Open(msg, k.verifiers())
	var unverified *note.UnverifiedNoteError
	switch {
	case err == nil:
		by = namesOf(n)
	case errors.As(err, &unverified):
		n = unverified.Note
	default:
		// A signature that does not verify: the text is read to say what it claims.
		text, _, ok := strings.Cut(string(msg), "\n\n")
		if !ok {
			return Checkpoint{}, nil, errNoCheckpoint
		}
		n = &note.Note{Text: text + "\n"}
	}
	c, err = parseCheckpoint(n.Text)
	return c, by, err
}

// claimants are the names of the keys that a note says have signed it.
func claimants(msg []byte) (names []string) {
	_, err := note.Open(msg, note.VerifierList())
	var unverified *note.UnverifiedNoteError
	if errors.As(err, &unverified) {
		for _, s := range unverified.Note.UnverifiedSigs {
			names = append(names, nameOf(s.Name, s.Hash))
		}
	}
	return names
}
