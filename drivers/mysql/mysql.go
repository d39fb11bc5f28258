// Package mysql registers github.com/go-sql-driver/mysql as "witness+mysql" on
// the default witness. Import it for that effect alone:
//
//	import _ "github.com/sqlwitness/sqlwitness/drivers/mysql"
package mysql

import (
	"github.com/go-sql-driver/mysql"

	"github.com/sqlwitness/sqlwitness"
)

func init() { sqlwitness.RegisterDefault("mysql", &mysql.MySQLDriver{}) }
