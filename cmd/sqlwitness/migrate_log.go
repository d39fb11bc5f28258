package main

import (
	"fmt"
	"io"
	"log"
)

// migrateLog writes as the migrate command does: with the time where it is
// verbose, else plainly.
type migrateLog struct {
	out     io.Writer
	verbose bool
}

func (l *migrateLog) Printf(format string, v ...any) { l.print(fmt.Sprintf(format, v...)) }
func (l *migrateLog) Println(v ...any)               { l.print(fmt.Sprintln(v...)) }
func (l *migrateLog) Verbose() bool                  { return l.verbose }

func (l *migrateLog) print(text string) {
	if l.verbose {
		log.New(l.out, "", log.LstdFlags).Print(text)
		return
	}
	_, _ = io.WriteString(l.out, text)
}
