package main

import (
	"context"
	"errors"
	"flag"
	"strconv"
)

// migrateCommands are the subcommands of migrate, by name.
var migrateCommands = map[string]func(*migrateTool, context.Context, []string) error{
	"create":  (*migrateTool).create,
	"goto":    (*migrateTool).goTo,
	"up":      (*migrateTool).up,
	"down":    (*migrateTool).down,
	"drop":    (*migrateTool).drop,
	"force":   (*migrateTool).force,
	"version": (*migrateTool).showVersion,
}

// arguments reads a subcommand's flags and arguments.
func (t *migrateTool) arguments(name string, args []string, define func(*flag.FlagSet)) ([]string, error) {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(t.errs)
	if define != nil {
		define(flags)
	}
	err := flags.Parse(args)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		err = errUsage
	}
	return flags.Args(), err
}

func (t *migrateTool) goTo(ctx context.Context, args []string) error {
	args, err := t.arguments("goto", args, nil)
	if err != nil {
		return err
	}
	if err := t.open(ctx); err != nil {
		return err
	}
	if len(args) == 0 {
		return errors.New("please specify version argument V")
	}
	v, err := strconv.ParseUint(args[0], 10, 0)
	if err != nil {
		return errors.New("can't read version argument V")
	}
	return t.done(t.m.Migrate(uint(v)))
}

func (t *migrateTool) up(ctx context.Context, args []string) error {
	args, err := t.arguments("up", args, nil)
	if err != nil {
		return err
	}
	if err := t.open(ctx); err != nil {
		return err
	}
	if len(args) == 0 {
		return t.done(t.m.Up())
	}
	n, err := limit(args[0])
	if err != nil {
		return err
	}
	return t.done(t.m.Steps(n))
}

func (t *migrateTool) down(ctx context.Context, args []string) error {
	var all bool
	args, err := t.arguments("down", args, func(f *flag.FlagSet) {
		f.BoolVar(&all, "all", false, "roll all migrations back")
	})
	if err != nil {
		return err
	}
	if err := t.open(ctx); err != nil {
		return err
	}
	switch {
	case all && len(args) > 0:
		return errors.New("-all cannot be used with other arguments")
	case len(args) > 1:
		return errors.New("too many arguments")
	case len(args) == 1:
		n, err := limit(args[0])
		if err != nil {
			return err
		}
		return t.done(t.m.Steps(-n))
	case !all:
		if !t.agreed("Are you sure you want to apply all down migrations?") {
			return errors.New("not applying all down migrations")
		}
		t.log.Println("Applying all down migrations")
	}
	return t.done(t.m.Down())
}

func limit(arg string) (int, error) {
	n, err := strconv.ParseUint(arg, 10, 31)
	if err != nil {
		return 0, errors.New("can't read limit argument N")
	}
	return int(n), nil
}

func (t *migrateTool) drop(ctx context.Context, args []string) error {
	var sure bool
	if _, err := t.arguments("drop", args, func(f *flag.FlagSet) {
		f.BoolVar(&sure, "f", false, "do not ask first")
	}); err != nil {
		return err
	}
	if !sure {
		if !t.agreed("Are you sure you want to drop the entire database schema?") {
			return errors.New("aborted dropping the entire database schema")
		}
		t.log.Println("Dropping the entire database schema")
	}
	if err := t.open(ctx); err != nil {
		return err
	}
	return t.m.Drop()
}

func (t *migrateTool) force(ctx context.Context, args []string) error {
	args, err := t.arguments("force", args, nil)
	if err != nil {
		return err
	}
	if err := t.open(ctx); err != nil {
		return err
	}
	if len(args) == 0 {
		return errors.New("please specify version argument V")
	}
	v, err := strconv.Atoi(args[0])
	switch {
	case err != nil:
		return errors.New("can't read version argument V")
	case v < -1:
		return errors.New("argument V must be >= -1")
	}
	return t.m.Force(v)
}

func (t *migrateTool) showVersion(ctx context.Context, _ []string) error {
	if err := t.open(ctx); err != nil {
		return err
	}
	v, dirty, err := t.m.Version()
	switch {
	case err != nil:
		return err
	case dirty:
		t.log.Printf("%v (dirty)\n", v)
	default:
		t.log.Println(v)
	}
	return nil
}
