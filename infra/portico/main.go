// Command portico works with an organization's webhooks over the API: it publishes
// events, manages endpoints and deliveries, and forwards events to a local program.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"portico/infra/portico/command"
)

func main() { os.Exit(run()) }

// run ends what it does at the first Ctrl-C; the second one ends the program.
func run() int {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	context.AfterFunc(ctx, cancel) // signals have their usual effect again
	dir, _ := os.UserConfigDir()   // "" if the machine has none: there is no file then
	return command.Run(ctx, os.Args[1:], command.Console{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Getenv: os.Getenv, ConfigDir: dir,
	})
}
