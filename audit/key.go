package audit

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// EnvKey is the environment variable of the key, where Config.Key is "".
const EnvKey = "SQLWITNESS_AUDIT_KEY"

const privatePrefix = "PRIVATE+KEY+"

// Key signs checkpoints: an Ed25519 key as golang.org/x/mod/sumdb/note writes
// it ("PRIVATE+KEY+…"), or the path of a file of mode 0600 with nothing else in
// it. It prints as "<key>" wherever it is printed.
type Key string

// String hides the key.
func (k Key) String() string {
	if k == "" {
		return ""
	}
	return "<key>"
}

// GoString hides the key from %#v.
func (k Key) GoString() string { return k.String() }

// MarshalText hides the key from JSON and YAML.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// signer reads the key; nil where there is none.
func (k Key) signer() (note.Signer, error) {
	text, err := k.text()
	if err != nil || text == "" {
		return nil, err
	}
	s, err := note.NewSigner(text)
	if err != nil {
		return nil, errKey
	}
	return s, nil
}

// errKey says nothing of the key's text.
var errKey = errors.New("audit: the key is not one that sqlwitness audit keygen has made")

// text is the key itself.
func (k Key) text() (string, error) {
	text := string(k)
	if text != "" && !strings.HasPrefix(text, privatePrefix) {
		var err error
		if text, err = readKey(text); err != nil {
			return "", err
		}
	}
	return strings.TrimSpace(text), nil
}

// Public is the public half of the key; "" where there is no key.
func (k Key) Public() (string, error) {
	text, err := k.text()
	if err != nil || text == "" {
		return "", err
	}
	// PRIVATE+KEY+<name>+<hash>+<algorithm and seed>
	parts := strings.SplitN(strings.TrimPrefix(text, privatePrefix), "+", 3)
	if len(parts) != 3 {
		return "", errKey
	}
	seed, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(seed) != 1+ed25519.SeedSize {
		return "", errKey
	}
	return note.NewEd25519VerifierKey(parts[0], ed25519.NewKeyFromSeed(seed[1:]).Public().(ed25519.PublicKey))
}

func readKey(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("audit: the key is neither %s… nor a file that can be read", privatePrefix) // the text could be a mistyped key
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("audit: the key file %s can be read by others: chmod 600 it, and make a new key if somebody may have", path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("audit: read the key: %w", err)
	}
	return string(b), nil
}

// NewKey makes a key. name names the log to people, "orders-prod": it has no
// space and no plus sign. verifier is the public half, which the holders of the
// anchors keep and sqlwitness audit verify takes.
func NewKey(rand io.Reader, name string) (key Key, verifier string, err error) {
	if name == "" || strings.ContainsAny(name, "+ \t\r\n") {
		return "", "", fmt.Errorf("audit: %q cannot name a key: it must have no space and no plus sign", name)
	}
	private, public, err := note.GenerateKey(rand, name)
	return Key(private), public, err
}
