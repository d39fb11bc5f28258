package sqlwitness

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sqlwitness/sqlwitness/alert"
	"github.com/sqlwitness/sqlwitness/event"
)

// TestPublish: a job that is gone before a scrape leaves its metrics behind.
func TestPublish(t *testing.T) {
	pushed := make(chan string, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		pushed <- string(body)
	}))
	defer srv.Close()
	file := filepath.Join(t.TempDir(), "migrate.prom")
	w, err := New(Config{LogOutput: io.Discard, PushURL: srv.URL, Textfile: file})
	if err != nil {
		t.Fatal(err)
	}
	db, err := w.Open("sqlite", t.TempDir()+"/a.db")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"CREATE TABLE goose_db_version (id integer, version_id integer, is_applied integer, tstamp timestamp)",
		"INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true)"} {
		if _, err := db.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
	_ = db.Close()
	if err := w.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	const want = `sqlwitness_runs_total{tool="goose"`
	if err != nil || !strings.Contains(string(text), want) {
		t.Errorf("the file lacks %s: %v\n%s", want, err, text)
	}
	if last := <-pushed; !strings.Contains(last, want) {
		t.Errorf("what was pushed lacks %s", want)
	}
}

func TestPublishTellsOfItsTrouble(t *testing.T) {
	const secret = "hunter2"
	var log strings.Builder
	w, err := New(Config{LogOutput: &log, PushURL: "http://127.0.0.1:1/?token=" + secret})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = w.publisher.publish(ctx)
	if err := w.log.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := log.String(); !strings.Contains(got, `"part":"metrics"`) || strings.Contains(got, secret) {
		t.Errorf("the log: %s", got)
	}
}

// TestPublishedAgain: the end of a trouble is told, and once.
func TestPublishedAgain(t *testing.T) {
	var log strings.Builder
	dir := filepath.Join(t.TempDir(), "later")
	w, err := New(Config{LogOutput: &log, Textfile: filepath.Join(dir, "migrate.prom")})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.publisher.publish(t.Context()); err == nil {
		t.Error("it was written into a directory that is not there")
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.publisher.publish(t.Context()), w.Close(t.Context())); err != nil {
		t.Error(err)
	}
	if got := log.String(); strings.Count(got, `"over":true`) != 1 || strings.Count(got, `"kind":"textfile"`) != 2 {
		t.Errorf("the log: %s", got)
	}
}

// TestListenTaken: a second process in the same environment works without a page
// of its own, and says so.
func TestListenTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var log strings.Builder
	w, err := New(Config{LogOutput: &log, Listen: l.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := log.String(); !strings.Contains(got, `"part":"server","kind":"listen"`) || !strings.Contains(got, "address already in use") {
		t.Errorf("the log: %s", got)
	}
}

// deaf is a server that takes everything and answers nothing.
type deaf struct{}

func (deaf) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// TestCloseBehindPush: Close waits for a push that hangs no longer than it may.
func TestCloseBehindPush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, err := New(Config{LogOutput: io.Discard, PushURL: "http://metrics.invalid/"})
		if err != nil {
			t.Fatal(err)
		}
		w.publisher.client.Transport = deaf{}
		w.publisher.Run(&event.Run{Finished: true})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		begun := time.Now()
		if err := w.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close: %v", err)
		}
		if took := time.Since(begun); took != time.Second/2 { // the rest is for the log
			t.Errorf("Close took %v", took)
		}
		time.Sleep(publishLimit) // until the push gives up
	})
}

// TestCloseBehindAlerts: an alert channel that does not answer takes neither the
// metrics nor the log's last lines along.
func TestCloseBehindAlerts(t *testing.T) {
	for _, end := range []string{"close", "failure"} {
		t.Run(end, func(t *testing.T) {
			hang := make(chan struct{})
			channel := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				<-hang
			}))
			defer channel.Close()
			defer close(hang)
			pushed := make(chan string, 10)
			metrics := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				pushed <- string(body)
			}))
			defer metrics.Close()
			var log strings.Builder
			w, err := New(Config{LogOutput: &log, PushURL: metrics.URL, FlushOnFailure: end == "failure",
				Alert: alert.Config{Env: "prod", Channels: []alert.Channel{{Name: "hook", Kind: "webhook", URL: alert.NewSecret(channel.URL)}}}})
			if err != nil {
				t.Fatal(err)
			}
			m := &event.Migration{Trace: event.Trace{RunID: "r", MigrationID: newID()}, Database: event.Database{System: "postgresql", Name: "shop"}, Tool: "goose",
				Version: new("7"), Start: time.Now(), Outcome: event.Failed, ErrorClass: event.ClassSyntax}
			w.each(func(s event.Sink) { s.Migration(m) })
			if end == "failure" {
				w.flushOnFailure()
			}
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
			defer cancel()
			if end == "failure" {
				defer func() { _ = w.Close(ctx) }()
			} else if err := w.Close(ctx); err == nil || !strings.Contains(err.Error(), "1 could not be sent to hook") || strings.Contains(err.Error(), "\n") {
				t.Errorf("Close: %v", err)
			}
			select {
			case text := <-pushed:
				if !strings.Contains(text, "sqlwitness_migrations_total{") {
					t.Errorf("the metrics: %s", text)
				}
			default:
				t.Error("no metrics were pushed")
			}
			if end == "close" && !strings.Contains(log.String(), `"alert.firing"`) {
				t.Errorf("the log: %s", log.String())
			}
		})
	}
}

// TestDisabledPublishesNothing: the kill switch leaves the last metrics of another
// process where they are.
func TestDisabledPublishesNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "migrate.prom")
	w := newWitness(t, Config{Disabled: true, Textfile: file})
	if err := w.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it was written: %v", err)
	}
}
