package main

import (
	"bufio"
	"context"
	"database/sql"

	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/alert"
	"github.com/sqlwitness/sqlwitness/event"
)

// connections runs statements on many connections at once, some of which fail,
// with scrapes, an open page, a log that takes its time and an alert webhook that
// never answers.
func (l *load) connections(ctx context.Context) error {
	dsn, err := l.database(ctx, "connections")
	if err != nil {
		return err
	}
	deaf, err := net.Listen("tcp", "127.0.0.1:0") // accepts nothing, so that nothing is answered
	if err != nil {
		return err
	}
	defer deaf.Close()
	log, count := &slowLog{}, &counter{}
	w, err := sqlwitness.New(sqlwitness.Config{LogOutput: log, LogLevel: "debug", Sinks: []event.Sink{count}, Alert: alert.Config{Env: "prod", Channels: []alert.Channel{
		{Name: "deaf", Kind: "webhook", URL: alert.NewSecret("http://" + deaf.Addr().String())}}}})
	if err != nil {
		return err
	}
	page := httptest.NewServer(w.Handler())
	defer page.Close()
	db, err := w.Open("pgx", dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(l.conns)
	db.SetMaxIdleConns(l.conns)
	if _, err := db.ExecContext(ctx, "CREATE TABLE t (a INT PRIMARY KEY, b TEXT); INSERT INTO t SELECT i, 'x' FROM generate_series(1, 1000) i"); err != nil {
		return err
	}

	running, stop := context.WithTimeout(ctx, l.length)
	defer stop()
	var done sync.WaitGroup
	var ok, failed, scrapes, streamed atomic.Int64
	began := time.Now()
	for i := range l.conns {
		done.Go(func() {
			for n := i; running.Err() == nil; n++ {
				if err := work(ctx, db, n); err == nil {
					ok.Add(1)
				} else {
					failed.Add(1)
				}
			}
		})
	}
	done.Go(func() {
		for tick := time.NewTicker(time.Second); ; {
			select {
			case <-running.Done():
				tick.Stop()
				return
			case <-tick.C:
				if _, err := scrape(page.URL); err == nil {
					scrapes.Add(1)
				}
				// A migration that fails is an alert, which nobody takes.
				_, _ = db.ExecContext(ctx, "CREATE TABLE t (a INT)")
			}
		}
	})
	done.Go(func() { streamed.Store(stream(running, page.URL)) })

	<-time.After(l.length / 5) // until then it only fills what it keeps
	before := used()
	done.Wait()
	took := time.Since(began)
	after := used()
	closing, cancel := context.WithTimeout(ctx, 10*time.Second) // enough for the slow log's queue
	defer cancel()
	closed := w.Close(closing)
	_ = db.Close()
	text, err := scrape(page.URL) // what is given up last is counted, too
	if err != nil {
		return err
	}

	seen := sum(text, `db_client_operation_duration_seconds_count\{[^}]*db_operation_name="(SELECT|UPDATE)"`)
	fmt.Printf("%d connections for %v: %d statements (%.0f/s), %d of them failed; %d scrapes, %d page events\n",
		l.conns, took.Round(time.Second), ok.Load()+failed.Load(), float64(ok.Load()+failed.Load())/took.Seconds(), failed.Load(), scrapes.Load(), streamed.Load())
	fmt.Printf("a fifth in: %v; at the end: %v\n", before, after)
	lines, dropped := log.lines.Load(), int64(sum(text, `sqlwitness_events_dropped_total\{[^}]*sink="log"`))
	suppressed, told := int64(plain(text, "sqlwitness_log_lines_suppressed_total")), count.failed.Load()+count.slow.Load()
	unheard := sum(text, `sqlwitness_events_dropped_total\{[^}]*sink="alert"`)
	unsent := sum(text, `sqlwitness_alerts_dropped_total\{[^}]*channel="deaf"`)
	fmt.Printf("counted in the metrics: %.0f statements; log: %d lines written, %d dropped, %d suppressed, for %d statements told as failed and %d as slow\n",
		seen, lines, dropped, suppressed, count.failed.Load(), count.slow.Load())
	fmt.Printf("alerts: %.0f events not taken, %d changes told, %.0f messages given up; Close: %v\n", unheard, count.alerts.Load(), unsent, closed)
	if lines+dropped+suppressed < told {
		return fmt.Errorf("the log owes a line for each of %d statements; %d are written or counted", told, lines+dropped+suppressed)
	}
	if int64(unsent) != count.alerts.Load() { // each goes to the one channel, which takes none
		return fmt.Errorf("%d changes of alerts were told, %.0f messages given up", count.alerts.Load(), unsent)
	}
	if int64(seen) != ok.Load()+failed.Load() {
		return fmt.Errorf("%d statements were sent, %.0f counted", ok.Load()+failed.Load(), seen)
	}
	if n := count.failed.Load(); n < failed.Load() {
		return fmt.Errorf("%d statements failed, %d were told of", failed.Load(), n)
	}
	return grown(before, after)
}

// work is one statement; every 64th fails.
func work(ctx context.Context, db *sql.DB, n int) error {
	switch {
	case n%64 == 63:
		_, err := db.ExecContext(ctx, "SELECT 1/(a-a) FROM t")
		return err
	case n%4 == 3:
		_, err := db.ExecContext(ctx, "UPDATE t SET b = $1 WHERE a = $2", "y", n%1000+1)
		return err
	}
	var b string
	return db.QueryRowContext(ctx, "SELECT b FROM t WHERE a = $1", n%1000+1).Scan(&b)
}

// slowLog is a terminal over a bad line.
type slowLog struct{ lines atomic.Int64 }

func (s *slowLog) Write(p []byte) (int, error) {
	s.lines.Add(1)
	time.Sleep(5 * time.Millisecond)
	return len(p), nil
}

// counter counts what a sink is told.
type counter struct {
	event.Ignore
	failed, slow, alerts atomic.Int64
}

func (c *counter) Statement(s *event.Statement) {
	if s.Err != nil && s.Class != "ddl" {
		c.failed.Add(1)
	}
	if s.Slow {
		c.slow.Add(1)
	}
}

// Alert leaves out what is said of the one channel, which is not sent to itself.
func (c *counter) Alert(a *event.Alert) {
	if a.Rule != alert.DeliveryFailing {
		c.alerts.Add(1)
	}
}

func scrape(url string) (string, error) {
	res, err := http.Get(url + "/metrics")
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return string(text), err
}

// stream reads what a page would until ctx is done, and counts it.
func stream(ctx context.Context, url string) (events int64) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/api/events", nil)
	if err != nil {
		return 0
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	for in := bufio.NewReader(res.Body); ; {
		line, err := in.ReadString('\n')
		if strings.HasPrefix(line, "data:") {
			events++
		}
		if err != nil {
			return events
		}
	}
}

// plain is the value of a series without labels.
func plain(metrics, name string) float64 {
	m := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindStringSubmatch(metrics)
	if m == nil {
		return 0
	}
	v, _ := strconv.ParseFloat(m[1], 64)
	return v
}

// sum adds up the series that a pattern matches.
func sum(metrics, pattern string) (total float64) {
	series := regexp.MustCompile(`(?m)^` + pattern + `[^}]*\} (\S+)$`)
	for _, m := range series.FindAllStringSubmatch(metrics, -1) {
		v, _ := strconv.ParseFloat(m[len(m)-1], 64)
		total += v
	}
	return total
}
