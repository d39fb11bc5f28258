package integration

import (
	"context"
	"database/sql"

	atlas "ariga.io/atlas/sql/migrate"
	atlasmysql "ariga.io/atlas/sql/mysql"
	atlaspostgres "ariga.io/atlas/sql/postgres"
	atlassqlite "ariga.io/atlas/sql/sqlite"
	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"entgo.io/ent/dialect/sql/schema"
	"entgo.io/ent/schema/field"
)

// declarativeSubjects are the tools that find out for themselves what is to be
// changed, or keep their record elsewhere. There is no version to be seen: they
// are told as DDL of no tool.
func declarativeSubjects() []subject {
	return []subject{
		{"gorm", "gorm.io/gorm", "AutoMigrate", nil, gormAuto, noTool},
		{"ent", "entgo.io/ent", "schema.Create", nil, entCreate, noTool},
		{"atlas", "ariga.io/atlas", "migrate.Executor", nil, atlasExecute, noTool},
	}
}

// entCreate has what ent's generated Client.Schema.Create does.
func entCreate(t target) []step {
	tables := func(columns ...*schema.Column) []*schema.Table {
		id := &schema.Column{Name: "id", Type: field.TypeInt64, Increment: true}
		columns = append([]*schema.Column{id}, columns...)
		return []*schema.Table{{Name: "users", Columns: columns, PrimaryKey: columns[:1]}}
	}
	email := &schema.Column{Name: "email", Type: field.TypeString, Size: 100}
	age := &schema.Column{Name: "age", Type: field.TypeInt64, Nullable: true}
	create := func(tables []*schema.Table) func(context.Context, target, *sql.DB) error {
		return func(ctx context.Context, t target, db *sql.DB) error {
			name := dialect.Postgres
			switch t.name {
			case "mariadb":
				name = dialect.MySQL
			case "sqlite":
				name = dialect.SQLite
				db.SetMaxOpenConns(1) // for what follows, which ent wants, holds for a connection
				if _, err := db.ExecContext(ctx, "PRAGMA foreign_keys = on"); err != nil {
					return err
				}
			}
			m, err := schema.NewMigrate(entsql.OpenDB(name, db))
			if err != nil {
				return err
			}
			return m.Create(ctx, tables...)
		}
	}
	told := ddl
	if t.name == "sqlite" { // the transaction reads first: nobody else may write until it is over
		told = "unknown null unknown applied none"
	}
	return []step{
		{name: "first", do: create(tables(email)), want: []string{told}},
		{name: "again", do: create(tables(email))},
		{name: "one more column", do: create(tables(email, age)), want: []string{told}},
	}
}

func atlasExecute(target) []step {
	execute := func(ms []migration) func(context.Context, target, *sql.DB) error {
		return func(ctx context.Context, t target, db *sql.DB) error {
			open := atlaspostgres.Open
			switch t.name {
			case "mariadb":
				open = atlasmysql.Open
			case "sqlite":
				open = atlassqlite.Open
			}
			drv, err := open(db)
			if err != nil {
				return err
			}
			dir := &atlas.MemDir{}
			for _, m := range ms {
				if err := dir.WriteFile(m.padded()+"_"+m.name+".sql", []byte(text(m.up))); err != nil {
					return err
				}
			}
			sum, err := dir.Checksum()
			if err != nil {
				return err
			}
			if err := atlas.WriteSumFile(dir, sum); err != nil {
				return err
			}
			ex, err := atlas.NewExecutor(drv, dir, atlas.NopRevisionReadWriter{})
			if err != nil {
				return err
			}
			return ex.ExecuteN(ctx, 0)
		}
	}
	return []step{
		{name: "up", do: execute(three), want: []string{ddl}},
		{name: "up to a failure", fresh: true, do: execute(four), want: []string{ddl, "unknown null unknown failed around"}},
	}
}
