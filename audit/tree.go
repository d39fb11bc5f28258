package audit

import (
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// tree is an RFC 6962 Merkle tree while leaves are appended to it. It holds the
// roots of the complete subtrees at its right edge and nothing else: one hash
// for each bit that is set in its size.
type tree struct {
	size int64
	edge []tlog.Hash // largest subtree first
	made []tlog.Hash // scratch: what add has returned
}

// add appends a leaf and returns the nodes that it completes, the leaf first.
// They are those at tlog.StoredHashIndex(0, size) and on, and the caller's until
// the next add.
func (t *tree) add(leaf tlog.Hash) []tlog.Hash {
	t.made = append(t.made[:0], leaf)
	for range bits.TrailingZeros64(^uint64(t.size)) { // one for each subtree that leaf completes
		last := len(t.edge) - 1
		leaf = tlog.NodeHash(t.edge[last], leaf)
		t.edge = t.edge[:last]
		t.made = append(t.made, leaf)
	}
	t.edge = append(t.edge, leaf)
	t.size++
	return t.made
}

// root is the hash of the whole tree.
func (t *tree) root() tlog.Hash {
	if t.size == 0 {
		h, _ := tlog.TreeHash(0, nil)
		return h
	}
	h := t.edge[len(t.edge)-1]
	for i := len(t.edge) - 2; i >= 0; i-- {
		h = tlog.NodeHash(t.edge[i], h)
	}
	return h
}

// edgeOf is where a tree of a size has its edge among the stored nodes.
func edgeOf(size int64) []int64 {
	var ix []int64
	start := int64(0)
	for level := bits.Len64(uint64(size)) - 1; level >= 0; level-- {
		if size>>level&1 == 1 {
			ix = append(ix, tlog.StoredHashIndex(level, start>>level))
			start += 1 << level
		}
	}
	return ix
}

// firstNode is where the nodes begin that leaf n brings.
func firstNode(n int64) int64 { return tlog.StoredHashIndex(0, n) }
