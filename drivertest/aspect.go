package drivertest

import "github.com/sqlwitness/sqlwitness/internal/fakedb"

// aspect is what a case is about beside the calls that it makes. What
// database/sql does on every occasion, such as to validate a connection, is
// looked at only by the cases that are about it: so a wrapper that loses one
// interface breaks the rules about that one, not all of them.
type aspect uint

const (
	contexts   aspect = 1 << iota // which context a call gets
	received                      // what is executed with which arguments, and not what led to it
	checks                        // when arguments are checked
	resets                        // when sessions are reset
	validity                      // when connections are asked whether they are valid
	closing                       // that the connector is closed
	types                         // what is known of columns
	resultSets                    // what comes after a result set
	scans                         // who scans
)

// concerns says whether a call is compared, and takes from it what is not.
func (a aspect) concerns(c *fakedb.Call) bool {
	if a&contexts == 0 {
		c.Context, c.Deadline, c.Mark = false, false, nil
	}
	switch c.Method {
	case "Conn.Prepare", "Conn.PrepareContext", "Stmt.Close":
		return a&received == 0
	case "Conn.CheckNamedValue", "Stmt.CheckNamedValue":
		return a&checks != 0
	case "Conn.ResetSession":
		return a&resets != 0
	case "Conn.IsValid":
		return a&validity != 0
	case "Connector.Close":
		return a&closing != 0
	case "Rows.ScanColumn":
		return a&scans != 0
	case "Rows.NextRow":
		if a&scans == 0 {
			c.Method = "Rows.Next"
		}
	}
	return true
}
