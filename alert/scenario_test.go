package alert

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/sqlwitness/sqlwitness/event"
)

var scenariosFlag = flag.String("scenarios", "testdata/scenarios", "`folder` of scenarios to play, relative to the module's root or to the package")

// scenario is docs/alert-scenarios.md.
type scenario struct {
	Name     string         `yaml:"name"`
	About    string         `yaml:"about"`
	Benign   bool           `yaml:"benign"`
	Replicas int            `yaml:"replicas"`
	Database map[string]any `yaml:"database"`
	Config   *Config        `yaml:"config"`
	Timeline []step         `yaml:"timeline"`
	End      time.Duration  `yaml:"end"`
	Expect   []expectation  `yaml:"expect"`
	file     string
	path     string
	number   int // of the document in its file
}

type step struct {
	At      time.Duration `yaml:"at"`
	Every   time.Duration `yaml:"every"`
	Times   int           `yaml:"times"`
	Replica int           `yaml:"replica"`
	Frozen  bool          `yaml:"frozen"` // repeated looks show the same ages

	Run       map[string]any `yaml:"run"`
	Migration map[string]any `yaml:"migration"`
	Statement map[string]any `yaml:"statement"`
	Lock      map[string]any `yaml:"lock"`
	Look      map[string]any `yaml:"look"`
	Finding   map[string]any `yaml:"finding"`
	Trouble   map[string]any `yaml:"trouble"`

	Close    bool          `yaml:"close"`
	Kill     bool          `yaml:"kill"`
	Start    bool          `yaml:"start"`
	Channel  *channelStep  `yaml:"channel"`
	Suppress *suppressStep `yaml:"suppress"`
}

type channelStep struct {
	Name   string `yaml:"name"`
	Answer int    `yaml:"answer"` // 200, 500, 429, 400; 0 hangs
}

type suppressStep struct {
	Match             string        `yaml:"match"`
	For               time.Duration `yaml:"for"`
	IncludeEscalation bool          `yaml:"include_escalation"`
	UntilVersion      string        `yaml:"until_version"`
}

type expectation struct {
	Rule              string         `yaml:"rule"`
	Severity          event.Severity `yaml:"severity"`
	State             string         `yaml:"state"` // firing (default), flapping, suppressed
	Migration         *string        `yaml:"migration"`
	Object            *string        `yaml:"object"`
	Onset             time.Duration  `yaml:"onset"`
	NotBefore         time.Duration  `yaml:"not_before"`
	NotAfter          time.Duration  `yaml:"not_after"`
	ResolvedBy        *time.Duration `yaml:"resolved_by"`
	NotResolvedBefore time.Duration  `yaml:"not_resolved_before"`
	Told              []string       `yaml:"told"`
	Title             string         `yaml:"title"` // part of it
	Step              string         `yaml:"step"`  // part of the SQL of a step
}

// seenAlert is one alert as a bystander sees it.
type seenAlert struct {
	event.Alert
	at       time.Duration
	resolved *time.Duration
	told     map[string]bool
	matched  bool
}

// stageSet is where a scenario is played.
type stageSet struct {
	sc        *scenario
	begin     time.Time
	variant   variant
	looks     map[string]int // told of each flight
	engines   []*Engine
	processes []*process
	dead      []*Engine
	outbox    *memoryOutbox
	claims    *LocalClaims
	known     string // file of suppressions
	watch     []func(*event.Alert)

	mu        sync.Mutex
	alerts    []*seenAlert
	answers   map[string]int
	delivered map[string]int // channel, fingerprint, state, severity
	dedup     map[string]map[string]bool
	any       int // deliveries
	dupes     int
}

// memoryOutbox is shared by the replicas of a scenario.
type memoryOutbox struct {
	mu      sync.Mutex
	entries []Entry
}

func (o *memoryOutbox) Open(context.Context) ([]Entry, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.entries), nil
}

func (o *memoryOutbox) Put(_ context.Context, e Entry) error {
	_ = o.Remove(context.Background(), e.Alert.Fingerprint, e.Alert.Episode)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.entries = append(o.entries, e)
	return nil
}

func (o *memoryOutbox) Remove(_ context.Context, fp string, episode int) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.entries = slices.DeleteFunc(o.entries, func(e Entry) bool { return e.Alert.Fingerprint == fp && e.Alert.Episode == episode })
	return nil
}

// process is one process of a scenario. A dead one says and writes nothing more.
type process struct {
	stage *stageSet
	dead  atomic.Bool
}

func (p *process) RoundTrip(r *http.Request) (*http.Response, error) {
	if p.dead.Load() {
		return nil, io.ErrClosedPipe
	}
	return p.stage.RoundTrip(r)
}

func (p *process) notify(a *event.Alert) {
	if !p.dead.Load() {
		p.stage.notify(a)
	}
}

func (p *process) Open(ctx context.Context) ([]Entry, error) { return p.stage.outbox.Open(ctx) }

func (p *process) Put(ctx context.Context, e Entry) error {
	if p.dead.Load() {
		return nil
	}
	return p.stage.outbox.Put(ctx, e)
}

func (p *process) Remove(ctx context.Context, fp string, episode int) error {
	if p.dead.Load() {
		return nil
	}
	return p.stage.outbox.Remove(ctx, fp, episode)
}

// RoundTrip is the world's end of the channels.
func (s *stageSet) RoundTrip(r *http.Request) (*http.Response, error) {
	name := strings.TrimSuffix(r.URL.Hostname(), ".test")
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	answer, set := s.answers[name]
	if !set {
		answer = 200
	}
	if answer == 200 {
		s.received(name, body)
	}
	s.mu.Unlock()
	if answer == 0 {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: answer, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(nil)), Request: r}, nil
}

func (s *stageSet) received(name string, body []byte) {
	s.any++
	var pd pagerDutyEvent
	var m Message
	if json.Unmarshal(body, &pd) == nil && pd.DedupKey != "" {
		m.Fingerprint = strings.Split(pd.DedupKey, ":")[1]
		if m.State = "firing"; pd.EventAction == "resolve" {
			m.State = "resolved"
		}
		if s.dedup[m.Fingerprint] == nil {
			s.dedup[m.Fingerprint] = map[string]bool{}
		}
		if m.State == "resolved" {
			delete(s.dedup[m.Fingerprint], pd.DedupKey)
		} else if s.dedup[m.Fingerprint][pd.DedupKey] = true; len(s.dedup[m.Fingerprint]) > 1 {
			s.dupes++
		}
	} else if json.Unmarshal(body, &m) == nil {
		k := fmt.Sprint(name, m.Fingerprint, m.Episode, m.State, m.Severity)
		if s.delivered[k]++; s.delivered[k] > 1 {
			s.dupes++
		}
	}
	for _, a := range slices.Backward(s.alerts) {
		if a.Fingerprint == m.Fingerprint && m.State != "resolved" {
			a.told[name] = true
			break
		}
	}
}

func (s *stageSet) notify(a *event.Alert) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.watch {
		w(a)
	}
	now := time.Since(s.begin)
	var open *seenAlert
	for _, o := range s.alerts {
		if o.Fingerprint == a.Fingerprint && o.resolved == nil {
			open = o
		}
	}
	switch {
	case a.State == event.Resolved:
		if open != nil {
			open.resolved = &now
		}
	case open != nil && open.State == a.State:
		open.Alert = *a
	case open != nil && open.State == event.Flapping: // settled
	case open != nil && open.State == event.Suppressed:
		open.resolved = &now
		fallthrough
	default:
		s.alerts = append(s.alerts, &seenAlert{Alert: *a, at: now, told: map[string]bool{}})
	}
}

func (s *stageSet) start(t *testing.T, replica int) {
	c := Config{}
	if s.sc.Config != nil {
		c = *s.sc.Config
	}
	if len(c.Channels) == 0 {
		c.Channels = []Channel{{Name: "pager", Kind: "pagerduty", URL: NewSecret("http://pager.test/"), Key: NewSecret("k")},
			{Name: "chat", Kind: "webhook", URL: NewSecret("http://chat.test/")}}
	}
	c.SuppressionFile = s.known
	if s.variant.crowd > 0 {
		c = crowded(c, s.variant.crowd)
	}
	pr := &process{stage: s}
	s.processes[replica] = pr
	e, err := start(c, Deps{HTTP: &http.Client{Transport: pr}, Notify: pr.notify, Outbox: pr, Claims: s.claims, Rand: func() float64 { return 1 },
		Trouble: func(tr *event.Trouble) { t.Errorf("%s: trouble: %s", s.sc.Name, tr.Message) }}, s.variant.without, repeatEvery)
	if err != nil {
		t.Fatal(s.sc.file, s.sc.Name, err)
	}
	s.engines[replica] = e
}

// played is what came of a scenario.
type played struct {
	faults []string // false positives, misses, wrong times, wrong resolves
	rules  map[string]*tally
	dupes  int
	wrong  int // wrong or missing resolves
	delays map[string][]time.Duration
}

type tally struct{ hit, missed, false int }

// play plays a scenario without one of the guards ("" keeps all), and shows
// every change of an alert's state to those who watch.
func play(t *testing.T, sc *scenario, without guard, watch ...func(*event.Alert)) played {
	return playVariant(t, sc, variant{without: without}, watch...)
}

// variant changes how a scenario is played and not what has to come of it.
type variant struct {
	without guard
	times   int            // every event is told that many times
	copies  int            // every process is there that many times and sees the same
	late    time.Duration  // every event comes that much later than it happened
	zone    *time.Location // of the events' times
	crowd   int            // times as many sessions queue, and make a pile-up
	base    string         // what the database is called
}

func playVariant(t *testing.T, sc *scenario, v variant, watch ...func(*event.Alert)) (p played) {
	n := max(sc.Replicas, 1) * max(v.copies, 1)
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := &stageSet{sc: sc, watch: watch, begin: time.Now(), variant: v, looks: map[string]int{}, outbox: &memoryOutbox{}, claims: NewLocalClaims(), known: filepath.Join(dir, "known.json"),
			answers: map[string]int{}, delivered: map[string]int{}, dedup: map[string]map[string]bool{}, engines: make([]*Engine, n), processes: make([]*process, n)}
		for i := range s.engines {
			s.start(t, i)
		}
		type act struct {
			at time.Duration
			do func()
		}
		var acts []act
		end := time.Duration(0)
		for i := range sc.Timeline {
			st := &sc.Timeline[i]
			for k := range max(st.Times, 1) {
				at := st.At + time.Duration(k)*st.Every
				if st.event() {
					at += v.late
				}
				acts = append(acts, act{at, func() {
					for c := range max(v.copies, 1) {
						s.act(t, st, k, max(st.Replica, 1)-1+c*max(sc.Replicas, 1))
					}
				}})
				end = max(end, at)
			}
		}
		if end += time.Minute; sc.End > 0 {
			end = sc.End
		}
		end += v.late
		slices.SortStableFunc(acts, func(a, b act) int { return int(a.at - b.at) })
		synctest.Wait()
		for _, a := range acts {
			time.Sleep(a.at - time.Since(s.begin))
			a.do()
			synctest.Wait()
		}
		time.Sleep(end - time.Since(s.begin))
		synctest.Wait()
		s.mu.Lock()
		p = s.judge()
		s.mu.Unlock()
		for _, e := range append(s.engines, s.dead...) {
			if e != nil {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				_ = e.Close(ctx)
				cancel()
			}
		}
	})
	return p
}

func (s *stageSet) act(t *testing.T, st *step, k, replica int) {
	e := s.engines[replica]
	switch {
	case st.Start:
		s.start(t, replica)
		return
	case st.Channel != nil:
		s.mu.Lock()
		s.answers[st.Channel.Name] = st.Channel.Answer
		s.mu.Unlock()
		return
	case st.Suppress != nil:
		list, err := LoadSuppressions(s.known)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, Suppression{Match: st.Suppress.Match, Reason: "known", Creator: "a test", Created: time.Now(), Expires: time.Now().Add(st.Suppress.For), IncludeEscalation: st.Suppress.IncludeEscalation, UntilVersion: st.Suppress.UntilVersion})
		if err := SaveSuppressions(s.known, list); err != nil {
			t.Fatal(err)
		}
		return
	case e == nil && s.variant.late > 0:
		return // it has not lived to see it
	case e == nil:
		t.Fatalf("%s: %s: replica %d does not run at %s", s.sc.place(st), s.sc.Name, replica+1, st.At)
	case st.Close || st.Kill:
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if st.Kill {
			s.processes[replica].dead.Store(true)
			s.dead = append(s.dead, e)
		} else {
			_ = e.Close(ctx)
		}
		s.engines[replica] = nil
		return
	}
	for i := range max(s.variant.times, 1) {
		s.tell(t, e, st, k, replica, i == 0)
	}
}

// tell gives the sink the event of a step, for the k-th time.
func (s *stageSet) tell(t *testing.T, e *Engine, st *step, k, replica int, news bool) {
	now, later := time.Now().Add(-s.variant.late), time.Duration(k)*st.Every
	fill := func(to any, kind string, from map[string]any) {
		if err := (decoder{s.begin}).decode(to, from, kind); err != nil {
			t.Fatalf("%s: %s: at %s: %v", s.sc.place(st), s.sc.Name, st.At, err)
		}
	}
	now = s.variant.in(now)
	db := event.Database{System: "postgresql", Name: cmp.Or(s.variant.base, "app")}
	fill(&db, "database", s.sc.Database)
	trace := event.Trace{RunID: "run-1"}
	switch {
	case st.Run != nil:
		v := event.Run{Trace: trace, Database: db, Start: now}
		fill(&v, "run", st.Run)
		e.Run(&v)
	case st.Migration != nil:
		v := event.Migration{Trace: trace, Database: db, ConnID: 1, Direction: event.Up}
		fill(&v, "migration", st.Migration)
		if v.Start.IsZero() {
			v.Start = now.Add(-v.Duration)
		}
		e.Migration(&v)
	case st.Statement != nil:
		v := event.Statement{Trace: trace, Database: db, ConnID: 1, Class: "ddl", Phase: "migration", Start: now}
		fill(&v, "statement", st.Statement)
		if v.Err == nil {
			v.Err = errors.New("it failed")
		}
		e.Statement(&v)
	case st.Lock != nil:
		v := event.Lock{Trace: trace, Database: db, ConnID: 1, Start: now, Attempts: 1}
		fill(&v, "lock", st.Lock)
		e.Lock(&v)
	case st.Look != nil:
		v := event.Look{Trace: trace, Database: db, ConnID: 1, Class: "ddl", Operation: "ALTER TABLE", Phase: "migration"}
		fill(&v, "look", st.Look)
		switch {
		case v.Start.IsZero():
			v.Start = now.Add(-v.Age - later)
			v.Age += later
		case v.Age == 0:
			v.Age = now.Sub(v.Start)
		default:
			v.Age += later
		}
		flight := fmt.Sprint(replica, v.ConnID, v.Start)
		if news {
			s.looks[flight]++
		}
		v.Number = s.looks[flight]
		if !st.Frozen {
			grow(v.Picture, later)
		}
		v.Start = s.variant.in(v.Start)
		s.variant.fill(v.Picture)
		e.Look(&v)
	case st.Finding != nil:
		v := event.Finding{Trace: trace, Database: db, At: now}
		fill(&v, "finding", st.Finding)
		e.Finding(&v)
	case st.Trouble != nil:
		v := event.Trouble{Database: db, At: now}
		fill(&v, "trouble", st.Trouble)
		e.Trouble(&v)
	default:
		t.Fatalf("%s: %s: nothing happens at %s: a step has one of run, migration, statement, lock, look, finding, trouble, close, kill, start, channel, suppress", s.sc.place(st), s.sc.Name, st.At)
	}
}

// place is where a step is written: file:line.
func (sc *scenario) place(st *step) string {
	for i := range sc.Timeline {
		if &sc.Timeline[i] == st {
			return lineOf(sc.path, sc.number, fmt.Sprintf("$.timeline[%d]", i))
		}
	}
	return sc.file
}

// event reports whether a step is something that is seen.
func (st *step) event() bool {
	return !st.Close && !st.Kill && !st.Start && st.Channel == nil && st.Suppress == nil
}

func (v variant) in(t time.Time) time.Time {
	if v.zone == nil || t.IsZero() {
		return t
	}
	return t.In(v.zone)
}

// fill changes a picture as the variant wants it.
func (v variant) fill(p *event.Picture) {
	if p == nil {
		return
	}
	p.Session.Started = v.in(p.Session.Started)
	for _, list := range [][]event.Session{p.Blockers, p.Victims} {
		for i := range list {
			list[i].Started = v.in(list[i].Started)
		}
	}
	if v.crowd > 0 {
		p.Queue, p.QueueDirect, p.QueueMigrator = v.crowd*p.Queue, v.crowd*p.QueueDirect, v.crowd*p.QueueMigrator
		p.Victims = slices.Repeat(p.Victims, v.crowd)
	}
}

// crowded is a configuration for which a pile-up is times as many sessions.
func crowded(c Config, times int) Config {
	c.Rules = maps.Clone(c.Rules)
	if c.Rules == nil {
		c.Rules = map[string]Rule{}
	}
	r := c.Rules[LockPileup]
	r.Count = times * cmp.Or(r.Count, builtin[LockPileup].Count)
	c.Rules[LockPileup] = r
	return c
}

// grow makes a picture older: who waits and who is idle has been so for longer.
func grow(p *event.Picture, d time.Duration) {
	if p == nil || d == 0 {
		return
	}
	older := func(s *event.Session) {
		for _, f := range []*time.Duration{&s.TxAge, &s.StateAge} {
			if *f > 0 {
				*f += d
			}
		}
		if s.Wait != nil && s.Wait.For > 0 {
			s.Wait.For += d
		}
	}
	older(&p.Session)
	for _, list := range [][]event.Session{p.Blockers, p.Victims} {
		for i := range list {
			older(&list[i])
		}
	}
	if p.QueueTime > 0 {
		p.QueueTime += time.Duration(p.Queue) * d
	}
}

// judge compares what was seen with what was expected.
func (s *stageSet) judge() played {
	p := played{rules: map[string]*tally{}, delays: map[string][]time.Duration{}, dupes: s.dupes}
	rule := func(name string) *tally {
		if p.rules[name] == nil {
			p.rules[name] = &tally{}
		}
		return p.rules[name]
	}
	fault := func(format string, args ...any) { p.faults = append(p.faults, fmt.Sprintf(format, args...)) }
	for _, x := range s.sc.Expect {
		x.NotAfter += s.variant.late
		if x.ResolvedBy != nil {
			by := *x.ResolvedBy + s.variant.late
			x.ResolvedBy = &by
		}
		if s.variant.crowd > 0 {
			x.Title = "" // it tells how many
		}
		i := slices.IndexFunc(s.alerts, func(a *seenAlert) bool { return !a.matched && x.matches(a) })
		if i < 0 {
			rule(x.Rule).missed++
			fault("missed: %s %s between %s and %s", x.Rule, x.Severity, x.NotBefore, x.NotAfter)
			continue
		}
		a := s.alerts[i]
		a.matched = true
		rule(x.Rule).hit++
		onset := x.Onset
		if onset == 0 {
			onset = x.NotBefore
		}
		p.delays[x.Rule] = append(p.delays[x.Rule], a.at-onset)
		switch {
		case x.ResolvedBy == nil && a.resolved != nil:
			p.wrong++
			fault("%s was resolved at %s, and should stay open", x.Rule, *a.resolved)
		case x.ResolvedBy != nil && (a.resolved == nil || *a.resolved > *x.ResolvedBy):
			p.wrong++
			fault("%s was not resolved by %s", x.Rule, *x.ResolvedBy)
		case a.resolved != nil && *a.resolved < x.NotResolvedBefore:
			p.wrong++
			fault("%s was resolved at %s already", x.Rule, *a.resolved)
		}
		if x.Told != nil {
			if told := slices.Sorted(maps.Keys(a.told)); !slices.Equal(told, slices.Sorted(slices.Values(x.Told))) {
				fault("%s was told to %v and not to %v", x.Rule, told, x.Told)
			}
		}
		if !strings.Contains(a.Title, x.Title) {
			fault("the title %q does not say %q", a.Title, x.Title)
		}
		if !slices.ContainsFunc(a.Steps, func(st event.Step) bool { return strings.Contains(st.SQL, x.Step) }) && x.Step != "" {
			fault("no step of %s has %q: %v", x.Rule, x.Step, a.Steps)
		}
	}
	for _, a := range s.alerts {
		if !a.matched && a.State != event.Suppressed {
			rule(a.Rule).false++
			fault("false positive at %s: %s %s: %s", a.at, a.Rule, a.State, a.Title)
		}
	}
	if s.dupes > 0 {
		fault("%d messages were sent twice", s.dupes)
	}
	if s.sc.Benign && s.any > 0 {
		fault("%d messages disturbed somebody", s.any)
	}
	return p
}

// check finds what could never be met.
func (x expectation) check() error {
	switch {
	case !slices.Contains(Rules(), x.Rule):
		return fmt.Errorf("there is no rule %q: use %s", x.Rule, strings.Join(Rules(), ", "))
	case !slices.Contains([]event.Severity{event.Critical, event.Warning, event.Info}, x.Severity):
		return fmt.Errorf("%q is no severity: use critical, warning or info", x.Severity)
	case !slices.Contains([]string{"", string(event.Firing), string(event.Flapping), string(event.Suppressed)}, x.State):
		return fmt.Errorf("%q is no state: use firing, flapping or suppressed", x.State)
	case x.NotAfter < x.NotBefore:
		return fmt.Errorf("not_after, %s, is before not_before, %s", x.NotAfter, x.NotBefore)
	}
	return nil
}

func (x expectation) matches(a *seenAlert) bool {
	state := x.State
	if state == "" {
		state = string(event.Firing)
	}
	return a.Rule == x.Rule && a.Severity == x.Severity && string(a.State) == state && a.at >= x.NotBefore && a.at <= x.NotAfter &&
		(x.Migration == nil || *x.Migration == version(&a.Alert)) && (x.Object == nil || *x.Object == a.Object)
}

// scenarios reads a folder: files of one or more YAML documents, in which pairs
// of texts are renamed.
func scenarios(t *testing.T, dir string, renamed ...string) (list []*scenario) {
	if _, err := os.Stat(dir); err != nil {
		dir = filepath.Join("..", dir)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.y*ml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios in %s: %v", dir, err)
	}
	names := map[string]bool{}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text = []byte(strings.NewReplacer(renamed...).Replace(string(text)))
		d := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict())
		for number := 0; ; number++ {
			sc := &scenario{file: filepath.Base(path), path: path, number: number}
			if err := d.Decode(sc); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %s", path, yaml.FormatError(err, false, true))
			}
			if sc.Name == "" || names[sc.Name] {
				t.Fatalf("%s: a scenario needs a name of its own, and %q is none", lineOf(path, number, "$"), sc.Name)
			}
			for i, x := range sc.Expect {
				if err := x.check(); err != nil {
					t.Fatalf("%s: %s: %v", lineOf(path, number, fmt.Sprintf("$.expect[%d]", i)), sc.Name, err)
				}
			}
			if sc.Benign != !slices.ContainsFunc(sc.Expect, func(x expectation) bool { return disturbs(sc, x) }) {
				t.Fatalf("%s: %s: benign is what nobody is disturbed by: every alert expected is of severity info, suppressed, or not of production", lineOf(path, number, "$"), sc.Name)
			}
			names[sc.Name] = true
			list = append(list, sc)
		}
	}
	return list
}

// disturbs reports whether somebody hears of an alert.
func disturbs(sc *scenario, x expectation) bool {
	dev := sc.Config != nil && sc.Config.Env != "" && !strings.HasPrefix(sc.Config.Env, "prod")
	return x.Severity != event.Info && x.State != string(event.Suppressed) && !dev
}
