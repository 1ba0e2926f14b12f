package command

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"portico/infra/portico/client"
)

const (
	recoveriesPath = "/v1/recoveries"
	recoveryID     = "the recovery's id, rec_…"
	sampleREC      = "rec_01jdf3z9k2e4nv6xq8r0s1t2v3"
	// pollEvery is how often --wait asks whether it is done.
	pollEvery = time.Second
)

func (a *app) recoveries() *cobra.Command {
	list := a.command("list ENDPOINT", "List the recoveries of a webhook endpoint", "portico recoveries list "+sampleWE, []string{endpointID},
		func(cmd *cobra.Command, args []string) error {
			return a.pages(cmd, endpointsPath+"/"+url.PathEscape(args[0])+"/recoveries", "recoveries", url.Values{}, []column{
				{"ID", "id"}, {"KIND", "kind"}, {"STATUS", "status"}, {"DELIVERIES", "delivery_count"},
				{"SINCE", "since"}, {"UNTIL", "until"}, {"REACHED", "reached_at"},
			})
		})
	a.addListFlags(list, nil)
	return group("recoveries", "Recoveries: past events that an endpoint gets again, or for the first time",
		list,
		a.gets("get ID", "Show a recovery with its progress", "portico recoveries get "+sampleREC, recoveriesPath+"/%s", recoveryID),
		a.mutation(a.command("cancel ID", "Cancel a recovery; what it has made due is sent all the same", "portico recoveries cancel "+sampleREC, []string{recoveryID},
			func(cmd *cobra.Command, args []string) error {
				return a.change(cmd, http.MethodPost, recoveriesPath+"/"+url.PathEscape(args[0])+"/cancel", nil)
			})),
	)
}

func (a *app) recoverEndpoint() *cobra.Command {
	cmd, b := a.startsRecovery("recover", "Send the failed deliveries of a time again",
		"portico endpoints recover "+sampleWE+" --since 2h --wait\n"+
			"portico endpoints recover "+sampleWE+" --since 2026-11-01T00:00:00Z --until 2026-11-02T00:00:00Z --statuses failed,delivered")
	b.texts("statuses", "statuses", "only deliveries with these statuses: failed, delivered or both (default failed)")
	suggest(cmd, "statuses", "failed", "delivered", "failed,delivered")
	return cmd
}

func (a *app) replayToEndpoint() *cobra.Command {
	cmd, b := a.startsRecovery("replay", "Send past events that a webhook endpoint has not had",
		"portico endpoints replay "+sampleWE+" --since 48h --types 'invoice.*'")
	b.texts("types", "event_types", "only these types, or prefixes such as invoice.* (default: those of the endpoint)")
	return cmd
}

// startsRecovery returns a command that starts a recovery, and waits for its end if it
// is told to.
func (a *app) startsRecovery(use, short, example string) (*cobra.Command, *body) {
	var b *body
	var wait bool
	cmd := a.mutation(a.command(use+" ID", short, example, []string{endpointID}, func(cmd *cobra.Command, args []string) error {
		if *b.whole == "" && !cmd.Flags().Changed("since") {
			return misuse(cmd, "give --since")
		}
		text, err := b.encode(a)
		if err != nil {
			return err
		}
		c, err := a.client(cmd)
		if err != nil {
			return err
		}
		reply, err := c.Do(cmd.Context(), client.Request{
			Method: http.MethodPost, Path: endpointsPath + "/" + url.PathEscape(args[0]) + "/" + use, Body: text, IdempotencyKey: a.idempotencyKey,
		})
		switch {
		case err != nil:
			return err
		case wait:
			return a.awaitRecovery(cmd.Context(), c, reply)
		}
		return a.show(reply)
	}))
	cmd.Flags().BoolVar(&wait, "wait", false, "wait until all these deliveries are due")
	b = newBody(cmd)
	b.moment("since", "since", "only events published at this time or later: 2026-11-22T14:00:00Z, or how long ago, such as 2h")
	b.moment("until", "until", "only events published before this time (default: now)")
	return cmd, b
}

// awaitRecovery waits until a recovery has ended, and shows it.
func (a *app) awaitRecovery(ctx context.Context, c *client.Client, reply []byte) error {
	path := recoveriesPath + "/" + url.PathEscape(cell(at(reply, "id")))
	reply, err := a.poll(ctx, c, path, reply, func(r []byte) bool { return cell(at(r, "status")) != "running" })
	if err != nil {
		return err
	}
	if err := a.show(reply); err != nil {
		return err
	}
	if status := cell(at(reply, "status")); status != "succeeded" {
		return fmt.Errorf("the recovery is %s", status)
	}
	return nil
}

// poll reads what is at a path again and again, until it is done.
func (a *app) poll(ctx context.Context, c *client.Client, path string, reply []byte, done func(reply []byte) bool) ([]byte, error) {
	for !done(reply) {
		if err := a.Wait(ctx, pollEvery); err != nil {
			return nil, err
		}
		var err error
		if reply, err = c.Do(ctx, client.Request{Method: http.MethodGet, Path: path}); err != nil {
			return nil, err
		}
	}
	return reply, nil
}
