package anchor

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// place keeps notes once it has failed so often.
type place struct {
	mu    sync.Mutex
	fails int
	err   error
	notes []string
}

func (*place) Name() string { return "place" }

func (p *place) Put(_ context.Context, note []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fails > 0 {
		p.fails--
		return p.err
	}
	p.notes = append(p.notes, string(note))
	return nil
}

func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &place{fails: 3, err: errors.New("not now")}
		q := NewQueue(p, nil)
		q.Add([]byte("1"))
		q.Add([]byte("2"))
		synctest.Wait()
		if s := q.Stats(); s.Lag == 0 || s.Error != "not now" || s.Delivered != 0 {
			t.Errorf("while it fails: %+v", s)
		}
		if err := q.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if s := q.Stats(); s.Lag != 0 || s.Error != "" || s.Delivered != 2 || strings.Join(p.notes, " ") != "1 2" {
			t.Errorf("afterwards: %+v, %v", s, p.notes)
		}
		q.Add([]byte("3"))
		if s := q.Stats(); s.Dropped != 1 {
			t.Errorf("after Close: %+v", s)
		}
	})
}

// Newer notes cover those that they take the place of.
func TestQueueFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &place{fails: 1 << 20, err: errors.New("not now")}
		q := NewQueue(p, nil)
		for i := range queueSize + 5 {
			q.Add([]byte{byte(i)})
		}
		if s := q.Stats(); s.Dropped != 5 {
			t.Errorf("stats are %+v", s)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := q.Close(ctx); err == nil || !strings.Contains(err.Error(), "place") {
			t.Errorf("Close says %v", err)
		}
		synctest.Wait()
	})
}

func TestQueueGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &place{fails: 1 << 20, err: errors.New("never")}
		q := NewQueue(p, nil)
		q.Add([]byte("1"))
		time.Sleep(giveUp + time.Hour)
		if s := q.Stats(); s.Failed != 1 || s.Lag != 0 {
			t.Errorf("stats are %+v", s)
		}
	})
}

func TestQueuePanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := NewQueue(Func{"mine", func(context.Context, []byte) error { panic("x") }}, nil)
		q.Add([]byte("1"))
		synctest.Wait()
		if s := q.Stats(); s.Failed != 1 || !strings.Contains(s.Error, "mine panicked") {
			t.Errorf("stats are %+v", s)
		}
	})
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "anchor.jsonl")
	f := NewFile(path)
	defer f.Close()
	put := func(note string) {
		t.Helper()
		if err := f.Put(t.Context(), []byte(note)); err != nil {
			t.Fatal(err)
		}
	}
	read := func() string {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	put("a\nb\n")
	put("c")
	if got := read(); got != "{\"checkpoint\":\"a\\nb\\n\"}\n{\"checkpoint\":\"c\"}\n" {
		t.Errorf("the file has %q", got)
	}
	// What is written after the file is gone must not go where nobody sees it.
	for name, remove := range map[string]func() error{
		"deleted": func() error { return os.Remove(path) },
		"moved":   func() error { return os.Rename(path, path+".1") },
	} {
		if err := remove(); err != nil {
			t.Fatal(err)
		}
		put(name)
		if got := read(); got != "{\"checkpoint\":\""+name+"\"}\n" {
			t.Errorf("%s: the file has %q", name, got)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the mode is %v (%v)", info.Mode(), err)
	}
	link := path + ".link"
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := NewFile(link).Put(t.Context(), []byte("x")); err == nil {
		t.Error("it followed a link")
	}
}

func TestWebhook(t *testing.T) {
	const secret = "s3cr3t"
	status, got := 200, ""
	var header http.Header
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, header = string(b), r.Header
		if status == 302 {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(status)
	}))
	url := server.URL + "/" + secret
	w, err := NewWebhook(url, http.Header{"Authorization": {"Bearer " + secret}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		status int
		ok     bool
		final  bool
	}{{200, true, false}, {204, true, false}, {302, false, true}, {400, false, true}, {404, false, true}, {429, false, false}, {500, false, false}, {503, false, false}} {
		status = c.status
		err := w.Put(t.Context(), []byte("note"))
		if (err == nil) != c.ok || got != "note" || header.Get("Authorization") != "Bearer "+secret {
			t.Errorf("%d: error %v, body %q", c.status, err, got)
		}
		q := NewQueue(w, nil)
		ctx, cancel := context.WithCancel(t.Context())
		q.Add([]byte("note"))
		if !c.ok && !c.final {
			cancel() // it would go on for minutes
		}
		_ = q.Close(ctx)
		cancel()
		if s := q.Stats(); c.final && s.Failed != 1 || c.ok && s.Delivered != 1 || strings.Contains(s.Error, secret) || strings.Contains(s.Name, secret) {
			t.Errorf("%d: %+v", c.status, s)
		}
	}
	server.Close()
	if err := w.Put(t.Context(), []byte("note")); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("nobody there: %v", err)
	}
	for _, bad := range []string{"", "x", "ftp://" + secret, "http://", "http://\x00" + secret} {
		if _, err := NewWebhook(bad, nil, nil); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestLine(t *testing.T) {
	if got := Line([]byte("a\n— b <&>\n")); !bytes.HasSuffix(got, []byte("\n")) || bytes.Count(got, []byte("\n")) != 1 {
		t.Errorf("the line is %q", got)
	}
}
