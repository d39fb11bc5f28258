package audit

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strconv"
)

// maxGivenUp bounds the checkpoints of one statement, which is in a leaf.
const maxGivenUp = 500

// GiveUp records that a part of the log is lost, as after a backup was restored:
// that the checkpoints which the anchors have and the tree does not (r.Lost) are
// of a history that is no more. The store's key signs it. Verification then warns
// of the loss, for as long as the log and those anchors exist, and does not call
// it tampering. A report that has found anything else amiss is refused.
func (s *Store) GiveUp(ctx context.Context, r *Report, reason, ticket string) error {
	switch {
	case s.sealer.signer == nil:
		return errors.New("audit: a loss is answered for with the log's key: set Config.Key or " + EnvKey)
	case reason == "":
		return errors.New("audit: a loss takes a reason")
	case len(r.Lost) == 0:
		return errors.New("audit: the anchors have no checkpoint that the log lacks")
	}
	for code := range r.Counts {
		if !code.Warning() && code != AnchorAhead && code != AnchorMismatch && code != CheckpointDeleted {
			return errors.New("audit: the record was altered (" + string(code) + "), and not only cut off or restored")
		}
	}
	return s.administer(ctx, func(ctx context.Context, c *sql.Conn) error {
		size, err := s.dialect.size(ctx, c)
		if err != nil {
			return err
		}
		for list := range slices.Chunk(r.Lost, maxGivenUp) {
			lines := make([]string, len(list))
			for i, cp := range list {
				if cp.Origin != list[0].Origin {
					return errors.New("audit: the lost checkpoints are of more than one log: a copy's own loss is not answered for here")
				}
				lines[i] = strconv.FormatInt(cp.Size, 10) + " " + cp.Root.String()
			}
			text, err := makeStatement(headRecovered, list[0].Origin, lines, s.sealer.signer)
			if err != nil {
				return err
			}
			facts := object{"statement": text, "lost": len(list), "upto": integer(list[len(list)-1].Size), "anchored": integer(r.Anchored), "size": integer(size)}
			if err := s.noteOn(ctx, c, KindGivenUp, facts, noted{reason: reason, ticket: ticket}); err != nil {
				return err
			}
		}
		return nil
	})
}
