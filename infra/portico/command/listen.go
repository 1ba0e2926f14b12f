package command

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"portico/infra/portico/client"
	"portico/infra/portico/listen"
	"portico/infra/portico/terminal"
	"portico/shared/webhook/signing"
)

const aboutListen = `Forward your organization's events to a program on this machine, until Ctrl-C.

It reads an event consumer's stream, so nothing has to reach your machine from
outside. Each event is sent as a delivery would be: the same body, Webhook-Id, and a
signature with the secret of this session, which is printed at the start. Give this
secret to your program's verification code, or choose it with --secret.

An event that your program answers with 2xx is acknowledged. Any other event comes
again, first after 30 seconds and at most eight times; --once takes every event off
the stream, whatever the answer is.

Without --consumer a temporary consumer is created, which gets the events published
from now on, and is deleted at the end. With --consumer a lasting one is used, and
created if it does not exist: events wait for it while you do not listen. Its secret,
which verifies what the stream sends, is kept beside the configuration file.`

// listenFlags are the flags of listen.
type listenFlags struct {
	forward, consumer, filter, secret, scheme, consumerSecret string

	types        []string
	once, rotate bool
	timeout      time.Duration
}

func (a *app) listen() *cobra.Command {
	f := &listenFlags{}
	cmd := a.command("listen", "Forward events to a program on this machine",
		"portico listen --forward http://127.0.0.1:3000/webhooks\n"+
			"portico listen --forward http://127.0.0.1:3000/webhooks --types 'invoice.*' --consumer ada", nil,
		func(cmd *cobra.Command, _ []string) error { return a.runListen(cmd, f) })
	cmd.Long = aboutListen
	flags := cmd.Flags()
	flags.StringVar(&f.forward, "forward", "", "the `URL` of your program")
	flags.StringSliceVar(&f.types, "types", []string{"*"}, "which events: types, prefixes such as invoice.*, or *")
	flags.StringVar(&f.filter, "filter", "", "only events for which this `expression` is true, such as 'data.total > 100'")
	flags.StringVar(&f.consumer, "consumer", "", "the `name` of a lasting consumer")
	flags.StringVar(&f.consumerSecret, "consumer-secret", "", "the secret of the lasting consumer, if it was created elsewhere (or PORTICO_CONSUMER_SECRET)")
	flags.BoolVar(&f.rotate, "rotate-secret", false, "give the lasting consumer a new secret, because the old one is not known here")
	flags.StringVar(&f.secret, "secret", "", "the session's secret, whsec_…; without it a new one is made")
	flags.StringVar(&f.scheme, "signature-scheme", signing.SchemePortico, "how to sign: portico or standard, as the option of an endpoint")
	suggest(cmd, "signature-scheme", signing.SchemePortico, signing.SchemeStandard)
	flags.BoolVar(&f.once, "once", false, "forward each event only once, whatever the answer is")
	flags.DurationVar(&f.timeout, "timeout", 30*time.Second, "how long to wait for your program's answer")
	return cmd
}

// check refuses flags that cannot work.
func (f *listenFlags) check(cmd *cobra.Command) error {
	to, err := url.Parse(f.forward)
	switch {
	case f.forward == "":
		return misuse(cmd, "give --forward, the URL of your program")
	case err != nil || to.Host == "" || to.Scheme != "http" && to.Scheme != "https":
		return misuse(cmd, "--forward %q: give a URL such as http://127.0.0.1:3000/webhooks", f.forward)
	case !slices.Contains([]string{signing.SchemePortico, signing.SchemeStandard}, f.scheme):
		return misuse(cmd, "--signature-scheme %q: it can be portico or standard", f.scheme)
	case f.timeout <= 0:
		return misuse(cmd, "--timeout must be more than 0")
	case f.consumer == "" && (f.consumerSecret != "" || f.rotate):
		return misuse(cmd, "--consumer-secret and --rotate-secret need --consumer")
	}
	if _, err := signing.SignStandard("", time.Time{}, nil, f.secret); f.secret != "" && err != nil {
		return misuse(cmd, "--secret must be whsec_ and base64, as the secret of an endpoint")
	}
	return nil
}

func (a *app) runListen(cmd *cobra.Command, f *listenFlags) error {
	if err := f.check(cmd); err != nil {
		return err
	}
	api, err := a.client(cmd)
	if err != nil {
		return err
	}
	consumer, err := a.consumerFor(cmd, api, f)
	if err != nil {
		return err
	}
	if f.consumer == "" {
		defer a.deleteConsumer(cmd.Context(), api, consumer)
	}
	chosen := f.secret != ""
	if !chosen {
		f.secret = signing.NewSecret()
	}
	what := strings.Join(consumer.EventTypes, ", ")
	if what == "" {
		what = "dead letters"
	}
	a.note("Forwarding %s to %s, as the consumer %s. Ctrl-C ends it.", what, f.forward, consumer.Name)
	if !chosen {
		a.note("The signing secret of this session is %s", a.err.Paint(terminal.Bold, f.secret))
	}
	session := &listen.Session{
		API: api, Consumer: consumer, To: f.forward, Once: f.once, Local: client.NewHTTP(f.timeout),
		Signer: signing.Signer{Scheme: f.scheme, Secrets: []string{f.secret}},
		Report: a.exchange, Note: a.note,
	}
	return session.Run(cmd.Context())
}

// note tells the user something that is no result.
func (a *app) note(format string, args ...any) {
	for line := range strings.SplitSeq(fmt.Sprintf(format, args...), "\n") {
		a.err.Line("%s", line)
	}
}

// consumerFor returns the consumer to read: a temporary one, or the lasting one with
// its name.
func (a *app) consumerFor(cmd *cobra.Command, api *client.Client, f *listenFlags) (c listen.Consumer, err error) {
	wanted := listen.NewConsumer{Name: f.consumer, EventTypes: f.types, Filter: f.filter, Description: "portico listen"}
	if f.consumer == "" {
		wanted.Name = "listen-" + strings.ToLower(rand.Text()[:10])
		return listen.Create(cmd.Context(), api, wanted)
	}
	found, ok, err := listen.Find(cmd.Context(), api, f.consumer)
	if err != nil {
		return c, err
	}
	secrets := a.secrets()
	switch {
	case !ok:
		if found, err = listen.Create(cmd.Context(), api, wanted); err == nil {
			err = secrets.keep(found.ID, found.Secret)
		}
		return found, err
	case cmd.Flags().Changed("types") && !slices.Equal(found.EventTypes, f.types), cmd.Flags().Changed("filter") && found.Filter != f.filter:
		return c, misuse(cmd, "the consumer %s reads other events (%s): leave out --types and --filter, or use another name", found.Name, strings.Join(found.EventTypes, ", "))
	case f.rotate:
		rotated, err := listen.Rotate(cmd.Context(), api, found.ID)
		if err != nil {
			return c, err
		}
		found.Secret = rotated.Secret
		return found, secrets.keep(found.ID, found.Secret)
	}
	for _, known := range []string{f.consumerSecret, a.Getenv("PORTICO_CONSUMER_SECRET"), secrets.of(found.ID)} {
		if known != "" {
			found.Secret = known
			return found, nil
		}
	}
	return c, misuse(cmd, "the secret of the consumer %s is not known here: set PORTICO_CONSUMER_SECRET, or give the consumer a new one with --rotate-secret", found.Name)
}

// deleteConsumer deletes a temporary consumer, also after Ctrl-C.
func (a *app) deleteConsumer(ctx context.Context, api *client.Client, c listen.Consumer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := listen.Delete(ctx, api, c.ID); err != nil {
		a.note("The temporary consumer was not deleted: %v\nDelete it with portico consumers delete %s", err, c.ID)
		return
	}
	a.note("Deleted the temporary consumer %s.", c.Name)
}

// exchange prints one exchange: a line for people, or a JSON document on one line.
func (a *app) exchange(e listen.Exchange) {
	if a.json {
		text, _ := json.Marshal(e) // it has only texts and numbers
		_ = a.document(text)       // an output that is closed ends the command by SIGPIPE
		return
	}
	result, colour := strconv.Itoa(e.Status), terminal.Green
	switch {
	case e.Status == 0:
		result, colour = "failed", terminal.Red
	case e.Status >= http.StatusInternalServerError:
		colour = terminal.Red
	case e.Status >= http.StatusMultipleChoices:
		colour = terminal.Yellow
	}
	line := fmt.Sprintf("%s  %s  %s  %s  %4.0f ms", a.out.Paint(terminal.Faint, e.Time.Format(time.TimeOnly)),
		terminal.Clean(e.Type), terminal.Clean(e.EventID), a.out.Paint(colour, result), e.Milliseconds)
	if e.Error != "" {
		line += "  " + terminal.Clean(e.Error)
	}
	if !e.Acknowledged {
		line += a.out.Paint(terminal.Faint, fmt.Sprintf("  comes again (try %d)", e.Tries))
	}
	a.out.Line("%s", line)
}
