package audit

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/note"
)

// Rotation says whose place the store's key takes.
type Rotation struct {
	Old Key // signs the rotation, so that who trusts it trusts the new one
	// OldPublic is its public half, where the old key itself is lost. Verification
	// then tells of a change of keys that the old one has not vouched for.
	OldPublic string
	Reason    string
	Ticket    string
}

// Rotate records that the store's key takes the place of another one of the same
// name, which signed the last checkpoint. Both sign the entry: each vouches for
// the other, the old one up to there, the new one from there on. Processes that
// still run with the old key sign no more from then on, and report it.
//
// It is sealed and signed with the new key when the store is closed.
func (s *Store) Rotate(ctx context.Context, r Rotation) error {
	signer := s.sealer.signer
	if signer == nil {
		return errors.New("audit: there is no new key: set Config.Key")
	}
	public, err := cmp.Or(s.cfg.Key, Key(s.deps.Getenv(EnvKey))).Public()
	if err != nil {
		return err
	}
	signers := []note.Signer{signer}
	if r.Old != "" {
		old, err := r.Old.signer()
		if err != nil {
			return err
		}
		if r.OldPublic, err = r.Old.Public(); err != nil {
			return err
		}
		signers = append(signers, old)
	}
	old, err := note.NewVerifier(r.OldPublic)
	switch {
	case err != nil:
		return errors.New("audit: the old key is neither given nor is its public half: it looks like name+0123abcd+base64")
	case old.Name() != signer.Name():
		return fmt.Errorf("audit: the old key is of %s and the new one of %s: a log goes on under one name", old.Name(), signer.Name())
	case old.KeyHash() == signer.KeyHash():
		return errors.New("audit: the old key and the new one are the same")
	}
	return s.administer(ctx, func(ctx context.Context, c *sql.Conn) error {
		origin, err := s.origin(ctx, c)
		if err != nil {
			return err
		}
		last, err := s.dialect.lastCheckpoint(ctx, c, origin)
		if err != nil {
			return err
		}
		if name := keyName(r.OldPublic); !slices.Contains(claimants(last), name) {
			return fmt.Errorf("audit: the last checkpoint of %s is not signed by %s, the old key", origin, name)
		}
		text, err := makeStatement(headRotated, origin, []string{r.OldPublic, public}, signers...)
		if err != nil {
			return err
		}
		return s.noteOn(ctx, c, KindRotated, object{"old": keyName(r.OldPublic), "new": keyName(public), "statement": text},
			noted{reason: r.Reason, ticket: r.Ticket})
	})
}

// origin is that of the checkpoints which the store's key signs.
func (s *Store) origin(ctx context.Context, c *sql.Conn) (string, error) {
	o, err := s.dialect.opened(ctx, c)
	if err != nil {
		return "", fmt.Errorf("audit: nothing is sealed here yet: %w", err)
	}
	return originOf(s.sealer.signer.Name(), o.Log), nil
}

// errRetired: another key has taken the place of this process's.
var errRetired = errors.New("another key has taken the place of this one")

// errStranger: what this process would sign, no verification could take.
var errStranger = errors.New("another key signs this log")

// follow reads an entry for what it says of the sealer's key: that it is out of use,
// or is to sign from here on. The entry's signatures are not checked: who may make
// one up may also take the next place in the tree, which ends the signing just as
// loudly.
func (s *sealer) follow(leaf []byte) {
	var l struct {
		Kind  string `json:"kind"`
		Facts struct {
			Old string `json:"old"`
			New string `json:"new"`
		} `json:"facts"`
	}
	if s.signer == nil || json.Unmarshal(leaf, &l) != nil || l.Kind != KindRotated {
		return
	}
	s.retired = s.retired || l.Facts.Old == s.keyName()
	s.stranger = s.stranger && l.Facts.New != s.keyName()
}

func (s *sealer) keyName() string { return nameOf(s.signer.Name(), s.signer.KeyHash()) }

// replaced looks, where the last checkpoint is another key's, whether that has
// taken the place of the sealer's, or the sealer's is to take that one's.
func (s *sealer) replaced(ctx context.Context, c *sql.Conn, last []byte) error {
	s.stranger = !slices.Contains(claimants(last), s.keyName())
	if s.retired || !s.stranger {
		return nil
	}
	return s.store.dialect.statements(ctx, c, func(_ int64, leaf []byte) { s.follow(leaf) })
}
