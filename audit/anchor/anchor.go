// Package anchor takes the checkpoints of an audit log to places outside the
// database, which is what makes a rewritten log evident: who can change the
// database cannot change what has left it.
//
// A checkpoint is a signed note, a few lines of text. The newest one covers all
// before it, so that an anchor that was away for a while misses nothing.
package anchor

import (
	"context"
	"encoding/json"
)

// Anchor is a place that keeps checkpoints.
type Anchor interface {
	// Name says which anchor it is, in statistics and reports. It holds no
	// secret: no URL that has a token in it.
	Name() string
	// Put keeps a note. It may be called again with one that is kept already,
	// never by two goroutines at once, and returns when ctx is done. Its error is
	// safe to log.
	Put(ctx context.Context, note []byte) error
}

// Func is an anchor of the program's own: an object store with a retention
// lock, a ticket, another database.
type Func struct {
	Label string
	Keep  func(ctx context.Context, note []byte) error
}

// Name is the label.
func (f Func) Name() string { return f.Label }

// Put calls Keep.
func (f Func) Put(ctx context.Context, note []byte) error { return f.Keep(ctx, note) }

// Line is a note as one line of JSON, the form of the file anchor and of log
// lines: {"checkpoint":"…"}. It ends in a newline.
func Line(note []byte) []byte {
	b, _ := json.Marshal(map[string]string{"checkpoint": string(note)}) // a map of strings has no error
	return append(b, '\n')
}
