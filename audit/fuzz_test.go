package audit

import (
	"bytes"
	"crypto/rand"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// fuzzKey is a key of the fuzz test's own, and a signed checkpoint of the root.
func fuzzKey(f *testing.F, size int64, root tlog.Hash) (public string, signed []byte) {
	f.Helper()
	key, public, err := NewKey(rand.Reader, "shop")
	if err != nil {
		f.Fatal(err)
	}
	signer, err := note.NewSigner(string(key))
	if err != nil {
		f.Fatal(err)
	}
	signed, err = Checkpoint{Origin: originOf("shop", uuid.NewString()), Size: size, Root: root}.sign(signer)
	if err != nil {
		f.Fatal(err)
	}
	return public, signed
}

// FuzzCheckpoint: a checkpoint that is read is written as it was, and only what
// the key has signed counts as signed.
func FuzzCheckpoint(f *testing.F) {
	public, signed := fuzzKey(f, 7, tlog.RecordHash([]byte("root")))
	keys, err := newKeyring([]string{public})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed)
	f.Add(bytes.Replace(signed, []byte("\n7\n"), []byte("\n8\n"), 1))
	f.Add([]byte("shop/x\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nextension\n\n— shop AAAA\n"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		c, by, err := keys.open(msg)
		if err != nil {
			return
		}
		if !bytes.HasPrefix(msg, []byte(c.String())) {
			t.Errorf("%q was read as %q", msg, c)
		}
		if len(by) > 0 && !bytes.HasPrefix(signed, []byte(c.String())) {
			t.Errorf("%q counts as signed", msg)
		}
	})
}

// FuzzNotes: a note is found in whatever text stands around it, and every note
// that is found can be asked what it is.
func FuzzNotes(f *testing.F) {
	public, signed := fuzzKey(f, 7, tlog.RecordHash([]byte("root")))
	keys, err := newKeyring([]string{public})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`2026-01-01 INFO {"event":"audit.checkpoint","note":"a\nb\nc\n\n— x y\n"}`), []byte("the end"))
	f.Add([]byte("— shop AAAA\n\n— "), []byte("— more\n"))
	f.Fuzz(func(t *testing.T, before, after []byte) {
		text := slices.Concat(before, []byte("\n"), signed, []byte("\n"), after)
		found := 0
		err := Notes(bytes.NewReader(text), func(msg []byte) error {
			if c, by, err := keys.open(msg); err == nil && len(by) > 0 {
				found++
				if !bytes.HasPrefix(signed, []byte(c.String())) {
					t.Errorf("%q counts as signed", msg)
				}
			}
			return nil
		})
		if err != nil || found == 0 {
			t.Errorf("%d notes of the key are found in %q: %v", found, text, err)
		}
	})
}

// FuzzVerifyExport: whatever is done to an export, nobody who lacks the key makes
// another history of it that verifies.
func FuzzVerifyExport(f *testing.F) {
	_, public := testKey(f, "shop")
	text, err := os.ReadFile("testdata/export.jsonl") // signed with that key
	if err != nil {
		f.Fatal(err)
	}
	cfg := VerifyConfig{Keys: []string{public}}
	whole, err := VerifyExport(bytes.NewReader(text), cfg)
	if err != nil || whole.Altered() || whole.Size == 0 {
		f.Fatalf("the export itself: %v, %+v", err, whole)
	}
	lines := strings.SplitAfter(string(text), "\n")
	f.Add(text)
	f.Add([]byte(strings.Join(lines[1:], "")))
	f.Add([]byte(strings.Join(lines[:len(lines)/2], "")))
	f.Add(bytes.Replace(text, []byte(`goose`), []byte(`moose`), 1))
	f.Add([]byte("{}\n[]\nnull\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := VerifyExport(bytes.NewReader(in), cfg)
		if err != nil || r.Altered() || len(r.Unchecked) > 0 || r.Counts[Unsigned] > 0 || r.Counts[Unsealed] > 0 {
			return
		}
		if r.Size != whole.Size || r.Root != whole.Root {
			t.Errorf("an export that nobody signed verifies: %+v\n%s", r, in)
		}
	})
}
