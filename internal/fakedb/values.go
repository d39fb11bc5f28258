package fakedb

import (
	"database/sql/driver"
	"fmt"
	"strings"
)

// Arguments that a NamedValueChecker of the driver knows. database/sql by
// itself takes none of them.
type (
	List    []string   // becomes text that names the checker's method
	Dropped struct{}   // driver.ErrRemoveArgument
	Refused struct{}   // an *Error
	Boxed   complex128 // what only the statement's ColumnConverter takes
)

func (c *conn) check(method string, nv *driver.NamedValue) error {
	call := Call{Method: method, Args: []driver.NamedValue{*nv}}
	switch v := nv.Value.(type) {
	case List:
		nv.Value = method + "(" + strings.Join(v, ",") + ")"
		return c.call(noContext, call, Fault{})
	case Dropped:
		return c.call(noContext, call, Fault{Err: driver.ErrRemoveArgument})
	case Refused:
		return c.call(noContext, call, Fault{Err: &Error{"refused"}})
	}
	return c.call(noContext, call, Fault{Err: driver.ErrSkip})
}

// columnConverter converts the arguments of one placeholder.
type columnConverter int

func (i columnConverter) ConvertValue(v any) (driver.Value, error) {
	switch v := v.(type) {
	case Boxed:
		return fmt.Sprintf("column %d converted %v", i, v), nil
	case Refused:
		return nil, &Error{"column refused"}
	}
	return driver.DefaultParameterConverter.ConvertValue(v)
}
