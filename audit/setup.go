package audit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// Roles say who may do what to the audit tables. The zero value leaves them to
// whoever makes them, which is enough to be tamper-evident; with both roles a
// migration cannot even switch the guards off.
type Roles struct {
	// Writer is the account that migrates: it gets INSERT and SELECT and no more.
	// On MySQL it is user@host.
	Writer string
	// Owner is a PostgreSQL role that gets to own the tables. It is made, without a
	// login, where it does not exist. It erases sections, or a role that is a
	// member of it.
	Owner string
	// EventTrigger makes PostgreSQL note DDL that goes past the witness. It takes a
	// superuser. See docs/audit-format.md for what it does not see.
	EventTrigger bool
}

// SetupSQL lists the statements that make the tables with their guards and give
// the roles their privileges, for a database that has none of it. Each is to be
// sent as it is, alone.
func SetupSQL(system string, r Roles) ([]string, error) {
	privileges, err := r.sql(system)
	if err != nil {
		return nil, err
	}
	list := Setup(system)
	if r.EventTrigger {
		list = append(list, pgEventTrigger()...)
	}
	return append(list, privileges...), nil
}

// sql is what comes after the tables.
func (r Roles) sql(system string) ([]string, error) {
	switch d := dialectOf(system); {
	case d == nil:
		return nil, fmt.Errorf("audit: there are no tables for %q: postgresql, mysql, mariadb and sqlite have them", system)
	case d.system == "postgresql":
		return r.postgres(), nil
	case r.EventTrigger:
		return nil, fmt.Errorf("audit: %s has no event triggers: compare the schema between runs instead, which happens by itself", system)
	case d.system == "mysql" && r.Owner == "":
		return r.mysql()
	case d.system == "mysql":
		return nil, errors.New("audit: MySQL's tables have no owner: leave it out, and let an administrator's account make the tables")
	case r.Writer != "" || r.Owner != "":
		return nil, errors.New("audit: SQLite has no roles: whoever may write the file may do everything to it, so keep the checkpoints elsewhere")
	}
	return nil, nil
}

func (r Roles) postgres() []string {
	var list []string
	if r.Owner != "" {
		owner := pgName(r.Owner)
		list = append(list,
			"DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = "+pgString(r.Owner)+") THEN CREATE ROLE "+owner+" NOLOGIN; END IF; END $$",
			"ALTER SCHEMA sqlwitness OWNER TO "+owner,
			"ALTER FUNCTION sqlwitness.refuse() OWNER TO "+owner)
		for _, t := range tables {
			list = append(list, "ALTER TABLE sqlwitness."+t+" OWNER TO "+owner)
		}
		if r.EventTrigger {
			list = append(list, "ALTER TABLE sqlwitness.inbox OWNER TO "+owner, "ALTER FUNCTION sqlwitness.saw() OWNER TO "+owner)
		}
	}
	if r.Writer != "" {
		writer := pgName(r.Writer)
		list = append(list,
			"GRANT USAGE ON SCHEMA sqlwitness TO "+writer,
			"REVOKE ALL ON ALL TABLES IN SCHEMA sqlwitness FROM "+writer,
			"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA sqlwitness TO "+writer)
		if r.EventTrigger {
			list = append(list, "REVOKE INSERT ON sqlwitness.inbox FROM "+writer)
		}
	}
	return list
}

// pgString is a literal, whatever standard_conforming_strings says.
func pgString(s string) string {
	return "E'" + strings.NewReplacer("'", "''", `\`, `\\`).Replace(s) + "'"
}

func (r Roles) mysql() ([]string, error) {
	if r.Writer == "" {
		return nil, nil
	}
	i := strings.LastIndexByte(r.Writer, '@')
	if i <= 0 {
		return nil, fmt.Errorf("audit: the writer %q is no account: it looks like user@host, or user@%%", r.Writer)
	}
	return []string{"GRANT SELECT, INSERT ON sqlwitness.* TO " + mysqlString(r.Writer[:i]) + "@" + mysqlString(r.Writer[i+1:])}, nil
}

// SetUp makes what is missing of the tables and their guards and gives the roles
// their privileges, through the store's own connection. It may be repeated. The
// statements are those that were run.
func (s *Store) SetUp(ctx context.Context, r Roles) (ran []string, err error) {
	privileges, err := r.sql(s.db.System)
	if err != nil {
		return nil, err
	}
	d := s.dialect
	err = s.own.do(ctx, func(ctx context.Context, c *sql.Conn) error {
		missing, err := d.missing(ctx, c)
		if err != nil {
			return err
		}
		if err := d.setup(ctx, c); err != nil {
			return err
		}
		for _, m := range missing {
			ran = append(ran, m.sql)
		}
		if r.EventTrigger {
			if err := d.run(ctx, c, pgInbox); err != nil {
				return err
			}
		}
		off, err := d.triggers(ctx, c)
		if err != nil {
			return err
		}
		var fixes []string
		for _, g := range off {
			fixes = append(fixes, d.whole([]string{g.Fix})...)
		}
		for _, text := range append(fixes, privileges...) {
			if err := d.run(ctx, c, text); err != nil {
				return err
			}
			ran = append(ran, text)
		}
		return nil
	})
	return ran, err
}
