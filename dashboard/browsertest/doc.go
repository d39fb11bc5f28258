// Package browsertest looks at the dashboard with a browser. It is a module of
// its own so that what drives the browser is no dependency of the library's.
package browsertest
