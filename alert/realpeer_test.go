package alert

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/event"
)

// TestAlertmanager sends to a real one.
func TestAlertmanager(t *testing.T) {
	am := startAlertmanager(t)
	t.Run("life", func(t *testing.T) { t.Parallel(); testLife(t, am) })
	t.Run("severity", func(t *testing.T) { t.Parallel(); testSeverity(t, am) })
	t.Run("two severities", func(t *testing.T) { t.Parallel(); testTwoSeverities(t, am) })
	t.Run("queue", func(t *testing.T) { t.Parallel(); testQueue(t, am) })
	t.Run("exit", func(t *testing.T) { t.Parallel(); testExit(t, am) })
	t.Run("clock", func(t *testing.T) { t.Parallel(); testClock(t, am) })
	t.Run("restart", func(t *testing.T) { t.Parallel(); testRestart(t, am) })
	t.Run("down", func(t *testing.T) { t.Parallel(); testDown(t, am) })
	for name, fault := range map[string]func(http.ResponseWriter, *http.Request){
		"429":                  status(429),
		"429 with Retry-After": status(429, "Retry-After", "1"),
		"500":                  status(500),
		"503":                  status(503),
		"hang": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // else the server does not see that the client goes
			hang(w, r)
		},
		"cut": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"taken, but not answered": func(_ http.ResponseWriter, r *http.Request) {
			am.forward().ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		},
	} {
		t.Run("fault "+name, func(t *testing.T) { t.Parallel(); testFault(t, am, fault) })
	}
}

// forward is a proxy that does its work.
func (am *realAlertmanager) forward() http.Handler {
	to, _ := url.Parse(am.url)
	return httputil.NewSingleHostReverseProxy(to)
}

// peerEngine sends to an Alertmanager at once, and counts what it tells.
type peerEngine struct {
	*Engine
	told atomic.Int64
}

func newPeerEngine(t *testing.T, address, outbox string) *peerEngine {
	t.Helper()
	e := &peerEngine{}
	var err error
	e.Engine, err = start(Config{
		Service: "orders", Env: "prod", Outbox: outbox,
		Channels: []Channel{{Name: "am", Kind: "alertmanager", URL: NewSecret(address)}},
		Routes:   []Route{{Channels: []string{"am"}}},
		Rules:    map[string]Rule{MigrationFailed: {For: -1}},
	}, Deps{
		Rand:   func() float64 { return 0.1 }, // pauses of 50 ms and more
		HTTP:   &http.Client{Transport: &http.Transport{ResponseHeaderTimeout: 500 * time.Millisecond}},
		Notify: func(*event.Alert) { e.told.Add(1) },
	}, "", 300*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.shut(t, time.Nanosecond) })
	return e
}

func (e *peerEngine) shut(t *testing.T, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), within)
	defer cancel()
	return e.Close(ctx)
}

// tell lets a migration of a database fail and waits until the engine has said so.
func (e *peerEngine) tell(t *testing.T, db string, versions ...string) {
	t.Helper()
	for _, v := range versions {
		before := e.told.Load()
		e.Migration(failureIn(db, v))
		until(t, v+" is told", func() bool { return e.told.Load() > before })
	}
}

func failureIn(db, version string) *event.Migration {
	m := failure(version)
	m.Database.Name, m.RunID, m.MigrationID = db, "run-"+version, "m-"+version
	return m
}

func successIn(db, version string) *event.Migration {
	m := failureIn(db, version)
	m.Outcome, m.ErrorClass, m.SQLState, m.Failing = event.Applied, "", "", nil
	return m
}

func numbered(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("%04d", i+1))
	}
	return list
}

// testLife follows an alert of three replicas from the failure over the end of
// their processes to the success of another.
func testLife(t *testing.T, am *realAlertmanager) {
	const db, odd = "life", `0043 it's "añadir" \ {a="b"}`
	outbox := filepath.Join(t.TempDir(), "outbox")
	for i := range 3 {
		own := ""
		if i == 0 {
			own = outbox
		}
		e := newPeerEngine(t, am.url, own)
		e.tell(t, db, "0042", odd)
		if err := e.shut(t, 10*time.Second); err != nil {
			t.Fatal(err)
		}
		if s := e.Stats(); s.Sent["am"] != 2 || len(s.Dropped) != 0 {
			t.Errorf("a replica has sent %v and dropped %v: want both alerts", s.Sent, s.Dropped)
		}
	}

	want := func(version string) map[string]string {
		c := condition{db: event.Database{System: "postgresql", Name: db}, rule: MigrationFailed, version: &version, class: event.ClassSyntax}
		return map[string]string{"alertname": "migration_failed", "severity": "critical", "fingerprint": c.fingerprint(), "service": "orders", "env": "prod",
			"db": db, "db_system": "postgresql", "migration": version, "tool": "goose"}
	}
	held := func() map[string]openAlert {
		list := map[string]openAlert{}
		for _, a := range am.open(t, db) {
			if _, twice := list[a.Labels["migration"]]; twice {
				t.Errorf("there are two alerts of %s", a.Labels["migration"])
			}
			list[a.Labels["migration"]] = a
		}
		return list
	}
	open := held()
	for _, v := range []string{"0042", odd} {
		a, ok := open[v]
		if !ok || !maps.Equal(a.Labels, want(v)) {
			t.Errorf("its labels are %v: want %v", a.Labels, want(v))
		}
		if ahead := time.Until(a.EndsAt); ahead < openFor-time.Minute {
			t.Errorf("%s ends in %s: want %s", v, ahead, openFor)
		}
		if !strings.HasPrefix(a.Annotations["summary"], "[CRITICAL] life: ") || !strings.HasSuffix(a.Annotations["runbook_url"], "/migration_failed.md") {
			t.Errorf("its annotations are %v", a.Annotations)
		}
	}
	if len(open) != 2 {
		t.Errorf("%d alerts are open: want 2", len(open))
	}

	var groups []struct {
		Labels map[string]string `json:"labels"`
		Alerts []openAlert       `json:"alerts"`
	}
	until(t, "both are in one group", func() bool {
		am.get(t, "/api/v2/alerts/groups", db, &groups)
		return len(groups) == 1 && len(groups[0].Alerts) == 2
	})
	until(t, "the receiver hears of both", func() bool {
		return am.told("firing", "fingerprint", want("0042")["fingerprint"]) && am.told("firing", "migration", odd)
	})

	// What has no end of its own is resolved once nobody repeats it; ours is not.
	silent := `[{"labels": {"alertname": "silent", "db": "silent"}}]`
	res, err := http.Post(am.url+"/api/v2/alerts", "application/json", strings.NewReader(silent))
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(res, err)
	}
	_ = res.Body.Close()
	until(t, "an alert without an end is resolved by silence", func() bool { return am.told("resolved", "db", "silent") })
	if len(held()) != 2 || am.told("resolved", "db", db) {
		t.Error("the end of the processes has resolved their alerts")
	}

	next := newPeerEngine(t, am.url, outbox)
	next.Migration(successIn(db, "0042"))
	if err := next.shut(t, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	until(t, "the receiver hears that it is resolved", func() bool { return am.told("resolved", "fingerprint", want("0042")["fingerprint"]) })
	if open := held(); len(open) != 1 || open[odd].Status.State != "active" || am.told("resolved", "migration", odd) {
		t.Errorf("open are %v: want the other one alone", open)
	}
}

// testSeverity lets an alert become critical, within a process or from one to
// the next: it is one alert all along.
func testSeverity(t *testing.T, am *realAlertmanager) {
	for db, exits := range map[string]bool{"severity": false, "severity over processes": true} {
		outbox := filepath.Join(t.TempDir(), "outbox")
		e := newPeerEngine(t, am.url, outbox)
		is := func(m *event.Migration, want string) {
			t.Helper()
			e.Migration(m)
			until(t, fmt.Sprintf("open in %s: %q", db, want), func() bool {
				var open []string
				for _, a := range am.open(t, db) {
					open = append(open, a.Labels["severity"])
				}
				return strings.Join(open, " ") == want
			})
			if exits {
				if err := e.shut(t, 10*time.Second); err != nil {
					t.Error(err)
				}
				e = newPeerEngine(t, am.url, outbox)
			}
		}
		cancelled := failureIn(db, "0001")
		cancelled.ErrorClass = event.ClassCancelled
		is(cancelled, "info")
		is(failureIn(db, "0001"), "critical")
		is(successIn(db, "0001"), "")
	}
}

// testTwoSeverities lets two replicas that know nothing of each other tell one
// alert as of two severities: the advised configuration silences the lesser.
func testTwoSeverities(t *testing.T, am *realAlertmanager) {
	const db = "two severities"
	cancelled := failureIn(db, "0001")
	cancelled.ErrorClass = event.ClassCancelled
	one, other := newPeerEngine(t, am.url, ""), newPeerEngine(t, am.url, "")
	other.Migration(cancelled)
	one.Migration(cancelled)
	one.Migration(failureIn(db, "0001"))
	until(t, "the lesser is silent, the other not", func() bool {
		states := map[string]string{}
		for _, a := range am.open(t, db) {
			states[a.Labels["severity"]] = a.Status.State
		}
		return maps.Equal(states, map[string]string{"info": "suppressed", "critical": "active"})
	})
}

// testFault sends through a proxy that fails several times before it works.
func testFault(t *testing.T, am *realAlertmanager, fault http.HandlerFunc) {
	db := t.Name()
	var requests atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) <= 3 {
			fault(w, r)
			return
		}
		am.forward().ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	e := newPeerEngine(t, proxy.URL, "")
	e.tell(t, db, numbered(20)...)
	if err := e.shut(t, 20*time.Second); err != nil {
		t.Error(err)
	}
	if s := e.Stats(); s.Sent["am"] != 20 || len(s.Dropped) != 0 || s.Lost != 0 {
		t.Errorf("sent %v, dropped %v, lost %d: want all 20 sent", s.Sent, s.Dropped, s.Lost)
	}
	if open := am.open(t, db); len(open) != 20 {
		t.Errorf("%d are open: want 20", len(open))
	}
	if n := requests.Load(); n <= 4 || n >= 23 {
		t.Errorf("it was asked %d times: want 3 in vain, and then what waits in few messages", n)
	}
}

// testRestart gives the engine another Alertmanager, which knows of nothing.
func testRestart(t *testing.T, am *realAlertmanager) {
	const db = "restart"
	var now atomic.Pointer[realAlertmanager]
	now.Store(am)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { now.Load().forward().ServeHTTP(w, r) }))
	t.Cleanup(proxy.Close)
	e := newPeerEngine(t, proxy.URL, "")
	e.tell(t, db, "0001", "0002")
	until(t, "both are open", func() bool { return len(am.open(t, db)) == 2 })

	fresh := startAlertmanager(t)
	now.Store(fresh)
	until(t, "both are open again", func() bool { return len(fresh.open(t, db)) == 2 })
	e.Migration(successIn(db, "0001"))
	until(t, "one is open", func() bool { return len(fresh.open(t, db)) == 1 })

	last := startAlertmanager(t)
	now.Store(last)
	until(t, "it is told of the resolved one too", func() bool { return last.told("firing", "migration", "0002") && len(last.open(t, db)) == 1 })
}

// testDown tells alerts while nothing listens.
func testDown(t *testing.T, am *realAlertmanager) {
	const db = "down"
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	e := newPeerEngine(t, "http://"+address, "")
	e.tell(t, db, numbered(20)...)
	l, err = net.Listen("tcp", address)
	if err != nil {
		t.Fatal("another program took the port: ", err)
	}
	proxy := &http.Server{Handler: am.forward(), ReadHeaderTimeout: time.Second}
	go func() { _ = proxy.Serve(l) }()
	t.Cleanup(func() { _ = proxy.Close() })
	if err := e.shut(t, 20*time.Second); err != nil {
		t.Error(err)
	}
	if open := am.open(t, db); len(open) != 20 || e.Stats().Sent["am"] != 20 {
		t.Errorf("%d are open, %v sent: want 20", len(open), e.Stats().Sent)
	}
}

// testQueue tells more alerts than a queue holds while none is taken: the
// oldest are dropped and counted, all others arrive.
func testQueue(t *testing.T, am *realAlertmanager) {
	const db, beyond = "queue", 75
	var refused atomic.Int64
	var up atomic.Bool
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !up.Load() {
			refused.Add(1)
			status(503)(w, r)
			return
		}
		am.forward().ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	e := newPeerEngine(t, proxy.URL, "")
	all := numbered(1 + queueLength + beyond)
	e.tell(t, db, all[0])
	until(t, "the first is being tried", func() bool { return refused.Load() > 0 })
	for _, v := range all[1:] { // as fast as the bus takes them
		until(t, "the bus has room", func() bool { return len(e.bus) < busLength/2 })
		e.Migration(failureIn(db, v))
	}
	until(t, "all are told", func() bool { return int(e.told.Load()) == len(all) })
	up.Store(true)
	if err := e.shut(t, 20*time.Second); err != nil {
		t.Error(err)
	}
	s := e.Stats()
	if s.Dropped[Drop{"am", "queue_full"}] != beyond || len(s.Dropped) != 1 || s.Sent["am"] != 1+queueLength || s.Lost != 0 {
		t.Errorf("dropped %v, sent %v, lost %d: want %d dropped, the rest sent", s.Dropped, s.Sent, s.Lost, beyond)
	}
	arrived := map[string]bool{}
	for _, a := range am.open(t, db) {
		arrived[a.Labels["migration"]] = true
	}
	for i, v := range all {
		if want := i == 0 || i > beyond; arrived[v] != want {
			t.Errorf("%s has arrived: %v", v, !want)
		}
	}
}

// testExit lets the process end while no alert is taken: each is counted, and
// the next process sends it.
func testExit(t *testing.T, am *realAlertmanager) {
	const db = "exit"
	down := newInbox(t)
	down.answers = make([]func(http.ResponseWriter, *http.Request), 1000)
	for i := range down.answers {
		down.answers[i] = status(503)
	}
	outbox := filepath.Join(t.TempDir(), "outbox")
	e := newPeerEngine(t, down.URL, outbox)
	e.tell(t, db, numbered(3)...)
	if err := e.shut(t, time.Nanosecond); err == nil || !strings.Contains(err.Error(), "3 could not be sent") {
		t.Errorf("%v: want an error that says how many", err)
	}
	if s := e.Stats(); s.Dropped[Drop{"am", "closed"}] != 3 || len(s.Sent) != 0 {
		t.Errorf("dropped %v, sent %v: want 3 dropped", s.Dropped, s.Sent)
	}
	next := newPeerEngine(t, am.url, outbox)
	if err := next.shut(t, 10*time.Second); err != nil {
		t.Error(err)
	}
	if open := am.open(t, db); len(open) != 3 {
		t.Errorf("%d are open: want 3", len(open))
	}
}

// testClock resolves an alert of a process on a machine whose clock is ahead.
func testClock(t *testing.T, am *realAlertmanager) {
	const db = "clock"
	outbox := filepath.Join(t.TempDir(), "outbox")
	e := newPeerEngine(t, am.url, outbox)
	e.tell(t, db, "0001")
	if err := e.shut(t, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	box := NewFileOutbox(outbox)
	entries, err := box.Open(t.Context())
	if err != nil || len(entries) != 1 {
		t.Fatal(entries, err)
	}
	entries[0].Alert.Since = entries[0].Alert.Since.Add(time.Minute)
	if err := box.Put(t.Context(), entries[0]); err != nil {
		t.Fatal(err)
	}
	next := newPeerEngine(t, am.url, outbox)
	next.Migration(successIn(db, "0001"))
	if err := next.shut(t, 10*time.Second); err != nil {
		t.Error(err)
	}
	if s := next.Stats(); s.Sent["am"] != 1 || len(s.Dropped) > 0 {
		t.Errorf("sent %v, dropped %v", s.Sent, s.Dropped)
	}
	until(t, "it is resolved", func() bool { return len(am.open(t, db)) == 0 })
}
