// Package testdb gives tests databases of their own on real servers: a fresh
// one for each call, dropped when the test ends.
//
// A PostgreSQL or MariaDB server is started when a test process first needs it,
// with its data in a temporary folder and a free port of 127.0.0.1, and ends
// with that process, however that ends. Where the server's programs are not
// installed the test is skipped.
//
// [EnvPostgreSQL] and [EnvMariaDB] name servers to use instead. The command
// testservers sets the first for all the packages of one go test. It leaves
// MariaDB to each process: what a MariaDB server keeps for all of its databases
// (GET_LOCK's names, a database of a fixed name) would be shared by packages
// that go test runs at the same time.
package testdb
