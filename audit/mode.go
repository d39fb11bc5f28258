package audit

import "fmt"

// Mode is what happens to a migration whose record cannot be written.
type Mode uint8

const (
	// BestEffort, the zero value and default: a record that the database does
	// not take goes to the spool, is reported and counted; no migration fails
	// for it.
	BestEffort Mode = iota
	// Strict: without a recorded intent no migration starts, and without a
	// recorded outcome no transaction commits. Where a SQLite file is locked, by
	// the tool's own transaction as a rule, an intent may join the transaction
	// of its outcome: what is lost with the one is lost with the other.
	Strict
	// Off: nothing is written, nothing is connected to.
	Off
)

var modeNames = [...]string{BestEffort: "best-effort", Strict: "strict", Off: "off"}

// String is the mode's name in configuration and entries.
func (m Mode) String() string {
	if int(m) < len(modeNames) {
		return modeNames[m]
	}
	return fmt.Sprintf("Mode(%d)", uint8(m))
}

// MarshalText writes the mode as String does.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads "best-effort", "strict" or "off"; the empty text is
// BestEffort.
func (m *Mode) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*m = BestEffort
		return nil
	}
	for mode, name := range modeNames {
		if string(text) == name {
			*m = Mode(mode)
			return nil
		}
	}
	return fmt.Errorf("audit: unknown mode %q: best-effort, strict or off", text)
}
