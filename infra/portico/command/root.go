// Package command has the subcommands of portico.
package command

import (
	"context"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"portico/infra/portico/client"
	"portico/infra/portico/config"
	"portico/infra/portico/terminal"
	"portico/shared/clock"
)

// Console is what a command uses of the machine.
type Console struct {
	In        io.Reader
	Out, Err  io.Writer
	Getenv    func(string) string
	ConfigDir string // the user's folder for configuration files; empty: there is none
	// Wait waits before a request is sent again; nil: clock.Sleep.
	Wait func(ctx context.Context, d time.Duration) error
}

// callTimeout is longer than the API's own limit, so that its answer arrives.
const callTimeout = 40 * time.Second

// app is one run of the command.
type app struct {
	Console
	out, err terminal.Printer

	json           bool
	retries        int
	file           string
	idempotencyKey string
	list           listFlags
}

// Run runs the command with its arguments and returns the exit code.
func Run(ctx context.Context, args []string, c Console) int {
	if c.Wait == nil {
		c.Wait = clock.Sleep
	}
	a := &app{Console: c, out: terminal.New(c.Out, c.Getenv), err: terminal.New(c.Err, c.Getenv)}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(c.In)
	root.SetOut(c.Out)
	root.SetErr(c.Err)
	return a.report(root.ExecuteContext(ctx))
}

const about = `portico works with your organization's webhooks.

Settings come from flags, from the environment, or from a file, in this order:

  --api           PORTICO_URL           "url"           the address of the API
  --key           PORTICO_KEY           "key"           an API key
  --organization  PORTICO_ORGANIZATION  "organization"  for a staff key: on which organization it acts

"portico config" shows the settings in use and where the file is. Prefer the
environment or the file for the key: other users of a machine can see flags.

With --json a command prints exactly what the API answered. Without it, the output
is for people and may change. Colours are used on a terminal only, and not if
NO_COLOR is set.

Exit codes:
  0  done
  1  the API refused the request, or something else went wrong
  2  the command was not used correctly, or a setting is missing
  3  the API cannot be reached or cannot answer now: try again later`

func (a *app) root() *cobra.Command {
	root := group("portico", "Work with webhooks: publish, deliver, redeliver, listen",
		a.endpoints(), a.events(), a.deliveries(), a.recoveries(), a.eventTypes(), a.consumers(),
		a.audit(), a.listen(), a.config(), a.version())
	root.Long = about
	root.Example = `  portico config save --api https://api.example.com --key ptc_…
  portico endpoints create --url https://example.com/webhooks --types 'invoice.*'
  portico events publish --type invoice.paid --data '{"id":"in_1"}'
  portico deliveries list --status failed
  portico listen --forward http://127.0.0.1:3000/webhooks`
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return misuse(cmd, "%v", err) })
	flags := root.PersistentFlags()
	flags.SortFlags = false
	flags.String("api", "", "address of the API (default "+config.DefaultURL+")")
	flags.String("key", "", "API key")
	flags.String("organization", "", "organization to act on, for a staff key")
	flags.StringVar(&a.file, "config", "", "configuration file (default: portico/config.json in the user's configuration folder)")
	flags.BoolVar(&a.json, "json", false, "print what the API answered, as JSON")
	flags.IntVar(&a.retries, "retries", 4, "how often to send a request again that fails for now")
	root.CompletionOptions.HiddenDefaultCmd = false
	return root
}

// group returns a command that has only subcommands.
func group(use, short string, children ...*cobra.Command) *cobra.Command {
	g := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, DisableFlagsInUseLine: true}
	g.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		text := "there is no command " + terminal.Clean(args[0])
		cmd.SuggestionsMinimumDistance = 2
		if close := cmd.SuggestionsFor(args[0]); len(close) > 0 {
			text += ": did you mean " + close[0] + "?"
		}
		return misuse(cmd, "%s", text)
	}
	g.AddCommand(children...)
	return g
}

// settings reads the configuration and prints its warnings. A file that the user has
// named must exist.
func (a *app) settings(cmd *cobra.Command) (*config.Settings, error) {
	return a.settingsOf(cmd, a.file != "")
}

func (a *app) settingsOf(cmd *cobra.Command, mustExist bool) (*config.Settings, error) {
	given := map[string]string{}
	for _, name := range config.Names {
		if f := cmd.Flags().Lookup(config.Flag(name)); f != nil && f.Changed {
			given[name] = f.Value.String()
		}
	}
	file := a.file
	if file == "" && a.ConfigDir != "" {
		file = filepath.Join(a.ConfigDir, "portico", "config.json")
	}
	s, err := config.Load(given, a.Getenv, file, mustExist)
	if err != nil {
		return nil, misuse(cmd, "%v", err)
	}
	for _, w := range s.Warnings {
		a.err.Line("%s %s", a.err.Paint(terminal.Yellow, "warning:"), w)
	}
	return s, nil
}

// client returns a client of the API for the settings.
func (a *app) client(cmd *cobra.Command) (*client.Client, error) {
	s, err := a.settings(cmd)
	if err != nil {
		return nil, err
	}
	key := s.Get(config.Key).Value
	if key == "" {
		return nil, misuse(cmd, "there is no API key: set PORTICO_KEY, or store one with portico config save --key ptc_…")
	}
	return &client.Client{
		URL: s.Get(config.URL).Value, Key: key, Organization: s.Get(config.Organization).Value,
		Agent: "portico-cli/" + buildVersion(), Retries: a.retries, HTTP: client.NewHTTP(callTimeout), Wait: a.Wait,
		Again: func(reason string, wait time.Duration) {
			a.err.Line("%s", a.err.Paint(terminal.Faint, reason+": trying again in "+wait.Round(time.Second/10).String()))
		},
	}, nil
}
