package metrics

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// WriteTextfile replaces a file for node_exporter's textfile collector at once:
// who reads it sees the old metrics or the new ones. The name has to end in
// ".prom", or the collector leaves it out. Nothing is left behind where it fails.
func WriteTextfile(path string, write func(io.Writer)) (err error) {
	if filepath.Ext(path) != ".prom" {
		return fmt.Errorf("write %s: the textfile collector reads files that end in .prom", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	failing := &stickyWriter{w: f}
	write(failing)
	if failing.err != nil {
		return failing.err
	}
	if err = f.Chmod(0o644); err != nil {
		return err
	}
	if err = f.Sync(); err != nil {
		return err
	}
	if err = f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// stickyWriter keeps the first error of a writer whose user looks at none.
type stickyWriter struct {
	w   io.Writer
	err error
}

func (s *stickyWriter) Write(b []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.w.Write(b)
	s.err = err
	return n, err
}
