package recipes

import (
	"io/fs"

	"github.com/gobuffalo/pop/v6"

	_ "github.com/sqlwitness/sqlwitness/drivers/pgx"
)

// In database.yml: driver: witness+pgx
func popMigrate(url string, migrations fs.FS) error {
	conn, err := pop.NewConnection(&pop.ConnectionDetails{Dialect: "postgres", Driver: "witness+pgx", URL: url})
	if err != nil {
		return err
	}
	if err := conn.Open(); err != nil {
		return err
	}
	defer conn.Close()
	box, err := pop.NewMigrationBox(migrations, conn)
	if err != nil {
		return err
	}
	return box.Up()
}
