// Package integration runs real, unmodified migration tools on real databases,
// bare and through the witness, and compares what came of it. It is a module of
// its own so that the tools do not enter the module graph of the library's users.
package integration
