package command

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"portico/infra/portico/client"
)

// runner does the work of a command.
type runner = func(cmd *cobra.Command, args []string) error

// command returns a command that takes the named arguments, such as «the endpoint's
// id», and no others.
func (a *app) command(use, short, example string, arguments []string, run runner) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Example: indented(example), RunE: run,
		ValidArgsFunction: cobra.NoFileCompletions,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > len(arguments):
				return misuse(cmd, "%q is one argument too many", args[len(arguments)])
			case len(args) < len(arguments):
				return misuse(cmd, "give %s", arguments[len(args)])
			}
			return nil
		},
	}
}

func indented(example string) string { return "  " + strings.ReplaceAll(example, "\n", "\n  ") }

// mutation adds what commands that change something have.
func (a *app) mutation(cmd *cobra.Command) *cobra.Command {
	cmd.Flags().StringVar(&a.idempotencyKey, "idempotency-key", "", "do this only once, even if the command is repeated within 24 hours")
	return cmd
}

// gets returns a command that reads one thing by its id.
func (a *app) gets(use, short, example, path, argument string) *cobra.Command {
	return a.command(use, short, example, []string{argument}, func(cmd *cobra.Command, args []string) error {
		reply, err := a.call(cmd, http.MethodGet, fmt.Sprintf(path, url.PathEscape(args[0])), nil)
		if err != nil {
			return err
		}
		return a.show(reply)
	})
}

// deletes returns a command that deletes one thing by its id.
func (a *app) deletes(use, short, example, path, argument string) *cobra.Command {
	return a.mutation(a.command(use, short, example, []string{argument}, func(cmd *cobra.Command, args []string) error {
		return a.remove(cmd, fmt.Sprintf(path, url.PathEscape(args[0])), args[0])
	}))
}

// remove deletes what is at a path.
func (a *app) remove(cmd *cobra.Command, path, name string) error {
	reply, err := a.call(cmd, http.MethodDelete, path, nil)
	if err == nil && !a.json {
		a.out.Line("Deleted %s.", name)
	}
	if err != nil || len(reply) == 0 {
		return err
	}
	return a.document(reply)
}

// call calls an operation once, with the settings.
func (a *app) call(cmd *cobra.Command, method, path string, body []byte) ([]byte, error) {
	c, err := a.client(cmd)
	if err != nil {
		return nil, err
	}
	return c.Do(cmd.Context(), client.Request{Method: method, Path: path, Body: body, IdempotencyKey: a.idempotencyKey})
}

// change calls an operation and shows its reply.
func (a *app) change(cmd *cobra.Command, method, path string, body []byte) error {
	reply, err := a.call(cmd, method, path, body)
	if err != nil {
		return err
	}
	return a.show(reply)
}

// suggest lets the shell complete the values of a flag.
func suggest(cmd *cobra.Command, flag string, values ...string) {
	if len(values) > 0 {
		_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)) // fails only for a flag that is missing
	}
}

// input returns what an argument stands for: itself, @file, or - for the standard
// input.
func (a *app) input(value string) ([]byte, error) {
	name, isFile := strings.CutPrefix(value, "@")
	switch {
	case value == "-":
		return io.ReadAll(a.In)
	case isFile:
		return os.ReadFile(name)
	}
	return []byte(value), nil
}

var errMoment = errors.New("give a time such as 2026-11-22T14:00:00Z, or how long ago, such as 90m or 48h")

// moment reads a time, or how long ago it was.
func moment(cmd *cobra.Command, flag, value string) (string, error) {
	if ago, err := time.ParseDuration(value); err == nil && ago >= 0 {
		return time.Now().Add(-ago).UTC().Format(time.RFC3339), nil
	}
	if _, err := time.Parse(time.RFC3339, value); err != nil {
		return "", misuse(cmd, "--%s %q: %v", flag, value, errMoment)
	}
	return value, nil
}
