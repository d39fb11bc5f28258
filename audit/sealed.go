package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"github.com/google/uuid"
)

// facts are what the database itself says of an entry.
type facts struct {
	dbTime string // RFC 3339 with microseconds, UTC
	xid    string // of the transaction that wrote it; "" where there is no such thing
}

// sealLeaf is the leaf of the tree: it binds an entry's bytes to the database's
// facts about it. Its keys are in the order of RFC 8785, and none of its values
// needs more than quotes; what does not is quoted, so that a row altered by hand
// still has one form.
func sealLeaf(id uuid.UUID, leaf []byte, f facts) []byte {
	return appendSealLeaf(make([]byte, 0, 256), id, leaf, f)
}

// appendSealLeaf is sealLeaf into a buffer.
func appendSealLeaf(b []byte, id uuid.UUID, leaf []byte, f facts) []byte {
	sum := sha256.Sum256(leaf)
	b = append(b, `{"db_time":`...)
	b = appendQuoted(b, f.dbTime)
	b = append(b, `,"entry":"`...)
	b = appendID(b, id)
	b = append(b, `","entry_sha256":"`...)
	b = hex.AppendEncode(b, sum[:])
	b = append(b, `","v":1`...)
	if f.xid != "" {
		b = append(b, `,"xid":`...)
		b = appendQuoted(b, f.xid)
	}
	return append(b, '}')
}

// appendQuoted is strconv.AppendQuoteToASCII, most of whose time goes into
// looking for what neither a time nor a number has.
func appendQuoted(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return strconv.AppendQuoteToASCII(b, s)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// appendID is the id as text.
func appendID(b []byte, id uuid.UUID) []byte {
	var text [36]byte
	_, _ = hex.Encode(text[0:], id[0:4]), hex.Encode(text[9:], id[4:6])
	_, _ = hex.Encode(text[14:], id[6:8]), hex.Encode(text[19:], id[8:10])
	hex.Encode(text[24:], id[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return append(b, text[:]...)
}
