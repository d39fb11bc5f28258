package audit

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// forgery is an export in the hands of someone who alters it, or who alters the
// tables and then exports.
type forgery struct {
	t        *testing.T
	lines    []exportLine
	log      string
	old, now Key // of the log: the one that was replaced, the one that signs
	evil     Key // the forger's own
	text     []byte
}

// at is the first line of an entry of a kind.
func (x *forgery) at(kind string) *exportLine {
	x.t.Helper()
	i := slices.IndexFunc(x.lines, func(l exportLine) bool { return strings.Contains(l.Leaf, `"kind":"`+kind+`"`) })
	if i < 0 {
		x.t.Fatalf("there is no %s", kind)
	}
	return &x.lines[i]
}

// intent is an entry somewhere in the middle.
func (x *forgery) intent() *exportLine { return x.at(kindIntent) }

func (x *forgery) checkpoint() *exportLine { return &x.lines[len(x.lines)-1] }

// change replaces text that must be there.
func (x *forgery) change(s *string, old, now string) {
	x.t.Helper()
	if !strings.Contains(*s, old) {
		x.t.Fatalf("%q is not in %s", old, *s)
	}
	*s = strings.Replace(*s, old, now, 1)
}

// section changes a section of a line.
func (l *exportLine) section(name string, f func(*exportSection)) {
	s := l.Sections[name]
	f(&s)
	l.Sections[name] = s
}

// written is the export as text, with something in it replaced.
func (x *forgery) written(old, now string) {
	x.t.Helper()
	text := string(x.marshal())
	x.change(&text, old, now)
	x.text = []byte(text)
}

func (x *forgery) marshal() []byte {
	var b bytes.Buffer
	for _, l := range x.lines {
		if err := json.NewEncoder(&b).Encode(l); err != nil {
			x.t.Fatal(err)
		}
	}
	return b.Bytes()
}

// put adds an entry.
func (x *forgery) put(kind string, facts object) {
	x.t.Helper()
	id := uuid.Must(uuid.NewV7()).String()
	leaf, err := canonical(object{"v": 1, "id": id, "attempt": id, "kind": kind, "stage": stageNote, "log_id": x.log, "c": object{}, "facts": facts})
	if err != nil {
		x.t.Fatal(err)
	}
	l := exportLine{Type: "entry", Idx: new(int64), Leaf: string(leaf), DBTime: "2026-11-25T00:00:00.000Z"}
	x.lines = slices.Insert(x.lines, len(x.lines)-1, l)
}

// state adds a statement.
func (x *forgery) state(kind string, lines []string, signers ...Key) {
	x.t.Helper()
	var list []note.Signer
	for _, k := range signers {
		list = append(list, x.signer(k))
	}
	text, err := makeStatement(headRotated, "shop/"+x.log, lines, list...)
	if err != nil {
		x.t.Fatal(err)
	}
	x.put(kind, object{"statement": text})
}

func (x *forgery) signer(k Key) note.Signer {
	x.t.Helper()
	s, err := k.signer()
	if err != nil {
		x.t.Fatal(err)
	}
	return s
}

func (x *forgery) public(k Key) string {
	x.t.Helper()
	text, err := k.Public()
	if err != nil {
		x.t.Fatal(err)
	}
	return text
}

// seal makes the tree anew and signs it.
func (x *forgery) seal(k Key) {
	x.t.Helper()
	for i := range x.lines[:len(x.lines)-1] {
		l := &x.lines[i]
		h, _ := readHeader([]byte(l.Leaf))
		l.Seal = string(sealLeaf(h.id, []byte(l.Leaf), facts{dbTime: l.DBTime, xid: l.XID}))
	}
	x.sign(k)
}

// root numbers the lines and is the root of their tree.
func (x *forgery) root() Checkpoint {
	var tr tree
	for i := range x.lines[:len(x.lines)-1] {
		idx := int64(i)
		x.lines[i].Idx = &idx
		tr.add(tlog.RecordHash([]byte(x.lines[i].Seal)))
	}
	return Checkpoint{Origin: "shop/" + x.log, Size: tr.size, Root: tr.root()}
}

// sign signs the tree as the lines have it.
func (x *forgery) sign(k Key) { x.signText(x.root().String(), k) }

func (x *forgery) signText(text string, signers ...Key) {
	x.t.Helper()
	var list []note.Signer
	for _, k := range signers {
		list = append(list, x.signer(k))
	}
	msg, err := note.Sign(&note.Note{Text: text}, list...)
	if err != nil {
		x.t.Fatal(err)
	}
	x.checkpoint().Note = string(msg)
}

// resealed changes the leaf of a line, makes the tree anew and signs it with the
// log's key: what whoever has that, or waits for the next one who seals, can do.
func (x *forgery) resealed(l *exportLine, old, now string) {
	x.t.Helper()
	x.change(&l.Leaf, old, now)
	x.seal(x.now)
}

var firstMAC = regexp.MustCompile(`"actor":"[^"]*"`)

type forger struct {
	name string
	do   func(x *forgery)
}

// forgeries break the rules of docs/audit-format.md, each one of them.
var forgeries = []forger{
	// Without a key.
	{"a line that is no JSON", func(x *forgery) { x.written(`{"type"`, `{type`) }},
	{"a line of no type", func(x *forgery) { x.intent().Type = "comment" }},
	{"a line is left out", func(x *forgery) { x.lines = slices.Delete(x.lines, 3, 4) }},
	{"a line is there twice", func(x *forgery) { x.lines = slices.Insert(x.lines, 3, x.lines[3]) }},
	{"two lines change places", func(x *forgery) { x.lines[3], x.lines[4] = x.lines[4], x.lines[3] }},
	{"a place that is no whole number", func(x *forgery) { x.written(`"idx":1,`, `"idx":1.0,`) }},
	{"a place that is no number", func(x *forgery) { x.written(`"idx":1,`, `"idx":true,`) }},
	{"a line without its place", func(x *forgery) { x.intent().Idx = nil }},
	{"a leaf is changed", func(x *forgery) { x.change(&x.intent().Leaf, "goose", "moose") }},
	{"a leaf of the tree is changed", func(x *forgery) { x.change(&x.intent().Seal, `"v":1`, `"v":2`) }},
	{"a time is changed", func(x *forgery) { x.change(&x.intent().DBTime, "20", "19") }},
	{"a transaction is added", func(x *forgery) { x.intent().XID = "7" }},
	{"a section is changed", func(x *forgery) {
		x.intent().section(sectionActor, func(s *exportSection) { x.change(&s.Body, "claimed", "verified") })
	}},
	{"a salt is changed", func(x *forgery) {
		x.intent().section(sectionActor, func(s *exportSection) { s.Salt = base64.StdEncoding.EncodeToString(make([]byte, saltSize)) })
	}},
	{"a salt has a zero more", func(x *forgery) {
		x.intent().section(sectionActor, func(s *exportSection) {
			salt, _ := base64.StdEncoding.DecodeString(s.Salt)
			s.Salt = base64.StdEncoding.EncodeToString(append(salt, 0))
		})
	}},
	{"a section is taken from another entry", func(x *forgery) { x.intent().Sections[sectionActor] = x.at(kindOutcome).Sections[sectionActor] }},
	{"a section is left out", func(x *forgery) { delete(x.intent().Sections, sectionActor) }},
	{"a section is said to be erased", func(x *forgery) {
		delete(x.intent().Sections, sectionActor)
		x.intent().Erased = []string{sectionActor}
	}},
	{"a section is added", func(x *forgery) { x.intent().Sections["sqk"] = x.intent().Sections[sectionActor] }},
	{"no checkpoint", func(x *forgery) { x.lines = x.lines[:len(x.lines)-1] }},
	{"a checkpoint before its last entry", func(x *forgery) {
		n := len(x.lines)
		x.lines[n-2], x.lines[n-1] = x.lines[n-1], x.lines[n-2]
	}},
	{"a checkpoint of another size", func(x *forgery) {
		x.change(&x.checkpoint().Note, fmt.Sprintf("\n%d\n", len(x.lines)-1), fmt.Sprintf("\n%d\n", len(x.lines)))
	}},
	{"a checkpoint without a signature", func(x *forgery) {
		text, _, _ := strings.Cut(x.checkpoint().Note, "\n\n")
		x.checkpoint().Note = text + "\n\n"
	}},
	{"a checkpoint without an end", func(x *forgery) { x.checkpoint().Note = strings.TrimSuffix(x.checkpoint().Note, "\n") }},
	{"a checkpoint by a key of nobody's", func(x *forgery) { x.sign(x.evil) }},
	{"a forged checkpoint after a true one", func(x *forgery) {
		x.lines = append(x.lines, x.lines[len(x.lines)-1])
		x.signText(x.lines[len(x.lines)-2].Note[:strings.Index(x.lines[len(x.lines)-2].Note, "\n\n")+1], x.evil)
	}},
	{"a signature that is none before a true one", func(x *forgery) {
		n := &x.checkpoint().Note
		i := strings.LastIndexByte(*n, ' ') + 1
		blob, _ := base64.StdEncoding.DecodeString(strings.TrimSpace((*n)[i:]))
		blob[len(blob)-1] ^= 1
		x.change(n, "\n\n", "\n\n— shop "+base64.StdEncoding.EncodeToString(blob)+"\n")
	}},

	// Sealed and signed by the log's own key.
	{"the first entry opens no log", func(x *forgery) { x.resealed(&x.lines[0], kindLogOpen, "state") }},
	{"a log without a name", func(x *forgery) { x.resealed(&x.lines[0], `"log_id":"`+x.log+`",`, "") }},
	{"a log that is no database's", func(x *forgery) { x.resealed(&x.lines[0], `"identity":{}`, `"identity":{"system":7}`) }},
	{"an entry of another log", func(x *forgery) {
		x.resealed(x.at("state"), `"log_id":"`+x.log, `"log_id":"`+uuid.Must(uuid.NewV7()).String())
	}},
	{"a copy of another log", func(x *forgery) { x.open(uuid.Must(uuid.NewV7()).String(), x.root().Root.String()) }},
	{"a copy of another history", func(x *forgery) { x.open(x.log, tlog.Hash{}.String()) }},
	{"an entry is sealed twice", func(x *forgery) {
		x.lines = slices.Insert(x.lines, 3, x.lines[2])
		x.seal(x.now)
	}},
	{"a leaf with a space", func(x *forgery) { x.resealed(x.intent(), `"kind":`, `"kind": `) }},
	{"a log behind an escape", func(x *forgery) { x.resealed(x.at("state"), `"log_id":"0`, `"log_id":"\u0030`) }},
	{"an entry without an id", func(x *forgery) {
		l := x.intent()
		h, _ := readHeader([]byte(l.Leaf))
		x.change(&l.Leaf, `"id":"`+h.id.String(), `"id":"nobody`)
		x.seal(x.now)
		x.change(&l.Seal, uuid.Nil.String(), "nobody")
		x.sign(x.now)
	}},
	{"an entry without a kind", func(x *forgery) { x.resealed(x.intent(), `"kind":"intent",`, "") }},
	{"an entry without commitments", func(x *forgery) { x.resealed(&x.lines[0], `"c":{}`, `"d":{}`) }},
	{"a commitment that is none", func(x *forgery) {
		l := x.intent()
		l.Sections = nil
		x.resealed(l, firstMAC.FindString(l.Leaf), `"actor":"QUJD"`)
	}},
	{"a long salt", func(x *forgery) {
		l, salt := x.intent(), bytes.Repeat([]byte{1}, 65)
		l.section(sectionActor, func(s *exportSection) { s.Salt = base64.StdEncoding.EncodeToString(salt) })
		x.resealed(l, firstMAC.FindString(l.Leaf), `"actor":"`+commit(salt, []byte(l.Sections[sectionActor].Body))+`"`)
	}},
	{"a time in another form of JSON", func(x *forgery) {
		l := x.intent()
		l.DBTime = "2026\x01"
		x.seal(x.now)
		x.change(&l.Seal, `\x01`, `\u0001`)
		x.sign(x.now)
	}},
	{"a transaction that is a number", func(x *forgery) {
		l := x.intent()
		l.XID = "7"
		x.seal(x.now)
		x.change(&l.Seal, `"xid":"7"`, `"xid":7`)
		x.sign(x.now)
		x.written(`"xid":"7"`, `"xid":7`)
	}},
	{"an empty transaction", func(x *forgery) {
		l := x.intent()
		x.change(&l.Seal, `"v":1`, `"v":1,"xid":""`)
		x.sign(x.now)
		x.written(`"type":"entry","idx":1,`, `"type":"entry","xid":"","idx":1,`)
	}},
	{"an erasure that no erasing entry tells of", func(x *forgery) {
		l := x.intent()
		h, _ := readHeader([]byte(l.Leaf))
		delete(l.Sections, sectionActor)
		l.Erased = []string{sectionActor}
		x.put("manual.force", object{"deleted": object{sectionActor: []any{fmt.Sprintf("%x", h.id[:])}}})
		x.seal(x.now)
	}},
	{"a size with a zero before it", func(x *forgery) {
		c := x.root()
		x.signText(fmt.Sprintf("%s\n0%d\n%s\n", c.Origin, c.Size, c.Root), x.now)
	}},
	{"a checkpoint of no log", func(x *forgery) {
		c := x.root()
		x.signText(fmt.Sprintf("\n%d\n%s\n", c.Size, c.Root), x.now)
	}},
}

// keyForgeries are those with a key that was replaced, or that never signed.
var keyForgeries = []forger{
	{"the replaced key signs the end", func(x *forgery) { x.sign(x.old) }},
	{"the replaced key signs another end", func(x *forgery) { x.put("state", object{}); x.seal(x.old) }},
	{"the replaced key names a successor", func(x *forgery) {
		x.state(KindRotated, []string{x.public(x.old), x.public(x.evil)}, x.old, x.evil)
		x.seal(x.evil)
	}},
	{"the replaced key names a successor of its successor", func(x *forgery) {
		x.state(KindRotated, []string{x.public(x.now), x.public(x.evil)}, x.old, x.evil)
		x.seal(x.evil)
	}},
	{"a stranger names himself", func(x *forgery) {
		x.state(KindRotated, []string{x.public(x.now), x.public(x.evil)}, x.evil)
		x.seal(x.evil)
	}},
	{"two successors at once", func(x *forgery) {
		x.state(KindRotated, []string{x.public(x.now), x.public(x.evil), x.public(x.evil)}, x.now)
		x.seal(x.evil)
	}},
	{"a key that was replaced in an entry of another kind signs", func(x *forgery) {
		x.state(KindGivenUp, []string{x.public(x.now), x.public(x.evil)}, x.now, x.evil)
		x.put("state", object{})
		x.seal(x.now)
	}},
	{"a rotation with a signature that is none", func(x *forgery) {
		x.state(KindRotated, []string{x.public(x.now), x.public(x.evil)}, x.evil, x.now)
		l := &x.lines[len(x.lines)-2]
		i := strings.LastIndex(l.Leaf, `\n"`) - 3 // in its last signature
		l.Leaf = l.Leaf[:i-1] + string(l.Leaf[i-1]^1) + l.Leaf[i:]
		x.seal(x.evil)
	}},
}

// open puts an entry at the end that opens a log as a copy, and seals.
func (x *forgery) open(from, root string) {
	x.t.Helper()
	id := uuid.Must(uuid.NewV7()).String()
	leaf, err := canonical(object{"v": 1, "id": id, "attempt": id, "kind": kindLogOpen, "stage": stageStart, "log_id": id, "c": object{},
		"identity": object{}, "parent": object{"log_id": from, "size": x.root().Size, "root": root}})
	if err != nil {
		x.t.Fatal(err)
	}
	x.lines = slices.Insert(x.lines, len(x.lines)-1, exportLine{Type: "entry", Idx: new(int64), Leaf: string(leaf), DBTime: "2026-11-25T00:00:00.000Z"})
	x.seal(x.now)
}

// TestBothRefuse: what this implementation refuses, testdata/verify.py does, and
// what it takes, the other takes.
func TestBothRefuse(t *testing.T) {
	oldKey, oldPublic := freshKey(t)
	nowKey, nowPublic := freshKey(t)
	evil, _ := freshKey(t)
	b := newBench(t, kitSQLite, Config{Key: oldKey})
	b.migrate(2)
	b.over()
	b.must(b.rotate(nowKey, Rotation{Old: oldKey}))
	next := newBenchAt(t, kitSQLite, b.dsn, Config{Key: nowKey})
	next.migrate(1)
	_, err := next.store.Erase(t.Context(), EraseOptions{Attempt: next.attemptOf("0"), Section: sectionSQL, Reason: "asked for"})
	b.must(err)
	b.must(next.store.Note(t.Context(), "state", map[string]any{"é\u2028": 0.5, "a": []any{nil, true, "\t\"\u007f😀"}}))
	next.over()
	var out bytes.Buffer
	b.must(Export(t.Context(), b.db, kitSQLite.system, JSONL, &out, nil))
	clean := out.Bytes()

	// verdicts are ours and Python's, for each key.
	verdicts := func(text []byte, keys ...string) (list []string) {
		for _, public := range keys {
			here := VerdictOK
			if r, err := VerifyExport(bytes.NewReader(text), VerifyConfig{Keys: []string{public}}); err != nil {
				here = err.Error()
			} else if r.Verdict() != VerdictOK {
				here = fmt.Sprint(codes(r), r.Unchecked)
			}
			there := inPython(t, public, text)
			if strings.HasPrefix(there, "Traceback") {
				t.Errorf("Python broke: %s", there)
			}
			list = append(list, here, there)
		}
		return list
	}
	well := func(verdict string) bool { return verdict == VerdictOK || strings.HasPrefix(verdict, "ok ") }
	read := func(t *testing.T) *forgery {
		x := &forgery{t: t, old: oldKey, now: nowKey, evil: evil}
		for line := range bytes.Lines(clean) {
			var l exportLine
			if err := json.Unmarshal(line, &l); err != nil {
				t.Fatal(err)
			}
			x.lines = append(x.lines, l)
		}
		h, err := readHeader([]byte(x.lines[0].Leaf))
		if err != nil {
			t.Fatal(err)
		}
		x.log = h.log
		return x
	}
	for _, f := range []forger{ // what they take: no forgery is refused for how it was made
		{"as it is", func(x *forgery) {}},
		{"sealed again", func(x *forgery) { x.seal(x.now) }},
		{"rotated again", func(x *forgery) {
			x.state(KindRotated, []string{nowPublic, x.public(x.evil)}, x.now, x.evil)
			x.put("state", object{})
			x.seal(x.evil)
		}},
		{"a word of nobody's", func(x *forgery) {
			x.put(KindRotated, object{"statement": "x\n\n\u2014 shop \n"})
			x.put(KindErase, object{"deleted": []any{1}})
			x.put(KindErase, object{"deleted": object{"sql": []any{1}, "why": 7}})
			x.seal(x.now)
		}},
		{"a copy", func(x *forgery) { x.open(x.log, x.root().Root.String()) }},
	} {
		x := read(t)
		f.do(x)
		for i, v := range verdicts(x.marshal(), oldPublic, nowPublic) {
			if !well(v) {
				t.Errorf("%s: verdict %d is %s", f.name, i, v)
			}
		}
	}
	refused := func(list []forger, keys ...string) {
		for _, f := range list {
			t.Run(f.name, func(t *testing.T) {
				x := read(t)
				f.do(x)
				if x.text == nil {
					x.text = x.marshal()
				}
				got := verdicts(x.text, keys...)
				t.Logf("%q", got)
				if slices.ContainsFunc(got, well) {
					t.Errorf("taken: %q", got)
				}
			})
		}
	}
	refused(forgeries, nowPublic)
	refused(keyForgeries, oldPublic, nowPublic)
}
