package alert

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// alertmanagerConfig groups at once and resolves within a second what nobody
// repeats and what has no end of its own.
const alertmanagerConfig = `
global: {resolve_timeout: 1s}
route: {receiver: test, group_by: [alertname, db], group_wait: 0s, group_interval: 200ms, repeat_interval: 1h}
receivers: [{name: test, webhook_configs: [{url: %q}]}]
`

// realAlertmanager is an Alertmanager of the test's own, and what it has told
// its receiver.
type realAlertmanager struct {
	url      string
	mu       sync.Mutex
	received []notification
}

// notification is the body of Alertmanager's webhook.
type notification struct {
	Status      string            `json:"status"`
	GroupLabels map[string]string `json:"groupLabels"`
	Alerts      []struct {
		Status string            `json:"status"`
		Labels map[string]string `json:"labels"`
	} `json:"alerts"`
}

// openAlert is one of /api/v2/alerts.
type openAlert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	EndsAt      time.Time         `json:"endsAt"`
	Status      struct {
		State string `json:"state"`
	} `json:"status"`
}

var listening = regexp.MustCompile(`msg="Listening on" address=(127\.0\.0\.1:\d+)`)

func startAlertmanager(t *testing.T) *realAlertmanager {
	t.Helper()
	program, err := exec.LookPath("prometheus-alertmanager")
	if err != nil {
		program, err = exec.LookPath("alertmanager")
	}
	if err != nil {
		t.Skip("no Alertmanager in PATH: install the package prometheus-alertmanager")
	}
	am := &realAlertmanager{}
	receiver := httptest.NewServer(http.HandlerFunc(am.receive))
	t.Cleanup(receiver.Close)
	dir := t.TempDir()
	config := filepath.Join(dir, "alertmanager.yml")
	page, err := os.ReadFile("../docs/alerts.md")
	if err != nil {
		t.Fatal(err)
	}
	_, advised, _ := strings.Cut(string(page), "\ninhibit_rules:")
	advised, _, _ = strings.Cut(advised, "```")
	if err := os.WriteFile(config, fmt.Appendf(nil, alertmanagerConfig+"inhibit_rules:%s", receiver.URL, advised), 0o600); err != nil {
		t.Fatal(err)
	}
	server := exec.CommandContext(t.Context(), program, "--config.file="+config, "--storage.path="+filepath.Join(dir, "data"),
		"--web.listen-address=127.0.0.1:0", "--web.external-url=http://127.0.0.1/", "--cluster.listen-address=")
	stderr, err := server.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	var said []string
	address := make(chan string, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			said = append(said, lines.Text())
			if m := listening.FindStringSubmatch(lines.Text()); m != nil {
				address <- m[1]
			}
		}
	}()
	t.Cleanup(func() { // the test's context has ended, and the server with it
		<-ended
		_ = server.Wait()
	})
	select {
	case a := <-address:
		am.url = "http://" + a
	case <-ended:
		t.Fatalf("%s did not start: %q", program, said)
	case <-time.After(10 * time.Second):
		t.Fatalf("%s does not say where it listens", program)
	}
	return am
}

func (am *realAlertmanager) receive(_ http.ResponseWriter, r *http.Request) {
	var n notification
	if json.NewDecoder(r.Body).Decode(&n) == nil {
		am.mu.Lock()
		defer am.mu.Unlock()
		am.received = append(am.received, n)
	}
}

// told reports whether the receiver was sent an alert with a status.
func (am *realAlertmanager) told(status, label, value string) bool {
	am.mu.Lock()
	defer am.mu.Unlock()
	for _, n := range am.received {
		for _, a := range n.Alerts {
			if a.Status == status && a.Labels[label] == value {
				return true
			}
		}
	}
	return false
}

// get reads a page of the API, of one database.
func (am *realAlertmanager) get(t *testing.T, path, db string, into any) {
	t.Helper()
	res, err := http.Get(am.url + path + "?" + url.Values{"filter": {fmt.Sprintf("db=%q", db)}}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(into); err != nil {
		t.Fatalf("%s: %s: %v", path, res.Status, err)
	}
}

// open are the alerts of a database that Alertmanager holds unresolved.
func (am *realAlertmanager) open(t *testing.T, db string) (list []openAlert) {
	t.Helper()
	am.get(t, "/api/v2/alerts", db, &list)
	return list
}

// until asks again and again until something is so.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	pace := time.NewTicker(20 * time.Millisecond)
	defer pace.Stop()
	for end := time.Now().Add(20 * time.Second); !so(); <-pace.C {
		if time.Now().After(end) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}
