package metrics

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTextfile(t *testing.T) {
	s := full(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "sqlwitness.prom")
	for range 2 {
		if err := WriteTextfile(path, s.WritePrometheus); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), migrationsTotal) {
		t.Errorf("%v: %.100s", err, text)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("node_exporter may not read it: %v", info.Mode())
	}
	for _, bad := range []string{filepath.Join(dir, "sqlwitness.txt"), filepath.Join(dir, "none", "a.prom")} {
		if err := WriteTextfile(bad, s.WritePrometheus); err == nil {
			t.Errorf("%s was written", bad)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("something was left behind: %v", entries)
	}
}

func TestPush(t *testing.T) {
	const secret = "hunter2"
	for _, c := range []struct {
		name    string
		answers []int // the last one again and again
		tries   int
		wrong   string
	}{
		{"taken", []int{204}, 1, ""},
		{"taken in the end", []int{503, 429, 200}, 3, ""},
		{"refused", []int{400}, 1, "400"},
		{"never taken", []int{500}, 5, "500"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tries, got := 0, ""
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				got = string(body)
				w.WriteHeader(c.answers[min(tries, len(c.answers)-1)])
				tries++
			}))
			defer srv.Close()
			err := Push(context.Background(), srv.Client(), srv.URL+"/metrics/job/migrate?token="+secret, full(t).WritePrometheus)
			if (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("error %v", err)
			}
			if tries != c.tries || !strings.Contains(got, runsTotal) {
				t.Errorf("%d tries, want %d", tries, c.tries)
			}
		})
	}
	for _, status := range []int{http.StatusMovedPermanently, http.StatusTemporaryRedirect} {
		elsewhere := 0
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/elsewhere" {
				elsewhere++
				return
			}
			http.Redirect(w, r, "/elsewhere", status)
		}))
		err := Push(context.Background(), srv.Client(), srv.URL+"/?token="+secret, full(t).WritePrometheus)
		if err == nil || strings.Contains(err.Error(), secret) || elsewhere != 0 {
			t.Errorf("led elsewhere by %d, and gone there %d times: %v", status, elsewhere, err)
		}
		srv.Close()
	}
	quoting := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, out, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = out.WriteString("HTTP/1.1 400 no metrics for " + r.URL.String() + "\r\nContent-Length: 0\r\n\r\n")
		_ = out.Flush()
	}))
	defer quoting.Close()
	if err := Push(context.Background(), quoting.Client(), quoting.URL+"/?token="+secret, full(t).WritePrometheus); err == nil || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), "400") {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, to := range []string{"http://127.0.0.1:1/?token=" + secret, "http://user:" + secret + "@[::1", "x://" + secret} {
		if err := Push(ctx, http.DefaultClient, to, New(Config{}).WritePrometheus); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("error %v", err)
		}
	}
}
