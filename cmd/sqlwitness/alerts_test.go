package main

import (
	"io"
	"strings"
	"testing"
)

// A configuration that is wrong is 1; one that was not looked at is 2.
func TestAlertsCheckExit(t *testing.T) {
	for args, want := range map[string]int{
		"":                      exitOK,
		"-config none.yaml":     exitBad,
		"-config none.yaml now": exitNotDone,
		"-nope":                 exitNotDone,
		"-h":                    exitOK,
	} {
		t.Run(args, func(t *testing.T) {
			t.Setenv("SQLWITNESS_CONFIG", "")
			if got := run(t.Context(), append([]string{"alerts", "check"}, strings.Fields(args)...), io.Discard, io.Discard); got != want {
				t.Errorf("exit %d, want %d", got, want)
			}
		})
	}
}
