package browsertest

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// tab is a page of a browser that writes down what the page does wrong.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	wrong    []string
	requests int
}

// patience bounds how long a test waits for what the page should come to show.
const patience = 20 * time.Second

// startBrowser starts a browser without any state, which ends with the test. It
// tries three times: on a busy machine Chromium may end as it starts.
func startBrowser(t *testing.T) (ctx context.Context) {
	t.Helper()
	program := chromium(t)
	var err error
	for range 3 {
		if ctx, err = tryBrowser(t, program); err == nil {
			return ctx
		}
	}
	t.Fatal(err)
	return nil
}

func tryBrowser(t *testing.T, program string) (context.Context, error) {
	profile, err := os.MkdirTemp("", "sqlwitness-browser-")
	if err != nil {
		return nil, err
	}
	// Parts of the browser may write to it a little longer than the browser lives.
	t.Cleanup(func() { _ = os.RemoveAll(profile) })
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.UserDataDir(profile), chromedp.NoSandbox,
		chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-sync", true), chromedp.Flag("no-first-run", true),
		chromedp.Flag("force-prefers-reduced-motion", true))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	t.Cleanup(func() { _ = chromedp.Cancel(ctx) }) // waits for the browser to end
	return ctx, chromedp.Run(ctx)
}

// openTab opens a page of a browser without any state. Where there is no
// Chromium the test is skipped. At its end the test fails if there was an error
// in the console or a request to anywhere but the server.
func openTab(t *testing.T, server *httptest.Server) *tab {
	t.Helper()
	ctx := startBrowser(t)
	b := &tab{t: t, ctx: ctx}
	host, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	chromedp.ListenTarget(ctx, func(ev any) {
		switch ev := ev.(type) {
		case *runtime.EventConsoleAPICalled:
			if ev.Type == runtime.APITypeError || ev.Type == runtime.APITypeWarning {
				b.note("console: %v", ev.Args)
			}
		case *runtime.EventExceptionThrown:
			b.note("exception: %s", ev.ExceptionDetails.Error())
		case *log.EventEntryAdded:
			if ev.Entry.Level == log.LevelError {
				b.note("log: %s %s", ev.Entry.Text, ev.Entry.URL)
			}
		case *network.EventRequestWillBeSent:
			b.mu.Lock()
			b.requests++
			b.mu.Unlock()
			if u, err := url.Parse(ev.Request.URL); err != nil || u.Host != host.Host {
				b.note("request to %s", ev.Request.URL)
			}
		case *page.EventJavascriptDialogOpening:
			b.note("dialog: %s", ev.Message)
		}
	})
	b.do(network.Enable(), log.Enable(), runtime.Enable())
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, w := range b.wrong {
			t.Error(w)
		}
		if b.requests == 0 {
			t.Error("no request was seen: the test listens to nothing")
		}
	})
	return b
}

func (b *tab) note(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wrong = append(b.wrong, fmt.Sprintf(format, args...))
}

// forget drops what was noted, for a test that provokes it; it returns it.
func (b *tab) forget() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	noted := b.wrong
	b.wrong = nil
	return noted
}

func (b *tab) do(actions ...chromedp.Action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// open loads the page at a size in CSS pixels, light or dark.
func (b *tab) open(server *httptest.Server, width, height int64, scheme string) {
	b.t.Helper()
	mobile := width < 600
	b.do(emulation.SetDeviceMetricsOverride(width, height, 1, mobile),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}),
		chromedp.Navigate(server.URL+"/"))
}

// text is what an element shows.
func (b *tab) text(selector string) (s string) {
	b.t.Helper()
	b.eval(fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector), &s)
	return s
}

func (b *tab) eval(js string, to any) {
	b.t.Helper()
	b.do(chromedp.Evaluate(js, to))
}

// until waits for an expression to hold on the page.
func (b *tab) until(what, js string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, chromedp.Poll(js, nil, chromedp.WithPollingInterval(100*time.Millisecond), chromedp.WithPollingTimeout(0))); err != nil {
		var shown string
		_ = chromedp.Run(b.ctx, chromedp.Evaluate("document.body.innerText", &shown))
		b.t.Fatalf("the page does not show %s: %v\n%s", what, err, shown)
	}
}

// shot writes a picture of the page to the folder that SQLWITNESS_SCREENSHOTS
// names, if it names one. A height of 0 is all of the page.
func (b *tab) shot(name string, width, height int64) {
	b.t.Helper()
	dir := os.Getenv("SQLWITNESS_SCREENSHOTS")
	if dir == "" {
		return
	}
	if height == 0 {
		b.eval("document.documentElement.scrollHeight", &height)
	}
	var png []byte
	b.do(emulation.SetDeviceMetricsOverride(width, height, 1, width < 600), chromedp.Sleep(400*time.Millisecond), chromedp.CaptureScreenshot(&png))
	if err := os.WriteFile(filepath.Join(dir, name), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("NO CHROMIUM IS INSTALLED: apt-get install chromium")
	return ""
}

func lines(s ...string) string { return strings.Join(s, "\n") }
