// Command local runs Portico on this machine.
//
//	local up                           the whole stack, until Ctrl-C
//	local clean                        removes the data and all build results
//	local invoke FUNCTION EVENT.json   one function, once
//	local services -- COMMAND ARG…     a command with throw-away Postgres, DynamoDB and S3
//	local with-stack -- COMMAND ARG…   a command with a throw-away stack: PORTICO_URL, PORTICO_KEY
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

const usage = `usage:
  local [-root DIR] up [-http ADDRESS] [-databases NAMES] [-log text|json] [-debug 1]
                                              run the whole stack until Ctrl-C
  local [-root DIR] clean                     remove the data and all build results
  local [-root DIR] invoke FUNCTION EVENT     run one function for the event in a JSON file
  local [-root DIR] services -- COMMAND ARG…  run a command with throw-away Postgres, DynamoDB and S3
  local [-root DIR] with-stack -- COMMAND ARG…  run a command with a throw-away stack (PORTICO_URL, PORTICO_KEY)
`

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr, demonstrate))
}

// run returns the exit code. after, if given, is called once the stack is up.
func run(args []string, stdout, stderr io.Writer, after hook) int {
	flags := flag.NewFlagSet("local", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprint(stderr, usage) }
	root := flags.String("root", ".", "the repository: the folder of template.yaml")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	var err error
	switch args := flags.Args(); {
	case len(args) > 0 && args[0] == "up":
		err = up(*root, args[1:], stdout, stderr, after)
	case len(args) == 1 && args[0] == "clean":
		err = clean(*root, stdout)
	case len(args) == 3 && args[0] == "invoke":
		err = invoke(*root, args[1], args[2], stdout, stderr)
	case len(args) > 2 && args[0] == "services" && args[1] == "--":
		err = withServices(*root, args[2:], stderr)
	case len(args) > 2 && args[0] == "with-stack" && args[1] == "--":
		err = withStack(*root, args[2:], stderr)
	default:
		flags.Usage()
		return 2
	}
	var code exitCode
	switch {
	case errors.As(err, &code):
		return int(code)
	case err != nil:
		fmt.Fprintln(stderr, "local:", err)
		return 1
	}
	return 0
}

// exitCode is an error that has been reported already.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit code %d", int(c)) }

// interrupted returns a context that ends at Ctrl-C; a second one ends the
// program, and the operating system ends what it started.
func interrupted() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel()
		<-signals
		os.Exit(130)
	}()
	return ctx, cancel
}
