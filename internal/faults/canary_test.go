package faults

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/alert"
	"github.com/sqlwitness/sqlwitness/audit"
	"github.com/sqlwitness/sqlwitness/audit/anchor"
)

// canary is in every secret, and has to be nowhere else.
const canary = "c4n4ry"

// sings reports where a secret has come out.
func sings(t *testing.T, where string, said any) {
	t.Helper()
	for _, form := range []string{"%v", "%+v", "%#v"} {
		if text := fmt.Sprintf(form, said); strings.Contains(text, canary) {
			t.Errorf("%s says %s", where, text)
			return
		}
	}
}

// TestSecretsInAConfigurationThatDoesNotHold: a mistake beside a secret is told of
// without it.
func TestSecretsInAConfigurationThatDoesNotHold(t *testing.T) {
	for i, text := range []string{
		"push_url: ftp://u:c4n4ry@x/",
		"push_url: 'http://u:c4n4ry@x:port/'",
		"push_url: \"://c4n4ry\"",
		"push_url: c4n4ry",
		"push_url:https://x/c4n4ry",
		"audit: {key: c4n4ry}",
		"audit: {key: PRIVATE+KEY+shop+c4n4ry+c4n4ry}",
		"audit: {key: 'PRIVATE+KEY+shop+0000+c4n4ry'}",
		"audit: {anchor_webhook: 'c4n4ry'}",
		"audit: {anchor_webhook: 'http://x:y/c4n4ry'}",
		"audit: {anchor_webhook: 'https://x/c4n4ry'}", // without a key
		"alerts: {channels: [{name: x, kind: slack, url: 'ftp://x/c4n4ry'}]}",
		"alerts: {channels: [{name: x, kind: slack, url: 'http://x:y/c4n4ry'}]}",
		"alerts: {channels: [{name: x, kind: c4n4r-, url: 'https://x/c4n4ry'}]}",
		"alerts: {channels: [{name: x, kind: pagerduty, key: c4n4ry, url: 'x'}]}",
		"alerts: {channels: [{name: x, kind: webhook, key: c4n4ry}]}",
		"alerts: {channels: [{name: x, kind: slack, url: [c4n4ry]}]}",
		"dashboard: {token: [c4n4ry]}",
		"dashboard: {token: {c4n4ry: 1}}",
		"dashboard: {token: *c4n4ry}",
		"dashboard: {token: 'c4n4ry}",
		"dashboard: {token: @c4n4ry}",
		"dashboard: {token: `c4n4ry`}",
		"dashboard:\n  token:c4n4ry",
		"dashboard:\n  token: c4n4ry: x",
		"dashboard:\n  token: x\n  token: c4n4ry",
		"dashboard:\n\ttoken: c4n4ry",
		"dashboard: {token: c4n4ry, token: c4n4ry}",
		"dashboard: c4n4ry",
		"text_cache: c4n4ry",
	} {
		t.Run(strconv.Itoa(i), func(t *testing.T) { // a name of the text's would be in the path
			path := filepath.Join(t.TempDir(), "sqlwitness.yaml")
			must(t, os.WriteFile(path, []byte(text), 0o600))
			t.Setenv("SQLWITNESS_CONFIG", path)
			cfg, err := sqlwitness.ConfigFromEnvironment()
			if err == nil {
				cfg.LogOutput = io.Discard
				var w *sqlwitness.Witness
				if w, err = sqlwitness.New(cfg); err == nil {
					must(t, w.Close(t.Context()))
				}
			}
			if err == nil {
				t.Fatalf("%s holds", text)
			}
			sings(t, "the error", err)
		})
	}
}

// TestSecretsInKeys: who mistakes the private key for the public one does not read
// it in the error, which goes to a terminal or a build's log.
func TestSecretsInKeys(t *testing.T) {
	db := sqlite.plain(t, sqlite.fresh(t))
	_, err := audit.Verify(t.Context(), db, "sqlite", audit.VerifyConfig{Keys: []string{"PRIVATE+KEY+shop+00000000+c4n4ry"}})
	if err == nil {
		t.Fatal("it was taken")
	}
	sings(t, "Verify", err)
	_, _, err = audit.CheckProof("", []string{"PRIVATE+KEY+shop+00000000+c4n4ry"})
	sings(t, "CheckProof", err)
}

// TestSecretsInFailures: with everything out of order at once, no secret is in a
// log line, an error, a metric, the page or a row.
func TestSecretsInFailures(t *testing.T) {
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, "you sent %s %q %s", r.URL, r.Header, body) // as some proxies do
	}))
	t.Cleanup(echo.Close)
	redirect := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "http://127.0.0.1:1\x7f"+r.URL.String())
		w.WriteHeader(http.StatusTemporaryRedirect)
	}))
	t.Cleanup(redirect.Close)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	must(t, closed.Close())
	for name, base := range map[string]string{"nobody": "http://" + closed.Addr().String(), "echo": echo.URL, "redirect": redirect.URL} {
		for _, tg := range append(servers, sqlite) {
			t.Run(name+"/"+tg.name, func(t *testing.T) {
				t.Parallel() // most of the time it waits for who does not answer
				tg.secretsInFailures(t, base)
			})
		}
	}
}

func (tg target) secretsInFailures(t *testing.T, base string) {
	dsn := tg.fresh(t)
	base = strings.Replace(base, "http://", "http://user:"+canary+"@", 1)
	key, _, err := audit.NewKey(strings.NewReader(strings.Repeat(canary, 16)), "shop")
	must(t, err)
	hook, err := anchor.NewWebhook(base+"/anchor/"+canary+"?token="+canary, http.Header{"Authorization": {"Bearer " + canary}}, nil)
	must(t, err)
	spool := filepath.Join(t.TempDir(), "spool.jsonl")
	cfg := sqlwitness.Config{PushURL: base + "/metrics/job/" + canary}
	cfg.Dashboard.Token = canary
	cfg.Audit = audit.Config{Key: key, Anchors: []anchor.Anchor{hook}, Spool: spool}
	cfg.Alert = alert.Config{Env: "prod", Channels: []alert.Channel{
		{Name: "chat", Kind: "slack", URL: alert.NewSecret(base + "/services/" + canary)},
		{Name: "hook", Kind: "webhook", URL: alert.NewSecret(base + "/hook?k=" + canary), Key: alert.NewSecret(canary)},
		{Name: "pager", Kind: "pagerduty", URL: alert.NewSecret(base + "/v2/enqueue"), Key: alert.NewSecret(canary)},
		{Name: "am", Kind: "alertmanager", URL: alert.NewSecret(base + "/" + canary)},
	}}
	w, log := witness(t, cfg, nil)

	// A statement that fails with a literal in it, and a migration that does.
	db, err := w.Open(tg.driver, dsn)
	must(t, err)
	_, err = db.Exec("SELECT '" + canary + "' FROM there_is_no_such_table")
	if err == nil {
		t.Error("it did not fail")
	}
	_ = tg.migrate(t.Context(), db, migrations)
	_ = tg.record(db, "goose_db_version", "x", "CREATE TABLE broken (a INT DEFAULT '"+canary+"' CHECK (")
	must(t, db.Close())

	// A login that is refused, and a server that is not there.
	for _, other := range tg.refused(t, dsn) {
		db, err := w.Open(tg.driver, other)
		if err != nil {
			t.Log(err) // the driver's own
			continue
		}
		if err := db.PingContext(t.Context()); err == nil {
			t.Error("it was let in")
		}
		_ = tg.migrate(t.Context(), db, migrations)
		_ = db.Close()
	}

	var metrics strings.Builder
	w.WritePrometheus(&metrics)
	sings(t, "the metrics", metrics.String())
	for _, path := range []string{"/", "/metrics", "/api/state", "/api/audit"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost"+path, nil)
		r.Header.Set("Authorization", "Bearer "+canary)
		page := httptest.NewRecorder()
		w.Handler().ServeHTTP(page, r)
		if page.Code != http.StatusOK {
			t.Errorf("%s: %d", path, page.Code)
		}
		sings(t, path, page.Body.String())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // what cannot be delivered is not waited for
	sings(t, "Close", w.Close(ctx))
	_ = w.Close(t.Context())
	sings(t, "the log", log.String())
	if text, err := os.ReadFile(spool); err == nil {
		sings(t, "the spool", string(text))
	}
	plain := tg.plain(t, dsn)
	rows := 0
	for table, column := range map[string]string{"entry": "leaf", "payload": "body", "checkpoint": "note", "seal": "leaf"} {
		rows += tg.search(t, plain, tg.tables+table, column)
	}
	if rows == 0 {
		t.Error("nothing was recorded")
	}
}

// refused are DSNs whose password is of no use.
func (tg target) refused(t *testing.T, dsn string) (list []string) {
	t.Helper()
	switch tg.system {
	case "sqlite":
		return nil
	case "mysql":
		cfg, err := mysql.ParseDSN(dsn)
		must(t, err)
		cfg.User, cfg.Passwd = "nobody", canary
		list = append(list, cfg.FormatDSN())
	default:
		list = append(list, strings.Replace(dsn, "postgres@", "nobody:"+canary+"@", 1), strings.Replace(dsn, "postgres@", "postgres:"+canary+"@", 1)+"&options=-c%20no_such_setting%3Don")
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	must(t, closed.Close())
	_, gone := tg.at(t, list[0], closed.Addr().String())
	return append(list, gone)
}

// search looks into a column of a table, and counts its rows.
func (tg target) search(t *testing.T, db *sql.DB, table, column string) (n int) {
	t.Helper()
	rows, err := db.Query("SELECT " + column + " FROM " + table)
	must(t, err)
	defer rows.Close()
	for rows.Next() {
		var text []byte
		must(t, rows.Scan(&text))
		sings(t, table, string(text))
		n++
	}
	must(t, rows.Err())
	return n
}
