package sqlwitness_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/alert"
)

// TestFlushOnFailure: a job that exits as soon as its migration fails, with
// nothing deferred and nothing closed, has paged and has pushed its metrics.
func TestFlushOnFailure(t *testing.T) {
	const asChild = "SQLWITNESS_TEST_FAILING_CHILD"
	if url := os.Getenv(asChild); url != "" {
		failAndExit(t, url)
	}
	got := map[string]string{}
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got[r.URL.Path] += string(body) // one at a time: the child waits for each
	}))
	child := exec.Command(os.Args[0], "-test.run=^TestFlushOnFailure$")
	child.Env = append(os.Environ(), asChild+"="+server.URL)
	out, err := child.CombinedOutput()
	server.Close()
	if child.ProcessState.ExitCode() != 7 {
		t.Fatalf("the child ended with %v:\n%s", err, out)
	}
	if !strings.Contains(got["/page"], `migration_failed`) {
		t.Errorf("it has not paged:\n%s", got["/page"])
	}
	if !strings.Contains(got["/push"], `sqlwitness_migrations_total{tool="unknown",direction="unknown",outcome="failed"`) {
		t.Errorf("it has not pushed what failed:\n%s", got["/push"])
	}
	if !strings.Contains(string(out), `"event":"alert.firing"`) {
		t.Errorf("the log lacks the alert:\n%s", out)
	}
}

// failAndExit is the child.
func failAndExit(t *testing.T, url string) {
	w, err := sqlwitness.New(sqlwitness.Config{
		FlushOnFailure: true,
		PushURL:        url + "/push",
		Alert:          alert.Config{Channels: []alert.Channel{{Name: "page", Kind: "webhook", URL: alert.NewSecret(url + "/page")}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	db, err := w.Open("sqlite", filepath.Join(t.TempDir(), "app.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("ALTER TABLE nowhere ADD COLUMN a int"); err != nil {
		os.Exit(7)
	}
}
