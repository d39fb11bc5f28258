package anchor

import (
	"context"
	"fmt"
	"os"
	"sync"
)

// File appends notes to a file, a line of JSON each (see Line), on disk before
// Put returns. It is worth as much as the file is out of the reach of whoever
// can change the database: another host's, or one that is append-only.
//
// A file that was moved or deleted is noticed at the next Put, which begins a
// new one under the name: no note goes into a file that has no name any more.
type File struct {
	path string

	mu   sync.Mutex
	file *os.File
}

// NewFile is an anchor in the file at path. Nothing is opened before the first Put.
func NewFile(path string) *File { return &File{path: path} }

// Name is "file" and the path.
func (f *File) Name() string { return "file " + f.path }

// Put appends the note.
func (f *File) Put(_ context.Context, note []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.reopen(); err != nil {
		return err
	}
	_, err := f.file.Write(Line(note))
	return err
}

// reopen sees to it that the open file is the one under the name.
func (f *File) reopen() error {
	if f.file != nil {
		open, err1 := f.file.Stat()
		named, err2 := os.Lstat(f.path)
		if err1 == nil && err2 == nil && os.SameFile(open, named) {
			return nil
		}
		_ = f.file.Close()
		f.file = nil
	}
	if info, err := os.Lstat(f.path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("anchor: %s is not a regular file", f.path)
	}
	file, err := os.OpenFile(f.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND|os.O_SYNC, 0o600)
	if err != nil {
		return fmt.Errorf("anchor: %w", err)
	}
	f.file = file
	return nil
}

// Close closes the file. A later Put opens it again.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}
