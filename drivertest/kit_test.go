package drivertest

import (
	"database/sql/driver"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/ngrok/sqlmw"
)

// TestBare: the kit finds no difference where there is none.
func TestBare(t *testing.T) { Run(t, bare) }

// TestTransparent: the kit finds nothing in a wrapper that forwards everything.
func TestTransparent(t *testing.T) { Run(t, forwarder{}.wrapper()) }

// finds says on which kinds of driver the case finds something.
func (c Case) finds(w Wrapper, most int) (on []string) {
	if c.unwraps && w.Unwrap == nil {
		return nil
	}
	for _, k := range kinds() {
		if c.only != nil && !c.only(k.opts) {
			continue
		}
		if diff, _ := c.compare(k.opts, w); diff != "" {
			if on = append(on, k.name); len(on) == most {
				break
			}
		}
	}
	return on
}

// defects are ways in which wrappers go wrong, each with the case that is there
// to find it.
var defects = map[string]string{
	"a second commit is answered for the parent":          "called directly",
	"arguments are converted by default":                  "converted by column",
	"bad connections are hidden":                          "bad connection",
	"bad connections are retried":                         "bad connection",
	"bad connections are unwrapped":                       "bad connection wrapped",
	"cancelled contexts are not looked at":                "cancelled before",
	"connect without the context":                         "cancelled while connecting",
	"connector is not closed":                             "connector closed",
	"errors are copied":                                   "errors",
	"errors are lost: close":                              "error of closing",
	"errors are lost: commit":                             "commit that fails",
	"errors are lost: next set":                           "result set that fails",
	"errors are lost: reset":                              "session reset that fails",
	"errors are wrapped":                                  "errors",
	"errors are wrapped: begin":                           "begin that fails",
	"errors are wrapped: close":                           "rows that fail to close",
	"errors are wrapped: connect":                         "error of connecting",
	"errors are wrapped: exec":                            "skip",
	"errors are wrapped: exec prepared":                   "skip where it is no answer",
	"errors are wrapped: next":                            "rows that fail",
	"errors are wrapped: ping":                            "error of a ping",
	"every argument is let through":                       "unsupported argument",
	"fast paths are always claimed":                       "checked by the driver",
	"fast paths are lost":                                 "exec",
	"isolation is dropped":                                "isolation level",
	"keeping the connection is always claimed":            "transaction of a cancelled context",
	"lengths are lost":                                    "rows and column types",
	"names are dropped":                                   "named arguments",
	"nullability is lost":                                 "rows and column types",
	"panics become errors":                                "panic in exec",
	"ping is skipped":                                     "ping",
	"pings are lost":                                      "ping",
	"precision is lost":                                   "rows and column types",
	"prepare without the context":                         "context",
	"queries get the connection's context":                "context",
	"read-only is dropped":                                "read-only transaction",
	"result sets are lost":                                "several result sets",
	"results are replaced":                                "result",
	"rollback is sent twice":                              "transaction",
	"rows are closed twice":                               "rows closed early",
	"rows of one connection are one":                      "rows side by side",
	"scan types are lost":                                 "rows and column types",
	"scanning is lost":                                    "scanned by the driver",
	"sessions are not reset":                              "session reset",
	"skip is an error":                                    "skip",
	"statements are not closed":                           "prepared",
	"statements are sent twice":                           "exec",
	"statements keep the context they were prepared with": "context",
	"statements of the old form are skipped":              "prepared",
	"texts are trimmed":                                   "odd texts",
	"the column converter is lost":                        "converted by column",
	"the connection's checker is lost":                    "checked by the driver",
	"the number of placeholders is unknown":               "too few arguments",
	"the statement's checker hides the connection's":      "checked by the driver",
	"the statement's checker is lost":                     "removed by the driver",
	"type names are lost":                                 "rows and column types",
	"unwrap finds nothing":                                "the parent's connection",
	"validity is not asked for":                           "connection that is not valid",
}

// TestDefects: the kit finds each defect by the case that is meant to find it.
func TestDefects(t *testing.T) {
	byName := map[string]Case{}
	for _, c := range Cases() {
		byName[c.Name] = c
	}
	for defect, by := range defects {
		if defect == "scanning is lost" && !scanners {
			continue
		}
		t.Run(defect, func(t *testing.T) {
			t.Parallel() // those that hang wait
			c, ok := byName[by]
			if !ok {
				t.Fatalf("there is no case %q", by)
			}
			if len(c.finds(forwarder{defect}.wrapper(), 1)) == 0 {
				t.Errorf("case %q does not find it", by)
			}
		})
	}
	t.Logf("%d cases on %d kinds of driver, %d defects", len(Cases()), len(kinds()), len(defects))
}

// TestNoIdleCase: a case that finds none of the defects proves nothing.
func TestNoIdleCase(t *testing.T) {
	used := slices.Collect(maps.Values(defects))
	for _, c := range Cases() {
		if slices.Contains(used, c.Name) {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			for defect := range defects {
				if len(c.finds(forwarder{defect}.wrapper(), 1)) > 0 {
					return
				}
			}
			t.Error("it finds none of the defects")
		})
	}
}

// TestSQLMW: the kit finds what is known to be wrong with a wrapper in wide use,
// and nothing that is not.
func TestSQLMW(t *testing.T) {
	broken := map[string][]string{}
	for _, r := range Check(Wrapper{Wrap: func(parent driver.Connector) driver.Connector {
		return ConnectorOf(sqlmw.Driver(DriverOf(parent), sqlmw.NullInterceptor{}), "")
	}}) {
		broken[r.Name] = r.Broken
	}
	for _, known := range []struct{ by, on, defect string }{
		{"exec", "a bare connection", "it panics on a driver without a fast path"},
		{"isolation level", "no ConnBeginTx", "it drops the isolation level"},
		{"read-only transaction", "no ConnBeginTx", "it drops read-only"},
		{"converted by column", "no NamedValueChecker, ColumnConverter alone", "it loses the statement's ColumnConverter"},
		{"connector closed", "everything", "it loses the connector's Close"},
		{"checked by the driver", "no QueryerContext", "it hides the statement's NamedValueChecker behind fast paths that the driver lacks"},
	} {
		if !slices.Contains(broken[known.by], known.on) {
			t.Errorf("case %q does not find on %s that %s, but on %q", known.by, known.on, known.defect, broken[known.by])
		}
	}
	var modern []string
	for name, on := range broken {
		if slices.Contains(on, "everything") {
			modern = append(modern, name)
		}
	}
	slices.Sort(modern)
	t.Logf("on a driver with everything: %s", strings.Join(modern, "; "))
	if len(modern) > len(Cases())/4 {
		t.Errorf("%d of %d cases find something: too many to be true", len(modern), len(Cases()))
	}
}

// TestPanicOfWrapping: a wrapper that cannot even be set up is reported, too.
func TestPanicOfWrapping(t *testing.T) {
	r := Cases()[0].Check(Wrapper{Wrap: func(driver.Connector) driver.Connector { panic("not mine") }})
	if r.OK() || !strings.Contains(r.String(), "not mine") {
		t.Error(r)
	}
}
