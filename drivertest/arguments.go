package drivertest

import (
	"database/sql"
	"database/sql/driver"
	"time"

	"github.com/sqlwitness/sqlwitness/internal/fakedb"
)

// valuer is an argument that says its own value.
type valuer struct {
	v   driver.Value
	err error
}

func (v valuer) Value() (driver.Value, error) { return v.v, v.err }

func argumentCases() []Case {
	// each runs every way of executing a text with the arguments.
	each := func(name, rule, query string, args ...any) Case {
		return Case{Name: name, Rule: rule, about: received, play: func(p *play) {
			p.every(p.db, query, args...)
			p.begin(p.ctx, p.db, nil, func(tx *sql.Tx) {
				p.every(tx, query, args...)
				p.commit(tx)
			})
		}}
	}
	checked := func(c Case) Case { c.about |= checks; return c }
	text := "pointed at"
	return []Case{
		each("arguments", "arguments reach the driver converted as database/sql converts them, and no further",
			"INSERT ? ? ? ? ? ? ? ? ? ?", 1, int8(2), uint32(3), 4.5, true, "six", []byte("seven"), time.Unix(8, 9).UTC(), nil, &text),
		each("valuers", "a Valuer is asked once for its value",
			"INSERT ? ?", valuer{v: int64(1)}, sql.NullString{}),
		each("valuer that fails", "a Valuer's error is wrapped as database/sql wraps it",
			"INSERT ?", valuer{err: &fakedb.Error{Text: "no value"}}),
		each("unsupported argument", "an argument that nothing converts is refused as database/sql refuses it",
			"INSERT ?", struct{ x int }{1}),
		each("any number of arguments", "a statement that does not know its number of placeholders (NumInput is -1) takes any",
			"INSERT ANY", 1, "two", nil),
		each("too few arguments", "the number of placeholders is the statement's own, and checked where database/sql checks it",
			"INSERT ? ?", 1),
		each("too many arguments", "the number of placeholders is the statement's own, and checked where database/sql checks it",
			"INSERT ? ?", 1, 2, 3),
		each("named arguments", "names reach a driver that takes contexts, and one of the old form refuses them in database/sql's words",
			"INSERT ? ?", sql.Named("first", 1), sql.Named("second", "two")),
		checked(each("checked by the driver", "a NamedValueChecker converts what only it knows: the statement's own, else the connection's, and before a fast path the connection's alone",
			"INSERT ?", fakedb.List{"a", "b"})),
		each("removed by the driver", "driver.ErrRemoveArgument takes an argument away before placeholders are counted",
			"INSERT ?", fakedb.Dropped{}, 1),
		checked(each("refused by the driver", "the error of the NamedValueChecker whose turn it is is wrapped as database/sql wraps it",
			"INSERT ? ?", 1, fakedb.Refused{})),
		each("converted by column", "a statement's ColumnConverter converts what no NamedValueChecker has taken",
			"INSERT ? ?", 1, fakedb.Boxed(2)),
		each("output parameters", "sql.Out is refused or passed on as the driver says",
			"CALL ?", sql.Out{Dest: &text}),
	}
}
