package audit

import (
	"errors"
	"fmt"
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

// keyring is the public keys that a verification trusts.
type keyring struct{ list note.Verifiers }

// newKeyring reads public keys as NewKey makes them.
func newKeyring(keys []string) (*keyring, error) {
	var list []note.Verifier
	for i, k := range keys {
		v, err := note.NewVerifier(strings.TrimSpace(k))
		if err != nil {
			// The text is not shown: it could be the private half.
			return nil, fmt.Errorf("audit: key %d of %d is no public key: it looks like name+0123abcd+base64, as sqlwitness audit keygen printed it", i+1, len(keys))
		}
		list = append(list, v)
	}
	if len(list) == 0 {
		return nil, nil
	}
	return &keyring{note.VerifierList(list...)}, nil
}

// open reads a note. signed says that a trusted key has signed it; a note that
// none has is read all the same.
func (k *keyring) open(msg []byte) (c Checkpoint, signed bool, err error) {
	var verifiers note.Verifiers = note.VerifierList()
	if k != nil {
		verifiers = k.list
	}
	n, err := note.Open(msg, verifiers)
	var unverified *note.UnverifiedNoteError
	switch {
	case err == nil:
		signed = true
	case errors.As(err, &unverified):
		n = unverified.Note
	default:
		// A signature that does not verify: the text is read to say what it claims.
		text, _, ok := strings.Cut(string(msg), "\n\n")
		if !ok {
			return Checkpoint{}, false, errNoCheckpoint
		}
		n = &note.Note{Text: text + "\n"}
	}
	c, err = parseCheckpoint(n.Text)
	return c, signed, err
}
