package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/user"
	"text/tabwriter"
	"time"

	"github.com/sqlwitness/sqlwitness"
	"github.com/sqlwitness/sqlwitness/alert"
)

const alertsUsage = `sqlwitness alerts checks who is told of what, and keeps the list of known issues.

Usage:

	sqlwitness alerts check     is the configuration right?
	sqlwitness alerts route     who gets what: each rule with each severity
	sqlwitness alerts suppress  make an alert a known issue
	sqlwitness alerts list      show the known issues

The configuration is that of the default witness: the SQLWITNESS_ variables and
the file that SQLWITNESS_CONFIG or -config names. Known issues are kept in the
file that its alerts.suppression_file or -file names; running witnesses read it again
when it has changed. Each command tells its flags with -h.
`

func alertsCommand(_ context.Context, args []string, out, errs io.Writer) error {
	if len(args) == 0 {
		fmt.Fprint(errs, alertsUsage)
		return errors.New("alerts needs a command")
	}
	switch command, rest := args[0], args[1:]; command {
	case "check":
		return alertsCheck(rest, out, errs)
	case "route":
		return alertsRoute(rest, out, errs)
	case "suppress":
		return alertsSuppress(rest, out, errs)
	case "list":
		return alertsList(rest, out, errs)
	case "help", "-h", "-help", "--help":
		fmt.Fprint(out, alertsUsage)
		return nil
	default:
		return fmt.Errorf("there is no command alerts %q; see sqlwitness alerts help", command)
	}
}

// alertFlags are the flags of one of the commands.
type alertFlags struct {
	*flag.FlagSet
	config *string
}

func newAlertFlags(name string, errs io.Writer) alertFlags {
	f := flag.NewFlagSet("alerts "+name, flag.ContinueOnError)
	f.SetOutput(errs)
	return alertFlags{f, f.String("config", "", "configuration `file`; default the one that SQLWITNESS_CONFIG names")}
}

// parse reads the flags and the configuration.
func (f alertFlags) parse(args []string) (alert.Config, error) {
	if err := parseAlone(f.FlagSet, args); err != nil {
		return alert.Config{}, err
	}
	return f.configuration()
}

func (f alertFlags) configuration() (alert.Config, error) {
	if *f.config != "" {
		if err := os.Setenv("SQLWITNESS_CONFIG", *f.config); err != nil {
			return alert.Config{}, err
		}
	}
	cfg, err := sqlwitness.ConfigFromEnvironment()
	if err != nil {
		return alert.Config{}, err
	}
	return cfg.Alert, cfg.Alert.Check()
}

func alertsCheck(args []string, out, errs io.Writer) error {
	f := newAlertFlags("check", errs)
	if err := parseAlone(f.FlagSet, args); err != nil {
		return err
	}
	cfg, err := f.configuration()
	if err != nil {
		return bad{err}
	}
	known, err := knownOf(cfg)
	if err != nil {
		return bad{err}
	}
	fmt.Fprintf(out, "the alerts' configuration is right: %d channels, %d routes, %d known issues\n",
		len(cfg.Channels), len(cfg.Routes), len(known))
	if missing := cfg.Missing(os.Getenv); len(missing) > 0 {
		fmt.Fprintln(out, "a program that starts here, with these secrets, refuses it:")
		for _, err := range missing {
			fmt.Fprintln(out, " ", err)
		}
	}
	if len(known) == 0 {
		return nil
	}
	return printKnown(out, known)
}

// bad is what is wrong with the thing asked about.
type bad struct{ error }

func (b bad) Unwrap() error { return b.error }

func alertsRoute(args []string, out, errs io.Writer) error {
	cfg, err := newAlertFlags("route", errs).parse(args)
	if err != nil {
		return err
	}
	table, err := alert.Routing(cfg)
	if err != nil {
		return err
	}
	if err := table.Print(out); err != nil {
		return err
	}
	known, err := knownOf(cfg)
	if err != nil || len(known) == 0 {
		return err
	}
	fmt.Fprintln(out, "\nbut for known issues, which go to the log:")
	return printKnown(out, known)
}

func alertsSuppress(args []string, out, errs io.Writer) error {
	f := newAlertFlags("suppress", errs)
	file := f.String("file", "", "`file` of known issues; default alerts.suppression_file of the configuration")
	match := f.String("match", "", "which alerts, as `matchers` in Alertmanager's syntax: rule=\"lock_wait\",db=\"shop\"; one of rule= and migration= is needed")
	reason := f.String("reason", "", "why nobody has to act")
	creator := f.String("creator", "", "who says so; default the operating system's user")
	ticket := f.String("ticket", "", "where it is worked on")
	version := f.String("until-version", "", "the migration that ends it: alerts of this `version` and later ones are heard")
	during := f.Duration("for", 24*time.Hour, "for how long; at most 720h")
	escalation := f.Bool("include-escalation", false, "be silent even when it becomes much worse")
	cfg, err := f.parse(args)
	if err != nil {
		return err
	}
	path := cmp.Or(*file, cfg.SuppressionFile)
	if path == "" {
		return errors.New("alerts suppress: no file of known issues; set alerts.suppression_file in the configuration, or use -file")
	}
	if *creator == "" {
		if u, err := user.Current(); err == nil {
			*creator = u.Username
		}
	}
	now := time.Now().UTC().Truncate(time.Second)
	s := alert.Suppression{Match: *match, Reason: *reason, Creator: *creator, Created: now, Expires: now.Add(*during), Ticket: *ticket, UntilVersion: *version, IncludeEscalation: *escalation}
	if err := s.Check(); err != nil {
		return fmt.Errorf("alerts suppress: %w", err)
	}
	list, err := suppressionsOf(path)
	if err != nil {
		return err
	}
	if err := alert.SaveSuppressions(path, append(list, s)); err != nil {
		return err
	}
	fmt.Fprintf(out, "known until %s: %s\n", s.Expires.Format(time.RFC3339), s.Match)
	return nil
}

func alertsList(args []string, out, errs io.Writer) error {
	f := newAlertFlags("list", errs)
	file := f.String("file", "", "`file` of known issues; default alerts.suppression_file of the configuration")
	cfg, err := f.parse(args)
	if err != nil {
		return err
	}
	list, err := suppressionsOf(cmp.Or(*file, cfg.SuppressionFile))
	if err != nil {
		return err
	}
	return printKnown(out, append(cfg.Suppressions, list...))
}

// printKnown lists known issues, those that have ended too: until somebody takes
// them out of the file.
func printKnown(out io.Writer, list []alert.Suppression) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "MATCH\tUNTIL\tBY\tTICKET\tREASON")
	for _, s := range list {
		until := s.Expires.Format(time.RFC3339)
		if s.UntilVersion != "" {
			until += " or version " + s.UntilVersion
		}
		if !s.Expires.After(time.Now()) {
			until += " (ended)"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.Match, until, s.Creator, s.Ticket, s.Reason)
	}
	return w.Flush()
}

// knownOf are all known issues of a configuration, checked.
func knownOf(cfg alert.Config) ([]alert.Suppression, error) {
	list, err := suppressionsOf(cfg.SuppressionFile)
	if err != nil {
		return nil, err
	}
	for i, s := range list {
		if err := s.Check(); err != nil {
			return nil, fmt.Errorf("%s: number %d: %w", cfg.SuppressionFile, i, err)
		}
	}
	return append(cfg.Suppressions, list...), nil
}

// suppressionsOf reads a file of known issues. One that is not there has none.
func suppressionsOf(path string) ([]alert.Suppression, error) {
	if path == "" {
		return nil, nil
	}
	list, err := alert.LoadSuppressions(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return list, err
}
