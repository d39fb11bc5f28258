package recipes

import (
	"bytes"
	"database/sql"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"ariga.io/atlas/sql/migrate"
	"entgo.io/ent/dialect/sql/schema"
	"entgo.io/ent/schema/field"
	"github.com/go-gormigrate/gormigrate/v2"
	"github.com/gobuffalo/pop/v6"
	"github.com/gobuffalo/pop/v6/logging"
	"github.com/golang-migrate/migrate/v4/source"
	"github.com/golang-migrate/migrate/v4/source/iofs"
	"github.com/pressly/goose/v3"
	sqlmigrate "github.com/rubenv/sql-migrate"
	bunmigrate "github.com/uptrace/bun/migrate"
	"gorm.io/gorm"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/internal/testdb"
)

// The default witness reads its configuration when it is first used.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "recipes")
	if err != nil {
		log.Fatal(err)
	}
	_ = os.Setenv("SQLWITNESS_LOG_LEVEL", "off")
	_ = os.Setenv("SQLWITNESS_AUDIT_SPOOL", filepath.Join(dir, "spool.jsonl"))
	goose.SetLogger(goose.NopLogger())
	pop.SetLogger(func(logging.Level, string, ...any) {})
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

const table = "CREATE TABLE users (id bigint);\n"

// paired are migrations as golang-migrate, bun and pop have them.
var paired = fstest.MapFS{
	"00001_users.up.sql":   {Data: []byte(table)},
	"00001_users.down.sql": {Data: []byte("DROP TABLE users;\n")},
}

func sourceOf(t *testing.T, files fstest.MapFS) source.Driver {
	t.Helper()
	src, err := iofs.New(files, ".")
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// TestRecipes runs each recipe on a database of its own. The default witness
// must have seen the migration, under the name of the tool.
func TestRecipes(t *testing.T) {
	ctx := t.Context()
	gooseFiles := fstest.MapFS{"00001_users.sql": {Data: []byte("-- +goose Up\n" + table)}}
	recipes := []struct {
		name, tool string
		run        func(dsn string, db *sql.DB) error
	}{
		{"gooseProvider", "goose", func(_ string, db *sql.DB) error { return gooseProvider(ctx, db, gooseFiles) }},
		{"gooseGlobal", "goose", func(_ string, db *sql.DB) error { return gooseGlobal(ctx, db, gooseFiles) }},
		{"migrateInstance", "golang-migrate", func(_ string, db *sql.DB) error { return migrateInstance(db, sourceOf(t, paired)) }},
		{"migrateURL", "golang-migrate", func(dsn string, _ *sql.DB) error {
			return migrateURL("witness+"+dsn, sourceOf(t, paired))
		}},
		{"sqlMigrate", "sql-migrate", func(_ string, db *sql.DB) error {
			return sqlMigrate(ctx, db, &sqlmigrate.MemoryMigrationSource{Migrations: []*sqlmigrate.Migration{{Id: "1", Up: []string{table}}}})
		}},
		{"gormConn", "gormigrate", func(_ string, db *sql.DB) error {
			g, err := gormConn(db)
			if err != nil {
				return err
			}
			return gormMigrations(g, []*gormigrate.Migration{{ID: "1", Migrate: func(tx *gorm.DB) error { return tx.Exec(table).Error }}})
		}},
		{"gormDriverName", "unknown", func(dsn string, _ *sql.DB) error {
			g, err := gormDriverName(dsn)
			if err != nil {
				return err
			}
			type user struct{ ID int64 }
			if err := g.AutoMigrate(&user{}); err != nil {
				return err
			}
			db, err := g.DB() // DDL of no tool is told once the connection is given back
			if err != nil {
				return err
			}
			return db.Close()
		}},
		{"bunMigrate", "bun", func(_ string, db *sql.DB) error {
			ms := bunmigrate.NewMigrations()
			if err := ms.Discover(paired); err != nil {
				return err
			}
			return bunMigrate(ctx, db, ms)
		}},
		{"xormEngine", "unknown", func(_ string, db *sql.DB) error {
			engine, err := xormEngine(db)
			if err != nil {
				return err
			}
			_, err = engine.Exec(table)
			return err
		}},
		{"entDriver", "unknown", func(_ string, db *sql.DB) error {
			m, err := schema.NewMigrate(entDriver(db))
			if err != nil {
				return err
			}
			id := []*schema.Column{{Name: "id", Type: field.TypeInt64, Increment: true}}
			return m.Create(ctx, &schema.Table{Name: "users", Columns: id, PrimaryKey: id})
		}},
		{"popMigrate", "pop", func(dsn string, _ *sql.DB) error { return popMigrate(dsn, paired) }},
		{"riverMigrate", "river", func(_ string, db *sql.DB) error { return riverMigrate(ctx, db) }},
		{"atlasExecute", "unknown", func(_ string, db *sql.DB) error {
			dir := &migrate.MemDir{}
			if err := dir.WriteFile("1_users.sql", []byte(table)); err != nil {
				return err
			}
			sum, err := dir.Checksum()
			if err != nil {
				return err
			}
			if err := migrate.WriteSumFile(dir, sum); err != nil {
				return err
			}
			return atlasExecute(ctx, db, dir, migrate.NopRevisionReadWriter{})
		}},
		{"sqlxDB", "unknown", func(_ string, db *sql.DB) error {
			_, err := sqlxDB(db).Exec(table)
			return err
		}},
		{"sqlxConnect", "unknown", func(dsn string, _ *sql.DB) error {
			db, err := sqlxConnect(dsn)
			if err != nil {
				return err
			}
			defer db.Close()
			if _, err := db.Exec(table); err != nil {
				return err
			}
			_, err = db.NamedExec("INSERT INTO users (id) VALUES (:id)", map[string]any{"id": 1})
			return err
		}},
	}
	for _, r := range recipes {
		t.Run(r.name, func(t *testing.T) {
			dsn := testdb.PostgreSQL(t)
			db, err := open(dsn)
			if err != nil {
				t.Fatal(err)
			}
			before := seen(t, r.tool)
			if err := r.run(dsn, db); err != nil {
				t.Fatal(err)
			}
			_ = db.Close() // some of the tools have closed it
			if after := seen(t, r.tool); after == before {
				t.Errorf("the witness has seen no migration of %q; it has counted\n%s", r.tool, after)
			}
		})
	}
}

// seen is what the default witness has counted of a tool's migrations.
func seen(t *testing.T, tool string) string {
	t.Helper()
	w, err := sqlwitness.Default()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	w.WritePrometheus(&text)
	var b strings.Builder
	for line := range strings.Lines(text.String()) {
		if strings.HasPrefix(line, "sqlwitness_migrations_total{") && strings.Contains(line, `tool="`+tool+`"`) {
			b.WriteString(line)
		}
	}
	return b.String()
}
