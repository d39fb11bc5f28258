package migrator

import "strings"

// tool is what is known of a migration tool: the shape of its version table,
// and how what it writes there reads. The next tool is a row of known, and
// nothing else (TestAToolIsOneRow shows it):
//
//	{
//		name:    "acme",                               // as it is told
//		tables:  []string{"acme_history"},             // the version table
//		columns: []string{"seq", "label", "done_at"},  // all that it may have
//		key:     []string{"label", "done_at"},         // those that tell it from others
//		version: "label",                              // the one with the version
//	},
//
// A row is written after its body unless style says otherwise. If other tables
// have the key's columns, too, the row is weak, and its table is known by its
// name only, or by what the tool did to make sure of it.
type tool struct {
	name string

	// tables are the version table's default names. A custom name is learnt:
	// from the columns that a statement names where they tell enough (weak is
	// false), else from what the tool asked or created before.
	tables  []string
	columns []string // all that the version table may have
	key     []string // those by which it is known
	weak    bool     // the key alone does not tell it from an application's table
	fixed   bool     // the table has no other name than its default

	version string // the column with the version
	row     string // the column by which DELETE names the row, where it is not the version
	style   style
	naming  naming // how a file's name becomes a version
	seed    string // a version that is written when the table is created and is none
	applied string // a column that is false in the row of a version that is not applied
	dirty   string // around: the column that tells the first half from the second

	// What tells apart tools whose tables look alike.
	quoted  tri // the table's name is quoted
	literal tri // the version is a literal in the text
	upper   tri // the verb is in upper case
	marks   tri // the verb of an INSERT or DELETE is, whatever the others

	probes      bool   // asks for the version that is about to run
	elsewhere   bool   // the mark has a transaction of its own, after the body's
	bodyCreates bool   // the version table is made by the first migration
	upComment   string // the body begins with a comment that tells the direction
	downComment string

	locks []string   // keys of advisory locks, where they are the same everywhere
	lock  *lockTable // a table that serves as a lock
}

// style is when a tool writes to its version table.
type style uint8

const (
	// after: one row a version, INSERTed or DELETEd when the body has run.
	after style = iota
	// first: the same, before the body; or after it, if the tool is told so.
	first
	// around: one row (version and dirty), replaced before and after the body. The
	// version is that of the target: the one below when rolling back.
	around
	// single: one row, UPDATEd in the body's transaction.
	single
)

type tri uint8

const (
	either tri = iota
	yes
	no
)

func (t tri) allows(is bool) bool { return t == either || is == (t == yes) }

// lockTable is a table whose row is a lock.
type lockTable struct {
	suffix  string   // of its default name
	columns []string // by which it is known
	// It is given back by an UPDATE that sets held to false, or by a DELETE
	// where held is "".
	held string
}

// known tools. The order matters where two of them look alike: the likelier
// comes first.
var known = []tool{
	{
		name:    "golang-migrate",
		tables:  []string{"schema_migrations"},
		columns: []string{"version", "dirty"},
		key:     []string{"version", "dirty"},
		version: "version",
		dirty:   "dirty",
		style:   around,
	},
	{
		name:    "goose",
		tables:  []string{"goose_db_version"},
		columns: []string{"id", "version_id", "is_applied", "tstamp"},
		key:     []string{"version_id", "is_applied"},
		version: "version_id",
		applied: "is_applied",
		seed:    "0",
		locks:   []string{"4097083626"},
		lock: &lockTable{
			suffix:  "goose_lock",
			columns: []string{"lock_id", "locked", "locked_by", "lease_expires_at"},
			held:    "locked",
		},
	},
	{
		name:    "sql-migrate",
		tables:  []string{"gorp_migrations"},
		columns: []string{"id", "applied_at"},
		key:     []string{"id", "applied_at"},
		version: "id",
		naming:  byFile,
	},
	{
		name:    "bun",
		tables:  []string{"bun_migrations"},
		columns: []string{"id", "name", "group_id", "migrated_at"},
		key:     []string{"name", "group_id"},
		version: "name",
		naming:  byDigits,
		row:     "id",
		style:   first,
		lock:    &lockTable{suffix: "_locks", columns: []string{"table_name"}},
	},
	{
		name:      "darwin",
		tables:    []string{"darwin_migrations"},
		columns:   []string{"id", "version", "description", "checksum", "applied_at", "execution_time"},
		key:       []string{"version", "description", "checksum"},
		version:   "version",
		elsewhere: true,
	},
	{
		name:    "adlio",
		tables:  []string{"schema_migrations"},
		columns: []string{"id", "checksum", "execution_time_in_millis", "applied_at"},
		key:     []string{"id", "checksum", "execution_time_in_millis"},
		version: "id",
	},
	{
		name:        "river",
		tables:      []string{"river_migration"},
		columns:     []string{"id", "line", "version", "created_at"},
		key:         []string{"version"},
		weak:        true,
		fixed:       true,
		version:     "version",
		bodyCreates: true,
	},
	{
		name:    "gormigrate",
		tables:  []string{"migrations"},
		columns: []string{"id"},
		key:     []string{"id"},
		weak:    true,
		version: "id",
		quoted:  yes,
		probes:  true,
		// Unless the whole run is one transaction, gorm opens one for the INSERT.
		elsewhere: true,
	},
	{
		name:    "xorm",
		tables:  []string{"migrations"},
		columns: []string{"id"},
		key:     []string{"id"},
		weak:    true,
		version: "id",
		quoted:  no,
		probes:  true,
	},
	{
		name:    "lopezator",
		tables:  []string{"migrations"},
		columns: []string{"id", "version"},
		key:     []string{"id", "version"},
		weak:    true,
		version: "version",
		literal: yes,
	},
	{
		name:    "maragu",
		tables:  []string{"migrations"},
		columns: []string{"version"},
		key:     []string{"version"},
		weak:    true,
		version: "version",
		naming:  byStem,
		style:   single,
		literal: yes,
		upper:   no,
	},
	{
		name:    "pop",
		tables:  []string{"schema_migration"},
		columns: []string{"version"},
		key:     []string{"version"},
		weak:    true,
		version: "version",
		naming:  byDigits,
		marks:   no,
		probes:  true,
	},
	{
		name:        "dbmate",
		tables:      []string{"schema_migrations"},
		columns:     []string{"version"},
		key:         []string{"version"},
		weak:        true,
		version:     "version",
		naming:      byDigits,
		literal:     no,
		upper:       no,
		upComment:   "migrate:up",
		downComment: "migrate:down",
	},
	{
		name:    "remind101",
		tables:  []string{"schema_migrations"},
		columns: []string{"version"},
		key:     []string{"version"},
		weak:    true,
		version: "version",
		literal: yes,
		upper:   yes,
		probes:  true,
		locks:   []string{"1856466978"},
	},
	{
		name:    "tern",
		tables:  []string{"schema_version"},
		columns: []string{"version"},
		key:     []string{"version"},
		weak:    true,
		version: "version",
		style:   single,
		literal: no,
		locks:   []string{"9628173550095224"},
	},
}

// toolSet is a set of known tools, one bit each, of which the last is kept for
// hand-written ones (handmadeTool).
type toolSet uint32

func (s toolSet) has(i int) bool { return s&(1<<i) != 0 }

// best is the likeliest tool of a set; nil if it is empty.
func (s toolSet) best() *tool {
	for i := range known {
		if s.has(i) {
			return &known[i]
		}
	}
	return nil
}

// unasked leaves out the tools that ask for a version before they mark it, for
// where nobody has; unless there is no other.
func (s toolSet) unasked() toolSet {
	rest := s
	for i := range known {
		if known[i].probes {
			rest &^= 1 << i
		}
	}
	if rest == 0 {
		return s
	}
	return rest
}

// byDefault are the tools whose version table has that name by default.
func byDefault(table string) (s toolSet) {
	for i := range known {
		for _, name := range known[i].tables {
			if name == table {
				s |= 1 << i
			}
		}
	}
	return s
}

// byLock are the tools that use that advisory lock everywhere.
func byLock(key string) (s toolSet) {
	for i := range known {
		for _, k := range known[i].locks {
			if k == key {
				s |= 1 << i
			}
		}
	}
	return s
}

// plausible reports whether a table's name is one that a person would give to a
// version table.
func plausible(table string) bool {
	return strings.Contains(table, "migration") || strings.Contains(table, "version") || strings.Contains(table, "schema_")
}
