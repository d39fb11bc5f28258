package alert

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
)

const redacted = "<redacted>"

// Secret is a text that is never printed: the URL of a webhook, a routing key.
// Written in a configuration file as it is, or as env:NAME or file:PATH, which
// New reads once.
type Secret struct{ text string }

// NewSecret holds a text, or names where it is: env:NAME, file:PATH.
func NewSecret(text string) Secret { return Secret{text} }

func (s Secret) String() string               { return redacted }
func (s Secret) GoString() string             { return redacted }
func (s Secret) Format(f fmt.State, _ rune)   { _, _ = f.Write([]byte(redacted)) }
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
func (s Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }

// UnmarshalText takes the text as it is.
func (s *Secret) UnmarshalText(text []byte) error {
	s.text = string(text)
	return nil
}

func (s Secret) empty() bool { return s.text == "" }

// elsewhere reports whether the text says where the secret is.
func (s Secret) elsewhere() bool {
	return strings.HasPrefix(s.text, "env:") || strings.HasPrefix(s.text, "file:")
}

// reveal returns the text, from where it is. The error names the place and not
// the text.
func (s Secret) reveal(getenv func(string) string) (string, error) {
	if name, ok := strings.CutPrefix(s.text, "env:"); ok {
		v := getenv(name)
		if v == "" {
			return "", fmt.Errorf("the variable %s is not set", name)
		}
		return v, nil
	}
	if path, ok := strings.CutPrefix(s.text, "file:"); ok {
		b, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		text := strings.TrimSpace(string(b))
		if text == "" {
			return "", fmt.Errorf("the file %s is empty", path)
		}
		return text, nil
	}
	return s.text, nil
}
