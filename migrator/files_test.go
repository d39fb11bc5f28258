package migrator

import (
	"testing"
	"testing/fstest"

	"github.com/sqlwitness/sqlwitness/event"
	"github.com/sqlwitness/sqlwitness/sqltext"
)

func TestFiles(t *testing.T) {
	files, err := ReadFiles(fstest.MapFS{
		"00007_orders.sql": {Data: []byte("-- +goose Up\n-- orders\nCREATE TABLE orders (id int);\nINSERT INTO kinds VALUES ('a');\n-- +goose Down\nDROP TABLE orders;\n")},
		"00008_more.sql":   {Data: []byte("-- +goose Up\nINSERT INTO kinds VALUES ('b');\nALTER TABLE users ADD x int;\n-- +goose Down\nSELECT 1;\n")},
		"00009_same.sql":   {Data: []byte("-- +goose Up\nALTER TABLE users ADD x int;\n-- +goose Down\nSELECT 1;\n")},
		"10_a.up.sql":      {Data: []byte("CREATE INDEX i ON t (a);")},
		"10_a.down.sql":    {Data: []byte("DROP INDEX i;")},
		"sub/11_b.sql":     {Data: []byte("-- migrate:up\nCREATE VIEW v AS SELECT 1;\n-- migrate:down\nDROP VIEW v;\n")},
		"12_broken.sql":    {Data: []byte("SELECT 'unterminated")},
		"README.md":        {Data: []byte("CREATE TABLE readme (id int);")},
	}, sqltext.PostgreSQL)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		sql  string
		file string
		dir  event.Direction
	}{
		{"CREATE  TABLE orders (id int)", "00007_orders.sql", event.Up},
		{"DROP TABLE orders;", "00007_orders.sql", event.Down},
		{"INSERT INTO kinds VALUES ('b')", "00008_more.sql", event.Up},
		{"INSERT INTO kinds VALUES ('c')", "", ""}, // literals count
		{"ALTER TABLE users ADD x int", "", ""},    // in two files
		{"SELECT 1", "", ""},
		{"CREATE INDEX i ON t (a); -- whole file", "10_a.up.sql", event.Up},
		{"DROP INDEX i", "10_a.down.sql", event.Down},
		{"-- migrate:up\nCREATE VIEW v AS SELECT 1;", "11_b.sql", event.Up},
		{"CREATE TABLE readme (id int)", "", ""},
		{"", "", ""},
	} {
		o, ok := files.find(c.sql)
		if ok != (c.file != "") || o.file != c.file && ok || ok && o.direction != c.dir {
			t.Errorf("%q is of %q, %s (%v), want %q, %s", c.sql, o.file, o.direction, ok, c.file, c.dir)
		}
	}
	if _, ok := (*Files)(nil).find("SELECT 1"); ok {
		t.Error("no files name nothing")
	}
}

func TestVersionOfAFile(t *testing.T) {
	for _, c := range []struct{ tool, file, want string }{
		{"goose", "00007_orders.sql", "7"},
		{"golang-migrate", "20200102030405_x.up.sql", "20200102030405"},
		{"sql-migrate", "0001-users.sql", "0001-users.sql"},
		{"dbmate", "20200102030405_x.sql", "20200102030405"},
		{"maragu", "00001-create-users.up.sql", "00001-create-users"},
		{"goose", "seed.sql", "seed"},
	} {
		for i := range known {
			if known[i].name == c.tool {
				if got := known[i].versionOf(c.file); got != c.want {
					t.Errorf("%s: %s is version %s, want %s", c.tool, c.file, got, c.want)
				}
			}
		}
	}
}
