package integration

import (
	"fmt"
	"strings"
	"testing/fstest"
)

// migration is one migration, in the words that all the tools share. Each tool
// gets it in its own form.
type migration struct {
	id       int
	name     string
	up, down []string
}

var (
	users  = migration{1, "users", []string{"CREATE TABLE users (id bigint, email varchar(100))"}, []string{"DROP TABLE users"}}
	orders = migration{2, "orders", []string{"CREATE TABLE orders (id bigint, user_id bigint)", "CREATE INDEX idx_orders ON orders (user_id)"}, []string{"DROP TABLE orders"}}
	seed   = migration{3, "seed", []string{"INSERT INTO users (id, email) VALUES (1, 'a@example.test'), (2, 'b@example.test')"}, []string{"DELETE FROM users"}}
	broken = migration{4, "broken", []string{"INSERT INTO users (id, email) VALUES (3, 'c@example.test')", "CREATE TABEL oops (id bigint)"}, []string{"DELETE FROM users WHERE id = 3"}}

	three = []migration{users, orders, seed}
	four  = []migration{users, orders, seed, broken}
)

// slow is a migration that does not end by itself in the time of a test.
func slow(t target) migration {
	return migration{2, "slow", []string{t.forever}, []string{"DELETE FROM users"}}
}

func (m migration) padded() string { return fmt.Sprintf("%05d", m.id) }

// text is statements as a tool's file holds them.
func text(statements []string) string { return strings.Join(statements, ";\n") + ";\n" }

// annotated are the files of a tool that keeps both directions in one file,
// each under a line of its own.
func annotated(ms []migration, up, down string) fstest.MapFS {
	files := fstest.MapFS{}
	for _, m := range ms {
		files[m.padded()+"_"+m.name+".sql"] = &fstest.MapFile{Data: []byte(up + "\n" + text(m.up) + down + "\n" + text(m.down))}
	}
	return files
}

// paired are the files of a tool that keeps each direction in a file of its own.
func paired(ms []migration, name func(m migration, direction string) string) fstest.MapFS {
	files := fstest.MapFS{}
	for _, m := range ms {
		files[name(m, "up")] = &fstest.MapFile{Data: []byte(text(m.up))}
		files[name(m, "down")] = &fstest.MapFile{Data: []byte(text(m.down))}
	}
	return files
}
