package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

// A signal lets the migration that runs come to its end, and starts no other.
func TestMigrateStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	database := "sqlite://" + testdb.SQLite(t)
	errs := &trigger{word: "1/u users", pull: cancel}
	code := migrateCommand(ctx, []string{"-path", "testdata/migrate", "-database", database, "up"}, nil, io.Discard, errs)
	if said := errs.String(); code != exitOK || !strings.Contains(said, "Stopping after this running migration ...") || strings.Contains(said, "failed") {
		t.Errorf("exit %d, says %q", code, said)
	}
	var version bytes.Buffer
	migrateCommand(context.Background(), []string{"-path", "testdata/migrate", "-database", database, "version"}, nil, io.Discard, &version)
	if v := strings.TrimSpace(version.String()); v != "1" && v != "2" { // the second may have begun
		t.Errorf("version %q, want the first or the second, and not dirty", v)
	}
}

func TestVersionOfNewFiles(t *testing.T) {
	now := time.Date(2026, 3, 4, 23, 6, 7, 8, time.UTC)
	for _, c := range []struct {
		files newFiles
		want  string
	}{
		{newFiles{format: stampFormat, zone: "UTC"}, "20260304230607"},
		{newFiles{format: stampFormat, zone: "Asia/Tokyo"}, "20260305080607"},
		{newFiles{format: "unix"}, "1772665567"},
		{newFiles{format: "unixNano"}, "1772665567000000008"},
		{newFiles{format: ""}, "time format may not be empty"},
		{newFiles{sequential: true, digits: 4, dir: "testdata/migrate", extension: ".sql"}, "0005"},
		{newFiles{sequential: true, digits: 0}, "digits must be positive"},
		{newFiles{sequential: true, digits: 4, dir: t.TempDir(), extension: ".sql"}, "0001"},
	} {
		got, err := c.files.version(now)
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%+v: %q, want %q", c.files, got, c.want)
		}
	}
}

func TestURLs(t *testing.T) {
	for _, c := range []struct{ address, scheme, folder string }{
		{"file://migrations", "file", "migrations"},
		{"file:///srv/migrations", "file", "/srv/migrations"},
		{"github://u:t@o/r", "github", ""},
		{"", "URL cannot be empty", ""},
		{"migrations", "no scheme", ""},
	} {
		scheme, err := schemeOf(c.address)
		if err != nil {
			scheme = err.Error()
		}
		if folder := sourceFolder(c.address); scheme != c.scheme || folder != c.folder {
			t.Errorf("%q: %q and %q, want %q and %q", c.address, scheme, folder, c.scheme, c.folder)
		}
	}
}

// A password is not taken for the name of a network and shown.
func TestMySQLWithoutAt(t *testing.T) {
	for _, dsn := range []string{"root:secret/d", "root:secret(h)/d", "root:secret/d?tls=true", "ro@ot:secret/d"} {
		if _, err := parseMySQL(dsn); !strings.Contains(errorText(err), "there is no @") || strings.Contains(errorText(err), "secret") {
			t.Errorf("%s: %v", dsn, err)
		}
	}
	for _, dsn := range []string{"/", "/d", "root/d", "tcp(h:1)/d", "root:secret@tcp(h:1)/d", "root:se@c:r/et@tcp([::1]:1)/d?tls=true", "root@unix(/run/my:sql)/d"} {
		if _, err := parseMySQL(dsn); err != nil && strings.Contains(err.Error(), "there is no @") {
			t.Errorf("%s: %v", dsn, err)
		}
	}
}
