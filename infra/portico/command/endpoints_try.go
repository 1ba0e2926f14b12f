package command

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"portico/infra/portico/client"
)

func (a *app) testEndpoint() *cobra.Command {
	var b *body
	var wait bool
	cmd := a.mutation(a.command("test ID", "Send a test event to a webhook endpoint", "portico endpoints test "+sampleWE+" --type invoice.paid --wait", []string{endpointID},
		func(cmd *cobra.Command, args []string) error {
			text, err := b.encode(a)
			if err != nil {
				return err
			}
			c, err := a.client(cmd)
			if err != nil {
				return err
			}
			reply, err := c.Do(cmd.Context(), client.Request{
				Method: http.MethodPost, Path: endpointsPath + "/" + url.PathEscape(args[0]) + "/test", Body: text, IdempotencyKey: a.idempotencyKey,
			})
			switch {
			case err != nil:
				return err
			case wait:
				return a.awaitTry(cmd.Context(), c, cell(at(reply, "delivery_id")))
			}
			return a.show(reply)
		}))
	cmd.Flags().BoolVar(&wait, "wait", false, "wait for the first try, and show the delivery; exit code 1 if it failed")
	b = newBody(cmd)
	b.text("type", "event_type", "the event's type (default webhook_endpoint.test)")
	b.json(a, "data", "data", "the data: JSON, @file, or - for the standard input (default: an example of the type)")
	return cmd
}

// awaitTry waits for the first try of a delivery, and shows it.
func (a *app) awaitTry(ctx context.Context, c *client.Client, delivery string) error {
	tried := func(reply []byte) bool { return reply != nil && cell(at(reply, "attempt_count")) != "0" }
	reply, err := a.poll(ctx, c, deliveriesPath+"/"+url.PathEscape(delivery), nil, tried)
	if err != nil {
		return err
	}
	if err := a.show(reply); err != nil {
		return err
	}
	if cell(at(reply, "status")) != "delivered" {
		return errors.New("the endpoint has not accepted the event: " + cell(at(reply, "last_error")))
	}
	return nil
}
