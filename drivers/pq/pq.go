// Package pq registers github.com/lib/pq as "witness+postgres" on the default
// witness. Import it for that effect alone:
//
//	import _ "github.com/sqlwitness/sqlwitness/drivers/pq"
package pq

import (
	"github.com/lib/pq"

	"github.com/sqlwitness/sqlwitness"
)

func init() { sqlwitness.RegisterDefault("postgres", &pq.Driver{}) }
