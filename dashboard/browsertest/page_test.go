package browsertest

import (
	"database/sql"
	"fmt"
	"net"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/sqlwitness/sqlwitness/dashboard"
	"github.com/sqlwitness/sqlwitness/event"
)

// TestPage: everything that the dashboard knows is on the page, in both colour
// schemes and on a phone, where the page is no wider than the screen.
func TestPage(t *testing.T) {
	s := newScene(t, dashboard.Config{})
	s.play(t)
	b := openTab(t, s.server)
	for _, view := range []struct {
		name, scheme  string
		width, height int64
		tall          int64 // of its picture for the documentation
	}{
		{"dashboard-light.png", "light", 1280, 1000, 1720},
		{"dashboard-dark.png", "dark", 1280, 1000, 1720},
		{"dashboard-phone.png", "light", 390, 844, 1400},
	} {
		t.Run(view.name, func(t *testing.T) {
			b.t = t
			b.open(s.server, view.width, view.height, view.scheme)
			b.until("the statement in flight", `document.querySelector("#now-body .flight") !== null`)
			b.until("the plot", `document.querySelectorAll("#latency-plot canvas").length === 2`)
			b.until("the run that goes on", `document.querySelectorAll("#timeline-body .lane").length === 4`)
			b.until("the audit trail", `document.querySelector("#audit-body").innerText.includes("1,843")`)
			page := shortly(b.text("body"))
			for _, want := range []string{
				"ALTER TABLE orders waits for session 23817, and 14 sessions wait for it", "Run now", "14 sessions blocked", "idle in transaction", "23817", "stops reads and writes", "copying rows to the new table",
				"waits for public.orders", "20261124094512", "lock_pileup", "1 suppressed", "is invalid: it costs writes", "SELECT orders", "lock_timeout 55P03", "3 other statements in flight",
				"20 of 20", "all in use", "2, no limit",
			} {
				if !strings.Contains(page, want) {
					t.Errorf("%q is not on the page", want)
				}
			}
			var wide int
			b.eval("document.documentElement.scrollWidth", &wide)
			if int64(wide) > view.width {
				t.Errorf("the page is %d wide on a screen of %d", wide, view.width)
			}
			var faint []string
			b.eval(faintTexts, &faint)
			if len(faint) > 0 {
				t.Errorf("texts with a contrast under 4.5 (WCAG AA):\n%s", lines(faint...))
			}
			b.shot(view.name, view.width, view.tall)
			b.shot("full-"+view.name, view.width, 0)
		})
	}
}

// faintTexts lists the texts whose contrast with what is behind them is too low.
const faintTexts = `(() => {
	const parse = (c) => { const [r, g, b, a = 1] = c.match(/[\d.]+/g).map(Number); return { r, g, b, a }; };
	const over = (top, under) => ({ r: top.r * top.a + under.r * (1 - top.a), g: top.g * top.a + under.g * (1 - top.a), b: top.b * top.a + under.b * (1 - top.a), a: 1 });
	const light = (c) => [c.r, c.g, c.b].map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)).reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const behind = (el) => { let all = []; for (; el; el = el.parentElement) all.push(parse(getComputedStyle(el).backgroundColor)); return all.reverse().reduce((under, top) => over(top, under), { r: 255, g: 255, b: 255, a: 1 }); };
	const found = new Set(), walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walk.nextNode()) {
		const el = walk.currentNode.parentElement, text = walk.currentNode.textContent.trim();
		if (!text || el.closest("script, noscript, .unseen, .skip, option, :disabled") || !el.checkVisibility()) continue;
		const under = behind(el), [a, b] = [light(over(parse(getComputedStyle(el).color), under)), light(under)];
		const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (contrast < 4.5) found.add(contrast.toFixed(2) + " " + el.className + ": " + text.slice(0, 60));
	}
	return [...found];
})()`

// canary would leave a mark were it taken for markup or for a script.
const canary = `"'><img src=x onerror="window.pwned=1"><script>window.pwned=1</script><a href="javascript:window.pwned=1">`

// strung puts the canary into every text of an event.
func strung[T any](e T) *T {
	var put func(reflect.Value)
	put = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.String:
			v.SetString(canary)
		case reflect.Struct:
			if v.Type() == reflect.TypeFor[time.Time]() {
				v.Set(reflect.ValueOf(time.Now()))
				return
			}
			for i := range v.NumField() {
				put(v.Field(i))
			}
		case reflect.Pointer:
			if v.IsNil() {
				v.Set(reflect.New(v.Type().Elem()))
			}
			put(v.Elem())
		case reflect.Slice:
			if v.IsNil() {
				v.Set(reflect.MakeSlice(v.Type(), 2, 2))
			}
			for i := range v.Len() {
				put(v.Index(i))
			}
		case reflect.Int, reflect.Int64:
			v.SetInt(3)
		}
	}
	put(reflect.ValueOf(&e).Elem())
	return &e
}

// TestCanaries: whatever a text holds, it is shown as text.
func TestCanaries(t *testing.T) {
	d := dashboard.New(dashboard.Config{}, dashboard.Deps{Pools: func() map[string]sql.DBStats { return map[string]sql.DBStats{canary: {MaxOpenConnections: 3}} }})
	d.Run(strung(event.Run{}))
	d.Lock(strung(event.Lock{}))
	d.Migration(strung(event.Migration{}))
	d.Impact(strung(event.Impact{}))
	d.ColdStart(strung(event.ColdStart{}))
	d.Resources(strung(event.Resources{}))
	d.Trend(strung(event.Trend{}))
	d.Statement(func() *event.Statement { s := strung(event.Statement{}); s.Slow = true; return s }())
	d.Look(strung(event.Look{}))
	d.Finding(strung(event.Finding{}))
	d.Trouble(strung(event.Trouble{}))
	alert := strung(event.Alert{})
	alert.Severity, alert.State, alert.Runbook = event.Critical, event.Firing, "javascript:window.pwned=1"
	d.Alert(alert)
	server := httptest.NewServer(d.Handler())
	defer server.Close()
	defer d.Close()

	b := openTab(t, server)
	b.open(server, 390, 844, "dark")
	for _, part := range []string{"cause", "now", "timeline", "runs", "alerts", "findings", "troubles", "statements"} {
		b.until("the canary in "+part, fmt.Sprintf(`document.querySelector("#%s, #%[1]s-body").innerText.includes("onerror")`, part))
	}
	b.do(chromedp.Evaluate(`document.querySelectorAll("button.lane").forEach((l) => l.click()); document.querySelectorAll("details").forEach((e) => { e.open = true; }); 0`, nil))
	b.until("the details of the bar", `document.querySelector(".details").innerText.includes("onerror")`)
	var harmed, images, links, wide int
	b.eval(`window.pwned ?? 0`, &harmed)
	b.eval(`document.querySelectorAll("main img, main script").length`, &images)
	b.eval(`document.querySelectorAll("a[href^='javascript']").length`, &links)
	b.eval("document.documentElement.scrollWidth", &wide)
	if harmed+images+links != 0 {
		t.Errorf("the canary came to life: %d %d %d", harmed, images, links)
	}
	if wide > 390 {
		t.Errorf("long texts make the page %d wide on a screen of 390", wide)
	}
}

// TestTenThousandRuns: the page stays usable when there have been many.
func TestTenThousandRuns(t *testing.T) {
	d := dashboard.New(dashboard.Config{}, dashboard.Deps{})
	for i := range 10_000 {
		version := fmt.Sprint(i)
		trace := event.Trace{RunID: "run" + version, MigrationID: "m" + version}
		r := &event.Run{Trace: trace, Database: shop, Tool: "goose", Start: time.Now()}
		d.Run(r)
		d.Migration(&event.Migration{Trace: trace, Version: &version, Outcome: event.Applied, Start: time.Now(), Duration: time.Second})
		r.Finished, r.Outcome, r.Duration = true, "ok", time.Second
		d.Run(r)
	}
	server := httptest.NewServer(d.Handler())
	defer server.Close()
	defer d.Close()

	b := openTab(t, server)
	b.open(server, 1280, 900, "light")
	rows := func(n int) string {
		return fmt.Sprintf(`document.querySelectorAll("#runs-body tbody tr").length === %d`, n)
	}
	b.until("the newest runs", rows(25))
	b.until("the last run's migration", `document.querySelector("#timeline-body .lane-label")?.innerText.trim() === "9999"`)
	b.do(chromedp.Click("#runs-body .more"))
	b.until("more runs", rows(125))
	b.do(chromedp.SendKeys("#runs-text", "9123"))
	b.until("the run that was looked for", rows(1))
	b.do(chromedp.Click("#runs-body tbody tr"))
	b.until("that run on the timeline", `document.querySelector("#timeline-body .lane-label")?.innerText.trim() === "9123"`)
}

// TestKeyboard: a run is chosen and a bar opened without a pointer, and the focus
// stays where it is when new data come.
func TestKeyboard(t *testing.T) {
	s := newScene(t, dashboard.Config{})
	s.run(1, shop, "goose", s.now(), time.Minute, time.Second, "failed", "1", "2")
	s.effects(1)
	b := openTab(t, s.server)
	b.open(s.server, 1280, 900, "light")
	b.until("the timeline", `document.querySelectorAll("#timeline-body .lane").length === 3`)
	b.do(chromedp.Focus(`#timeline-body li:nth-child(3) .lane`), chromedp.KeyEvent("\r"))
	b.until("the details", `document.querySelector(".details")?.innerText.includes("Statement 2 failed")`)
	b.until("the effect on the application", `document.querySelector(".effects")?.innerText.includes("×79")`)
	effects := shortly(b.text(".effects"))
	for _, want := range []string{"Compared with the last 20 runs", "×4.4", "Size 45.2 GiB, 192 MiB more than before", "Write-ahead log 392 MiB", "Cache hits 97.8 %", "Deadlocks 1", "Replication lag at the end 1.80 s"} {
		if !strings.Contains(effects, want) {
			t.Errorf("%q is not in %q", want, effects)
		}
	}
	b.shot("details.png", 1280, 0)
	s.run(2, shop, "bun", s.now(), time.Second, 0, "ok", "3")
	b.until("another run", `document.querySelectorAll("#runs-body tbody tr").length === 2`)
	s.run(3, shop, "bun", s.now(), time.Second, 0, "noop")
	b.do(chromedp.Focus(`#runs-body tbody tr:last-child button`))
	s.run(4, shop, "bun", s.now(), time.Second, 0, "noop")
	b.until("a fourth run", `document.querySelectorAll("#runs-body tbody tr").length === 4`)
	b.until("the focus where it was", `document.activeElement?.closest("tr")?.innerText.includes("failed")`)
	b.do(chromedp.KeyEvent("\r"))
	b.until("the run that was chosen", `document.querySelector("#timeline-note").innerText.startsWith("goose") && document.querySelectorAll("#timeline-body .lane").length === 3`)
	b.until("what a screen reader is told", `document.querySelector("#said").innerText.includes("run of bun")`)
}

// TestToken: without the token there is a question and no data.
func TestToken(t *testing.T) {
	s := newScene(t, dashboard.Config{Token: "correct horse"})
	s.run(1, shop, "goose", s.now(), time.Minute, 0, "ok", "1")
	b := openTab(t, s.server)
	b.open(s.server, 1280, 900, "dark")
	b.until("the question", `!document.querySelector("#login").hidden && document.querySelector("#main").hidden`)
	b.do(chromedp.SendKeys("#token", "wrong\r"))
	b.until("that it is wrong", `document.querySelector("#denied").innerText !== "" && !document.querySelector("#login").hidden`)
	for _, w := range b.forget() {
		if !strings.Contains(w, "401") {
			t.Error(w)
		}
	}
	b.do(chromedp.SendKeys("#token", "correct horse\r"))
	b.until("the data", `document.querySelectorAll("#runs-body tbody tr").length === 1`)
	b.do(chromedp.Click("#verify"))
	b.until("the verdict", `document.querySelector("#audit-body").innerText.includes("intact")`)
	b.do(chromedp.Reload())
	b.until("the data again, without a question", `document.querySelectorAll("#runs-body tbody tr").length === 1`)
}

// TestReconnect: a page whose connection is cut comes back by itself and shows
// what it has missed.
func TestReconnect(t *testing.T) {
	s := newScene(t, dashboard.Config{})
	s.run(1, shop, "goose", s.now(), time.Minute, 0, "ok", "1")
	b := openTab(t, s.server)
	b.open(s.server, 1280, 900, "light")
	b.until("the run", `document.querySelectorAll("#runs-body tbody tr").length === 1`)
	s.server.CloseClientConnections()
	b.until("that it is cut off", `document.querySelector("#link").dataset.state === "lost"`)
	s.run(2, shop, "goose", s.now(), time.Minute, 0, "ok", "2")
	b.until("what it missed", `document.querySelector("#link").dataset.state === "live" && document.querySelectorAll("#runs-body tbody tr").length === 2`)
	for _, w := range b.forget() {
		if !strings.Contains(w, "net::ERR_") {
			t.Error(w)
		}
	}
}

// TestRestart: a page outlives the process that it looks at. What it knew of the
// old one is gone, because its numbers begin anew.
func TestRestart(t *testing.T) {
	start := func(l net.Listener, run string) (*dashboard.Dashboard, *httptest.Server) {
		d := dashboard.New(dashboard.Config{}, dashboard.Deps{})
		d.Run(&event.Run{Trace: event.Trace{RunID: run}, Database: shop, Tool: run, Start: time.Now(), Finished: true, Outcome: "ok", Applied: 1})
		s := httptest.NewUnstartedServer(d.Handler())
		if l != nil {
			_ = s.Listener.Close()
			s.Listener = l
		}
		s.Start()
		return d, s
	}
	d, server := start(nil, "first")
	addr := server.Listener.Addr().String()
	b := openTab(t, server)
	b.open(server, 1280, 900, "light")
	b.until("the run of the first process", `document.querySelector("#runs-body").innerText.includes("first")`)
	d.Close()
	server.Close()
	b.until("that it is cut off", `document.querySelector("#link").dataset.state === "lost"`)
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	d, server = start(l, "second")
	defer server.Close()
	defer d.Close()
	b.until("the second process alone", `document.querySelector("#link").dataset.state === "live" && document.querySelectorAll("#runs-body tbody tr").length === 1 && document.querySelector("#runs-body").innerText.includes("second")`)
	b.until("its run on the timeline", `document.querySelector("#timeline-note").innerText.startsWith("second")`)
	for _, w := range b.forget() {
		if !strings.Contains(w, "net::ERR_") {
			t.Error(w)
		}
	}
}
