package alert

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/sqlwitness/sqlwitness/event"
)

// Outbox remembers alerts that are open beyond the life of a process, so that
// the next successful run of any process resolves them, and those that could
// not be delivered, so that the next process tries again. Its methods are
// called by one goroutine at a time and may do I/O.
type Outbox interface {
	// Open lists the entries that were put and not removed, the oldest first.
	Open(context.Context) ([]Entry, error)
	// Put writes an entry, or replaces the one of the same fingerprint and episode.
	Put(context.Context, Entry) error
	// Remove forgets an entry. One that is not there is no error.
	Remove(ctx context.Context, fingerprint string, episode int) error
}

// Entry is an alert in an outbox.
type Entry struct {
	Alert   event.Alert `json:"alert"`
	Class   string      `json:"class,omitempty"`
	Waiting []string    `json:"waiting,omitempty"` // channels that have not taken its state yet
	Told    []string    `json:"told,omitempty"`    // channels that its end is for
	again   bool        // it is of a process before this one
	kept    bool        // the outbox has it
}

// fileOutbox keeps entries in a file: a line of JSON each, appended with one
// write, the last line of a fingerprint and episode being the one that counts.
// Several processes may share the file: each takes a fresh look before it
// judges. A process that dies between two lines loses nothing that was written.
type fileOutbox struct {
	path string
	mu   sync.Mutex
}

// NewFileOutbox keeps an outbox in a file of one's own or shared.
func NewFileOutbox(path string) Outbox { return &fileOutbox{path: path} }

// maxOutbox is the size above which a file is rewritten with what is open.
const maxOutbox = 1 << 20

type outboxLine struct {
	Entry
	Fingerprint string `json:"fingerprint"`
	Episode     int    `json:"episode"`
	Removed     bool   `json:"removed,omitempty"`
}

func (o *fileOutbox) Open(context.Context) ([]Entry, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f, err := o.open(os.O_RDONLY, true)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	type id struct {
		fingerprint string
		episode     int
	}
	var order []id
	last := map[id]outboxLine{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxOutbox)
	size := 0
	for lines.Scan() {
		size += len(lines.Bytes()) + 1
		var l outboxLine
		if json.Unmarshal(lines.Bytes(), &l) != nil || l.Fingerprint == "" {
			continue // the torn line of a process that died
		}
		k := id{l.Fingerprint, l.Episode}
		if _, there := last[k]; !there {
			order = append(order, k)
		}
		last[k] = l
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	order = slices.DeleteFunc(order, func(k id) bool { return last[k].Removed })
	var open []Entry
	for _, k := range order {
		open = append(open, last[k].Entry)
	}
	if size > maxOutbox {
		var text []byte
		for _, e := range open {
			text = append(text, line(outboxLine{Entry: e, Fingerprint: e.Alert.Fingerprint, Episode: e.Alert.Episode})...)
		}
		return open, replaceFile(o.path, text, 0o600)
	}
	return open, nil
}

func (o *fileOutbox) Put(_ context.Context, e Entry) error {
	return o.append(outboxLine{Entry: e, Fingerprint: e.Alert.Fingerprint, Episode: e.Alert.Episode})
}

func (o *fileOutbox) Remove(_ context.Context, fingerprint string, episode int) error {
	return o.append(outboxLine{Fingerprint: fingerprint, Episode: episode, Removed: true})
}

func (o *fileOutbox) append(l outboxLine) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := os.MkdirAll(filepath.Dir(o.path), 0o700); err != nil {
		return err
	}
	f, err := o.open(os.O_WRONLY|os.O_CREATE|os.O_APPEND, false)
	if err != nil {
		return err
	}
	_, err = f.Write(line(l))
	return errors.Join(err, f.Close())
}

// open opens the file and locks it: the one that is there when the lock is had, and
// not one that was replaced while it was waited for.
func (o *fileOutbox) open(flag int, alone bool) (*os.File, error) {
	for {
		f, err := os.OpenFile(o.path, flag, 0o600)
		if err != nil {
			return nil, err
		}
		lock(f, alone)
		mine, err := f.Stat()
		if err == nil {
			var there fs.FileInfo
			if there, err = os.Stat(o.path); err == nil && os.SameFile(mine, there) {
				return f, nil
			}
		}
		_ = f.Close()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
}

// line begins with a line break as well: it is whole even after a torn one.
func line(l outboxLine) []byte {
	b, err := json.Marshal(l)
	if err != nil {
		panic(err) // plain data
	}
	return append(append([]byte{'\n'}, b...), '\n')
}
