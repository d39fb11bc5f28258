package audit

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/gowebpki/jcs"
)

// The fields that are found in a canonical object are those that encoding/json
// finds, and no text makes it panic.
func FuzzFields(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1}`, `{"id":"x","c":{"sql":"AAAA"},"n":[1,{"b":"]"}],"s":"a\"b,}"}`, `{"a":`, `{"a":1,}`, `{"c":{"sql":"` + strings.Repeat("A", 44) + `"},"id":"1","kind":"k"}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = readHeader([]byte(text))
		canonical, err := jcs.Transform([]byte(text))
		if err != nil {
			return
		}
		var want map[string]json.RawMessage
		if json.Unmarshal(canonical, &want) != nil || want == nil {
			return
		}
		got := map[string]bool{}
		err = fields(canonical, func(key, value []byte) error {
			var name string
			if err := json.Unmarshal([]byte(`"`+string(key)+`"`), &name); err != nil {
				t.Fatalf("key %q: %v", key, err)
			}
			if string(want[name]) != string(value) {
				t.Errorf("%s is %s, want %s", name, value, want[name])
			}
			got[name] = true
			return nil
		})
		if err != nil || len(got) != len(want) {
			t.Errorf("%s: %d fields, want %d, error %v", canonical, len(got), len(want), err)
		}
	})
}
