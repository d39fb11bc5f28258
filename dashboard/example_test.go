package dashboard_test

import (
	"io"
	"log"
	"net/http"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/dashboard"
	"github.com/sqlwitness/sqlwitness/event"
)

func ExampleNew() {
	var witness *sqlwitness.Witness
	page := dashboard.New(dashboard.Config{}, dashboard.Deps{Metrics: func(w io.Writer) { witness.WritePrometheus(w) }})
	witness, err := sqlwitness.New(sqlwitness.Config{Sinks: []event.Sink{page}})
	if err != nil {
		log.Fatal(err)
	}
	db, err := witness.Open("postgres", "postgres://localhost/shop")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	log.Fatal(http.ListenAndServe("127.0.0.1:9464", page.Handler()))
}
