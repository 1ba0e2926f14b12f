package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"portico/infra/local/stack"
)

func up(root string, args []string, stdout io.Writer, after hook) error {
	flags := flag.NewFlagSet("up", flag.ContinueOnError)
	addr := flags.String("http", "", "address of the HTTP API; default 127.0.0.1:8080 or the next free port")
	databases := flags.String("databases", "", "names, separated by commas, of further databases in which organizations may live")
	if err := flags.Parse(args); err != nil {
		return exitCode(2)
	}
	ctx, cancel := interrupted()
	defer cancel()
	out := printer{stdout, isTerminal(stdout)}
	log := &heldLog{w: stdout}
	begin := time.Now()
	s, err := stack.Start(ctx, stack.Options{
		Root: root, HTTPAddr: *addr, DatabaseURL: os.Getenv("DATABASE_URL"), Databases: names(*databases), Schedules: true, Log: log, Progress: out.progress,
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
		done, err := after(ctx, s, stdout)
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

func names(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
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
		{"API", s.URL}, {"reference", s.URL + "/docs"}, {"local pages", s.URL + "/_local/"}, {"Postgres", s.DatabaseURL},
	} {
		if line[1] != "" {
			fmt.Fprintf(p.w, "  %-12s %s\n", line[0], p.paint("1", line[1]))
		}
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
