package alert

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/sqlwitness/sqlwitness/event"
)

// command runs a program for each alert, with a Message on its standard input.
// No shell is between, and no part of an alert is an argument.
type command struct{ argv []string }

func (c command) send(ctx context.Context, batch []event.Alert) error {
	in, err := json.Marshal(message(&batch[0]))
	if err != nil {
		return backoff.Permanent(err)
	}
	cmd := exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
	cmd.Stdin = bytes.NewReader(in)
	cmd.WaitDelay = time.Second // for what its children keep open
	// What it prints is not read: it may hold anything.
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("the command failed: %s", exitWords(cmd, err))
	}
	return nil
}

func exitWords(cmd *exec.Cmd, err error) string {
	if cmd.ProcessState != nil {
		return cmd.ProcessState.String()
	}
	return reason(err) // it did not start; the error would print its path
}
