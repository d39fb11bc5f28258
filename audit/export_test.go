package audit

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	osexec "os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"

	"github.com/sqlwitness/sqlwitness/audit/anchor"
	"github.com/sqlwitness/sqlwitness/event"
)

// exported is a signed log of a few migrations, and its export.
func exported(t *testing.T, k kit, cfg Config, format Format) (b *bench, public string, text []byte) {
	t.Helper()
	cfg.Key, public = testKey(t, "shop")
	b = newBench(t, k, cfg)
	b.migrate(3)
	b.must(b.store.Close(t.Context()))
	var out bytes.Buffer
	b.must(Export(t.Context(), b.db, k.system, format, &out, nil))
	return b, public, out.Bytes()
}

// An export can be verified again, by this implementation and by another one.
func TestExportJSONL(t *testing.T) {
	for _, k := range allKits {
		t.Run(k.name, func(t *testing.T) {
			_, public, text := exported(t, k, Config{Reason: "é <&> \u2028 \"quoted\""}, JSONL)
			cfg := VerifyConfig{Keys: []string{public}}
			r, err := VerifyExport(bytes.NewReader(text), cfg)
			if err != nil || len(r.Findings) > 0 || len(r.Unchecked) > 0 || r.Size != 7 || r.Sections == 0 {
				t.Fatalf("error %v, report %+v", err, r)
			}
			if got := inPython(t, public, text); got != "ok 7 7" {
				t.Errorf("Python says %q", got)
			}
			for what, altered := range map[string][]byte{
				"a leaf":    bytes.Replace(text, []byte(`\"goose\"`), []byte(`\"moose\"`), 1),
				"a section": bytes.Replace(text, []byte(`\"reason\"`), []byte(`\"reasom\"`), 1),
				"a line":    text[bytes.IndexByte(text, '\n')+1:],
				"a root":    bytes.Replace(text, []byte(`\n7\n`), []byte(`\n7\nA`), 1),
			} {
				if bytes.Equal(altered, text) {
					t.Fatalf("%s is as it was", what)
				}
				if r, err := VerifyExport(bytes.NewReader(altered), cfg); err == nil && !r.Altered() {
					t.Errorf("%s was altered, and nobody found it: %+v", what, r)
				}
				if got := inPython(t, public, altered); strings.HasPrefix(got, "ok") {
					t.Errorf("%s was altered, and Python says %q", what, got)
				}
			}
		})
	}
}

// inPython is the verdict of testdata/verify.py.
func inPython(t *testing.T, public string, text []byte) string {
	t.Helper()
	python, err := osexec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	script, err := os.ReadFile("testdata/verify.py") // here, where go test sees that its result depends on it
	if err != nil {
		t.Fatal(err)
	}
	cmd := osexec.CommandContext(t.Context(), python, "-IS", "-c", string(script), public)
	cmd.Stdin = bytes.NewReader(text)
	out, _ := cmd.CombinedOutput() // a failure is a verdict
	return strings.TrimSpace(string(out))
}

// narrow takes so many bytes and no more.
type narrow int

func (n *narrow) Write(b []byte) (int, error) {
	took := min(len(b), int(*n))
	if *n -= narrow(took); took < len(b) {
		return took, io.ErrClosedPipe
	}
	return took, nil
}

// An export that is cut off says how many entries may have gone out.
func TestExportCutOff(t *testing.T) {
	b := newBench(t, kitSQLite, Config{})
	for i := range 20 {
		m := migration(strconv.Itoa(i))
		b.must(b.store.Intent(t.Context(), m, false))
		b.must(b.store.Outcome(t.Context(), ended(m, event.Applied)))
	}
	b.must(b.store.Close(t.Context()))
	var whole bytes.Buffer
	b.must(Export(t.Context(), b.db, "sqlite", JSONL, &whole, nil))
	for _, room := range []int{0, 5000, whole.Len() / 2} {
		out, handed := narrow(room), int64(0)
		err := Export(t.Context(), b.db, "sqlite", JSONL, &out, func(n, _ int64) { handed = n })
		if lines := int64(bytes.Count(whole.Bytes()[:room], []byte("\n"))); !errors.Is(err, io.ErrClosedPipe) || handed <= lines || handed > lines+5 {
			t.Errorf("room for %d bytes: error %v, said %d entries of %d lines", room, err, handed, lines)
		}
	}
}

func TestExportCSV(t *testing.T) {
	_, _, text := exported(t, kitSQLite, Config{Actor: "=HYPERLINK(\"x\")", Ticket: "OPS,1\n\"2\""}, CSV)
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil || len(rows) != 8 {
		t.Fatalf("%d rows, error %v", len(rows), err)
	}
	row := map[string]string{}
	for i, column := range rows[0] {
		row[column] = rows[2][i]
	}
	if row["actor"] != `'=HYPERLINK("x")` || row["ticket"] != "OPS,1\n\"2\"" || row["kind"] != "intent" || row["tool"] != "goose" || row["index"] != "1" {
		t.Errorf("row is %q", row)
	}
}

func TestExportOCSF(t *testing.T) {
	_, _, text := exported(t, kitSQLite, Config{}, OCSF)
	var outcomes int
	for line := range bytes.Lines(text) {
		var e struct {
			Class    int   `json:"class_uid"`
			Category int   `json:"category_uid"`
			Activity int   `json:"activity_id"`
			Type     int   `json:"type_uid"`
			Severity int   `json:"severity_id"`
			Status   int   `json:"status_id"`
			Time     int64 `json:"time"`
			Metadata struct{ Version, UID string }
			Entity   struct{ Name, UID string }
		}
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatal(err)
		}
		if e.Class != 3004 || e.Category != 3 || e.Type != e.Class*100+e.Activity || e.Severity == 0 || e.Time == 0 || e.Metadata.Version == "" || e.Entity.UID == "" {
			t.Errorf("a line is %s", line)
		}
		if e.Status == 1 && e.Activity == 3 {
			outcomes++
		}
	}
	if outcomes != 3 {
		t.Errorf("%d outcomes", outcomes)
	}
}

// A proof holds by itself, also for transparency-dev/merkle, and a changed one
// does not.
func TestProve(t *testing.T) {
	for _, k := range allKits {
		t.Run(k.name, func(t *testing.T) {
			b, public, _ := exported(t, k, Config{}, JSONL)
			for _, s := range b.read().seals {
				text, err := Prove(t.Context(), b.db, k.system, s.entry.String())
				b.must(err)
				leaf, at, err := CheckProof(text, []string{public})
				if err != nil || leaf != string(s.leaf) || at.Size != 7 {
					t.Fatalf("entry %d: %v, %s of %+v", s.idx, err, leaf, at)
				}
				theirs(t, s.idx, leaf, at, text)
				if k.name != kitSQLite.name {
					continue // the text is the same everywhere
				}
				for i := range len(text) {
					changed := text[:i] + string(text[i]^1) + text[i+1:]
					if leaf, at2, err := CheckProof(changed, []string{public}); err == nil && (leaf != string(s.leaf) || at2 != at) {
						t.Errorf("byte %d changed, and it proves %s", i, leaf)
					}
				}
			}
			if _, err := Prove(t.Context(), b.db, k.system, "01932b3c-7a00-7000-8000-000000000001"); err == nil {
				t.Error("an entry that does not exist was proved")
			}
		})
	}
}

func theirs(t *testing.T, idx int64, leaf string, at Checkpoint, text string) {
	t.Helper()
	var path [][]byte
	head, _, _ := strings.Cut(text, "\n\n")
	for _, line := range strings.Split(head, "\n")[3:] {
		var h []byte
		if _, err := fmt.Sscanf(`"`+line+`"`, "%q", new(string)); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(`"`+line+`"`), &h); err != nil {
			t.Fatal(err)
		}
		path = append(path, h)
	}
	if err := proof.VerifyInclusion(rfc6962.DefaultHasher, uint64(idx), uint64(at.Size), rfc6962.DefaultHasher.HashLeaf([]byte(leaf)), path, at.Root[:]); err != nil {
		t.Errorf("entry %d: %v", idx, err)
	}
}

// Notes are found in whatever text they have ended up in.
func TestNotes(t *testing.T) {
	key, _ := testKey(t, "shop")
	signer, err := key.signer()
	if err != nil {
		t.Fatal(err)
	}
	note, err := Checkpoint{Origin: "shop/x", Size: 7}.sign(signer)
	if err != nil {
		t.Fatal(err)
	}
	line := string(anchor.Line(note))
	docker, _ := json.Marshal(map[string]string{"log": line, "stream": "stderr"})
	for name, text := range map[string]string{
		"alone":            string(note),
		"among lines":      "Tue 24: started\n\n" + string(note) + "\nfinished\n",
		"without an end":   strings.TrimSuffix(string(note), "\n"),
		"with CR":          strings.ReplaceAll(string(note), "\n", "\r\n"),
		"a JSON line":      "{}\nnot JSON — at all\n" + line + "[]\n",
		"escaped":          strings.ReplaceAll(line, "—", `\u2014`),
		"after a time":     "2026-11-24T17:00:00Z " + line,
		"JSON in JSON":     string(docker),
		"after long lines": strings.Repeat("x", 3*maxLine) + "\n" + line,
		"a log event":      `{"level":"info","event":"audit.checkpoint","size":7,"note":` + line[len(`{"checkpoint":`):],
	} {
		var found [][]byte
		err := Notes(strings.NewReader(text), func(n []byte) error { found = append(found, bytes.Clone(n)); return nil })
		if err != nil || len(found) != 1 || !bytes.Equal(found[0], note) {
			t.Errorf("%s: %q, error %v", name, found, err)
		}
	}
	if err := Notes(io.MultiReader(strings.NewReader("x"), failing{}), nil); err == nil {
		t.Error("a text that cannot be read is no error")
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }
