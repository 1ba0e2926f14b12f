package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"portico/infra/portico/client"
	"portico/infra/portico/terminal"
)

// Exit codes.
const (
	exitDone = iota
	exitRefused
	exitMisuse
	exitUnavailable
	exitInterrupted = 130
)

// misused is a command line or a setting that cannot work.
type misused struct{ text, help string }

func (m *misused) Error() string { return m.text + "\n  " + m.help }

// misuse returns a misused that leads to the help of its command.
func misuse(cmd *cobra.Command, format string, args ...any) error {
	return &misused{fmt.Sprintf(format, args...), "See " + cmd.CommandPath() + " --help."}
}

// report prints an error and returns the exit code.
func (a *app) report(err error) int {
	if err == nil {
		return exitDone
	}
	var (
		unavailable *client.Unavailable
		use         *misused
	)
	code := exitRefused
	switch {
	case errors.Is(err, context.Canceled):
		return exitInterrupted // whoever interrupts knows it
	case errors.As(err, &unavailable):
		code = exitUnavailable
	case errors.As(err, &use):
		code = exitMisuse
	}
	a.err.Line("%s %s", a.err.Paint(terminal.Red, "portico:"), cleanLines(err.Error()))
	return code
}
