// Package migrateurl lets golang-migrate reach a database by URL through the
// default witness. golang-migrate opens its databases under driver names of its
// own, so that a URL cannot lead to another driver; a scheme can. Import it for
// that effect alone, and put "witness+" before the URL:
//
//	import _ "github.com/sqlwitness/sqlwitness/drivers/migrateurl"
//
//	m, err := migrate.New("file://migrations", "witness+postgres://localhost/shop")
//
// The schemes are witness+postgres, witness+postgresql, witness+pgx5,
// witness+mysql and witness+sqlite. The rest of the URL, its x- parameters among
// it, means what it means to golang-migrate without the prefix, and both take
// the same lock: an instance with the prefix and one without exclude each other.
//
// It is a module of its own, so that golang-migrate is required only by programs
// that import it.
package migrateurl
