package audit

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync"
)

// maxSpool bounds the spool, so that an outage of months fills no disk.
const maxSpool = 256 << 20

var (
	errSpoolFull = errors.New("the spool is full")
	errNotFile   = errors.New("the spool is not a regular file")
)

// spool takes the entries that the database does not take: a line of JSON each,
// appended with one write and flushed to disk. The file is opened for every
// line, so that one that was moved away or deleted is not written to unseen.
type spool struct {
	path string
	mu   sync.Mutex
}

// spoolLine is docs/audit-format.md, "The spool".
type spoolLine struct {
	V        int                     `json:"v"`
	ID       string                  `json:"id"`
	Attempt  string                  `json:"attempt"`
	Kind     string                  `json:"kind"`
	Stage    string                  `json:"stage"`
	Leaf     []byte                  `json:"leaf"`
	Sections map[string]spoolSection `json:"sections"`
	Because  string                  `json:"because"` // the class of the error that kept it out of the database
}

type spoolSection struct {
	Salt []byte `json:"salt"`
	Body []byte `json:"body"`
}

func (s *spool) append(because string, entries ...*entry) error {
	var lines []byte
	for _, e := range entries {
		l := spoolLine{V: formatVersion, ID: e.id.String(), Attempt: e.attempt.String(), Kind: e.kind, Stage: e.stage,
			Leaf: e.leaf, Sections: make(map[string]spoolSection, len(e.sections)), Because: because}
		for _, sec := range e.sections {
			l.Sections[sec.name] = spoolSection{Salt: sec.salt, Body: sec.body}
		}
		b, err := json.Marshal(l)
		if err != nil {
			return err
		}
		lines = append(append(lines, b...), '\n')
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := s.open(int64(len(lines)))
	if err != nil {
		return err
	}
	_, err = f.Write(lines)
	return errors.Join(err, f.Sync(), f.Close())
}

func (s *spool) open(more int64) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return nil, err
	}
	// A link could lead another user's writes elsewhere, and a pipe without a
	// reader would block.
	switch info, err := os.Lstat(s.path); {
	case err == nil && !info.Mode().IsRegular():
		return nil, errNotFile
	case err == nil && info.Size()+more > maxSpool:
		return nil, errSpoolFull
	}
	return os.OpenFile(s.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
}
