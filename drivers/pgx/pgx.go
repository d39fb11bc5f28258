// Package pgx registers github.com/jackc/pgx/v5/stdlib as "witness+pgx" on the
// default witness. Import it for that effect alone:
//
//	import _ "github.com/sqlwitness/sqlwitness/drivers/pgx"
package pgx

import (
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/sqlwitness/sqlwitness"
)

func init() { sqlwitness.RegisterDefault("pgx", stdlib.GetDefaultDriver()) }
