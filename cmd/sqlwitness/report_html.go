package main

import (
	_ "embed"
	"html/template"
	"io"
	"time"
)

//go:embed report.html
var reportPage string

var reportTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"short": short, "oneLine": oneLine, "count": count, "sentence": sentence, "upper": upper,
	"utc": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") },
}).Parse(reportPage))

// htmlReport writes a run as one page that needs nothing else: no script, no
// font, no address.
func htmlReport(out io.Writer, r *runReport) error {
	return reportTemplate.Execute(out, struct {
		*runReport
		Headline, Facts, StatementsTitle string
		Cause, Compared, Used            string
		Good                             bool
		Chart                            *chart
		Locks                            []*reportLock
	}{r, r.headline(), r.facts(), r.statementsTitle(), r.cause(), r.compared(), r.used(), r.good(), newChart(r), r.notableLocks()})
}
