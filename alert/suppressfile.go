package alert

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// LoadSuppressions reads a file of suppressions, a JSON array. A file that is
// not there holds none. They are not checked.
func LoadSuppressions(path string) ([]Suppression, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []Suppression
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return list, nil
}

// SaveSuppressions checks suppressions, fills in their ids and replaces the
// file with them at once: who reads it sees the old list or the new one.
func SaveSuppressions(path string, list []Suppression) error {
	checked := make([]Suppression, len(list))
	for i, s := range list {
		k, err := s.check()
		if err != nil {
			return fmt.Errorf("suppression %d: %w", i, err)
		}
		checked[i] = k.Suppression
	}
	text, err := json.MarshalIndent(checked, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(path, append(text, '\n'), 0o644)
}

// replaceFile writes a new file beside the old one and takes its place. It has the
// old one's mode, so that whoever could read that can read it too, or the given one.
func replaceFile(path string, text []byte, mode fs.FileMode) error {
	if old, err := os.Stat(path); err == nil {
		mode = old.Mode().Perm()
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
