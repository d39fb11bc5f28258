package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/migrator"
	"github.com/sqlwitness/sqlwitness/sqltext"
)

// watched is a witness around a tool that this command runs. Its configuration
// is the environment's, its log is off unless a place for it was named, and what
// it sees is told on stderr.
type watched struct {
	*sqlwitness.Witness
	stderr *screen // for the tool's own lines
	told   *told
	log    *os.File // nil unless asked for by flag
}

// closeLimit is how long a tool that has ended waits for what is still to be written.
const closeLimit = 10 * time.Second

// watch makes a witness. logFile is where its log is to be appended, "" for
// where the environment says; migrations is the folder of the tool's files.
func watch(errs io.Writer, logFile, migrations string) (*watched, error) {
	cfg, err := sqlwitness.ConfigFromEnvironment()
	if err != nil {
		return nil, err
	}
	w := &watched{stderr: newScreen(errs)}
	switch {
	case logFile != "":
		if w.log, err = os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
			return nil, fmt.Errorf("-witness-log: %w", err)
		}
		cfg.LogOutput = w.log
		if cfg.LogLevel == "" {
			cfg.LogLevel = "debug" // the report shows each lock
		}
	case cfg.LogOutput == nil && os.Getenv("SQLWITNESS_LOG_OUTPUT") == "":
		cfg.LogLevel = "off" // stderr is the tool's
	}
	// Files that cannot be read are for the tool to complain of.
	if cfg.Migrations == nil && migrations != "" {
		files := os.DirFS(migrations)
		if _, err := migrator.ReadFiles(files, sqltext.Generic); err == nil {
			cfg.Migrations = files
		}
	}
	cfg.FlushOnSignal, cfg.FlushOnFailure = false, false // the commands close the witness in any case
	w.told = newTold(w.stderr, time.Now)
	cfg.Sinks = append(cfg.Sinks, w.told)
	if w.Witness, err = sqlwitness.New(cfg); err != nil {
		w.told.close()
		return nil, errors.Join(err, w.closeLog())
	}
	return w, nil
}

// close writes out what is queued and tells the summary, also where ctx is done.
func (w *watched) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
	defer cancel()
	err := w.Close(ctx)
	w.told.close()
	return errors.Join(err, w.closeLog())
}

func (w *watched) closeLog() error {
	if w.log == nil {
		return nil
	}
	return w.log.Close()
}
