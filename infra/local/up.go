package main

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"portico/infra/local/stack"
	"portico/shared/lambdahost"
)

func up(root string, args []string, stdout, stderr io.Writer, after hook) error {
	flags := flag.NewFlagSet("up", flag.ContinueOnError)
	flags.SetOutput(stderr)
	addr := flags.String("http", "", "address of the HTTP API; default 127.0.0.1:8080 or the next free port")
	databases := flags.String("databases", "", "names, separated by commas, of other databases for organizations")
	format := flags.String("log", "", "text (the default) or json")
	debug := flags.String("debug", "", "if set, builds the functions for a debugger")
	if err := flags.Parse(args); err != nil {
		return exitCode(2)
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "local: up takes no %q\n", flags.Args())
		return exitCode(2)
	}
	others, err := names(*databases)
	if err != nil {
		return err
	}
	log, people, err := output(*format, stdout, stderr)
	if err != nil {
		return err
	}
	ctx, cancel := interrupted()
	defer cancel()
	out := printer{people, colourful(people)}
	begin := time.Now()
	s, err := stack.Start(ctx, stack.Options{
		Root: root, HTTPAddr: *addr, DatabaseURL: os.Getenv("DATABASE_URL"), Databases: others, Schedules: true, Debug: *debug != "", Log: log, Progress: out.progress,
		EnvFile: filepath.Join(root, ".local", "env.json"),
	})
	if err == nil {
		defer s.Close()
	}
	if ctx.Err() != nil {
		return exitCode(130)
	}
	if err != nil {
		return err
	}
	out.progress("started in %.1f s", time.Since(begin).Seconds())
	out.addresses(s)
	if after != nil {
		log.hold()
		done, err := after(ctx, s, people)
		log.release(err != nil)
		if ctx.Err() != nil {
			return exitCode(130)
		}
		if err != nil {
			return err
		}
		defer done()
	}
	out.progress("running; the functions' log follows, Ctrl-C stops everything")
	<-ctx.Done()
	out.progress("stopping")
	return nil
}

// output returns the writers for the functions' log and for messages to people.
// If the log is JSON, which programs read, the messages go to stderr.
func output(format string, stdout, stderr io.Writer) (log *heldLog, people io.Writer, err error) {
	switch cmp.Or(format, "text") {
	case "text":
		return &heldLog{w: lines{stdout, printer{stdout, colourful(stdout)}.paint}}, stdout, nil
	case "json":
		return &heldLog{w: jsonLines{stdout}}, stderr, nil
	}
	return nil, nil, fmt.Errorf("LOG=%s: the log can be text or json", format)
}

// names reads the list of databases, and refuses names with which the functions
// would not start.
func names(list string) ([]string, error) {
	all := strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
	for _, name := range all {
		if err := lambdahost.CheckDatabaseName(name); err != nil {
			return nil, fmt.Errorf("DATABASES=%s: %w", list, err)
		}
	}
	return all, nil
}

// printer writes for people, with colour on a terminal only.
type printer struct {
	w      io.Writer
	colour bool
}

func (p printer) paint(code, text string) string {
	if !p.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p printer) progress(format string, args ...any) {
	fmt.Fprintf(p.w, "%s %s\n", p.paint("36", "local:"), fmt.Sprintf(format, args...))
}

func (p printer) addresses(s *stack.Stack) {
	for _, line := range [][2]string{
		{"API", s.URL}, {"reference", s.URL + "/docs"}, {"local pages", s.URL + "/_local/"}, {"inbox", s.InboxURL()}, {"sign in", s.SignInURL()},
		{"Postgres", s.DatabaseURL}, {"data", s.StateDir()},
	} {
		if line[1] != "" {
			fmt.Fprintf(p.w, "  %-12s %s\n", line[0], p.paint("1", line[1]))
		}
	}
}

// colourful reports whether w is a terminal whose user has not switched colours
// off (https://no-color.org).
func colourful(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
