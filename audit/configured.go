package audit

import (
	"context"
	"database/sql"
	"maps"
	"slices"
	"strings"
)

const redacted = "<redacted>"

// secretWords mark a setting whose value is nobody's business.
var secretWords = []string{"dsn", "url", "key", "password", "passwd", "secret", "token", "header", "webhook", "credential"}

// Reconfiguration is what differs from the last process's configuration. No
// secret is in it: see [Store.Configured].
type Reconfiguration struct {
	Hash, Before string          // of all settings, now and then
	Changed      []SettingChange // by name
}

// SettingChange is a setting with another value than before; "" is unset.
type SettingChange struct{ Name, From, To string }

// Configured records the configuration that a process runs with, where it is
// another one than the last process's: its hash, and what has changed. The value
// of a setting whose name speaks of a secret is recorded as there or not, so that
// one secret in another's place is not seen. Like the other methods it is bounded,
// and nothing fails for it.
func (s *Store) Configured(ctx context.Context, settings map[string]string) {
	now := map[string]string{}
	for name, value := range settings {
		if value != "" && slices.ContainsFunc(secretWords, func(w string) bool { return strings.Contains(strings.ToLower(name), w) }) {
			value = redacted
		}
		now[cut(name, maxField)] = cut(value, maxField)
	}
	hash := digest(now)
	s.between(ctx, func(ctx context.Context, c *sql.Conn) error {
		last, err := s.lastNote(ctx, c, KindConfig)
		was, _ := last["hash"].(string)
		if err != nil || was == hash {
			return err
		}
		before := map[string]string{}
		all, _ := last["settings"].(map[string]any)
		for name, v := range all {
			before[name], _ = v.(string)
		}
		facts := object{"hash": hash, "settings": asObject(now)}
		facts.text("before", was)
		changed, told := object{}, Reconfiguration{Hash: hash, Before: was}
		for _, name := range slices.Sorted(maps.Keys(merged(before, now))) {
			if was != "" && before[name] != now[name] {
				changed[name] = object{"from": before[name], "to": now[name]}
				told.Changed = append(told.Changed, SettingChange{name, before[name], now[name]})
			}
		}
		if len(changed) > 0 {
			facts["changed"] = changed
		}
		err = s.noteOn(ctx, c, KindConfig, facts, noted{})
		if err == nil && was != "" {
			s.deps.Configured(told)
		}
		return err
	})
}
